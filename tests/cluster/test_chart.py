"""The chart alone: lint, schema, and what it renders for four releases of Kubernetes."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from conftest import ROOT, TOOLS
from harness.certificates import self_signed

CHART = ROOT / "deploy" / "helm" / "penstock"
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASES = ["1.16", "1.19", "1.25", "1.33"]
OPENSHIFT = ["--api-versions", "monitoring.coreos.com/v1", "--api-versions", "security.openshift.io/v1"]


def helm(*arguments, check=True):
    done = subprocess.run([TOOLS / "helm", *map(str, arguments)], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


def rendered(*arguments, values=EXAMPLES[0], release="1.33"):
    return helm("template", "logs", CHART, "-f", values, "--kube-version", release, *OPENSHIFT, *arguments).stdout


def configured(key, *arguments):
    return re.search(rf"^ *{key}: *(.+)$", rendered(*arguments), re.M).group(1)


def refusal(*arguments):
    done = helm("template", "logs", CHART, "-f", EXAMPLES[0], *arguments, check=False)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda p: p.stem)
def test_lint_is_clean(values):
    out = helm("lint", "--strict", CHART, "-f", values).stdout
    assert "WARNING" not in out and "ERROR" not in out


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("values", EXAMPLES, ids=lambda p: p.stem)
def test_manifests_fit_the_release(release, values):
    manifests = rendered(values=values, release=release)
    done = subprocess.run(
        [TOOLS / f"manifest-check-{release}", release], input=manifests, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("old, new", [("1.19", "1.33"), ("1.33", "1.19")])
def test_the_check_itself_finds_manifests_of_another_release(old, new):
    done = subprocess.run(
        [TOOLS / f"manifest-check-{new}", new], input=rendered(release=old), capture_output=True, text=True
    )
    assert done.returncode == 1 and "HorizontalPodAutoscaler" in done.stderr


def test_what_older_releases_refuse_is_left_out():
    for release, present in [("1.16", False), ("1.19", False), ("1.25", True)]:
        assert ("seccompProfile" in rendered(release=release)) == present
    for release, present in [("1.16", False), ("1.19", True)]:
        assert ("topologySpreadConstraints" in rendered(release=release)) == present
        assert ("startupProbe" in rendered(release=release)) == present


def test_monitoring_only_where_it_is_served():
    out = helm("template", "logs", CHART, "-f", EXAMPLES[0]).stdout
    assert "PrometheusRule" not in out and "ServiceMonitor" not in out
    assert "kind: PrometheusRule" in rendered() and "kind: ServiceMonitor" in rendered()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--set", "spool.sise=1Gi"], "additional properties 'sise' not allowed"),
        (["--set", "config.streams.audit.agregation=kpl"], "additional properties 'agregation' not allowed"),
        (["--set", "config.streams.audit.aggregation=kpi"], "value must be one of"),
        (
            ["--set", "config.routes[0].stream=adit"],
            'config.routes[0].stream is "adit", which is not in config.streams (audit, operations, projects)',
        ),
        (["--set", "spool.maxSize=9GiB"], "together exceed 85 % of spool.size"),
        (["--set", "spool.size=1Gi"], "enlarge spool.size"),
        (["--set", "resources.limits.memory=256Mi"], "must be above config.memory_limit"),
        (["--set", "aws.region="], "aws.region is required"),
        (
            ["--set", "aws.role.arn=arn:aws:iam::123456789012:role/x"],
            "give only one of aws.existingSecret, aws.role.arn",
        ),
    ],
)
def test_wrong_values_are_refused_readably(arguments, words):
    assert words in refusal(*arguments)


def test_the_grace_period_is_the_drain_timeout_and_15_seconds():
    assert configured("terminationGracePeriodSeconds") == "95"
    assert configured("terminationGracePeriodSeconds", "--set", "config.drain_timeout=2m") == "135"


@pytest.mark.parametrize(
    "volume, dead_letters, spool",
    [("10Gi", "1GiB", 7680), ("100Gi", "1GiB", 86016), ("1Ti", "10GiB", 881049), ("2Gi", "512m", 1228)],
)
def test_spool_and_dead_letters_take_at_most_85_percent_of_the_volume(volume, dead_letters, spool):
    out = rendered("--set", f"spool.size={volume}", "--set", f"config.dead_letters.max_size={dead_letters}")
    assert f"max_size: {spool}MiB" in out


def test_a_secret_made_by_the_chart_is_two_equal_keys():
    out = rendered(values=EXAMPLES[1])
    keys = dict(re.findall(r"^  (shared_key|shared_key_previous|http_token|http_token_previous): (\S+)$", out, re.M))
    assert (
        len(keys) == 4
        and keys["shared_key"] == keys["shared_key_previous"] != keys["http_token"] == keys["http_token_previous"]
    )


def test_a_role_brings_its_own_token_and_no_keys():
    out = rendered(values=EXAMPLES[1])
    assert (
        "audience: sts.amazonaws.com" in out
        and "eks.amazonaws.com/role-arn" in out
        and "AWS_SHARED_CREDENTIALS_FILE" not in out
    )


def test_every_alert_has_a_section_in_the_runbook():
    runbook = (ROOT / "doc" / "operations.md").read_text()
    alerts = re.findall(r"alert: (\w+)", rendered())
    assert len(alerts) >= 10
    for alert in alerts:
        assert f"### {alert}\n" in runbook


def test_the_rules_are_those_that_are_tested():
    """tests/test_alerts.py tries them with the words in capitals replaced by its own code."""
    sys.path.insert(0, str(ROOT / "tests"))
    from harness.alerts import alert_groups

    rules = next(doc for doc in yaml.safe_load_all(rendered()) if doc and doc["kind"] == "PrometheusRule")
    groups = rules["spec"]["groups"]
    for group in groups:
        for rule in group["rules"]:
            anchor = rule["annotations"].pop("runbook_url")
            assert anchor == f"doc/operations.md#{rule['alert'].lower()}"
    namespace, name = rules["metadata"].get("namespace", "default"), rules["metadata"]["name"]
    assert groups == alert_groups(namespace, name, certificate_seconds=1800)["groups"]
    served = rendered("--set", "monitoring.prometheusRule.runbookUrl=https://docs.example/operations.html")
    assert "https://docs.example/operations.html#penstockdown" in served


def test_certificates_of_ones_own_have_a_week():
    assert 'penstock_certificate_expiry_seconds{namespace="default"' in rendered()
    assert "< 1800" in rendered() and "< 604800" in rendered("--set", "tls.existingSecret=mine")


def panels_of(dashboard):
    return dashboard.get("panels", []) + [panel for row in dashboard.get("rows", []) for panel in row["panels"]]


@pytest.mark.parametrize("file", ["penstock.json", "console.json"])
def test_a_dashboard_asks_for_known_metrics(file):
    json.loads((CHART / "values.schema.json").read_text())
    dashboard = json.loads((CHART / "dashboards" / file).read_text())
    known = set(re.findall(r"`(penstock_\w+)`", (ROOT / "doc" / "metrics.md").read_text()))
    asked = {
        re.sub("_bucket$", "", metric)
        for panel in panels_of(dashboard)
        for target in panel["targets"]
        for metric in re.findall(r"penstock_\w+", target["expr"])
    }
    assert asked <= known and len(asked) >= 14


def test_the_console_gets_the_panels_that_it_draws():
    drawn = {"graph", "singlestat", "table", "gauge", "grafana-piechart-panel"}
    console = json.loads((CHART / "dashboards" / "console.json").read_text())
    assert {panel["type"] for panel in panels_of(console)} <= drawn
    label = r"monitoring.dashboard.labels.console\.openshift\.io/dashboard=true"
    assert '"type": "singlestat"' in rendered("--set-string", label)
    assert '"type": "singlestat"' not in rendered()


def test_the_schema_knows_every_option_that_the_chart_copies():
    sections = (ROOT / "doc" / "config.md").read_text().split("\n## ")
    options = {s.splitlines()[0]: re.findall(r"^\| `([\w.\[\]]+)` \|", s, re.M) for s in sections}
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    streams = schema["streams"]["additionalProperties"]
    of_streams = [(streams, option) for option in options["`streams.KEY`"]]
    others = [({"properties": schema}, o) for o in options["Top level"] if o.split(".")[0].split("[")[0] in schema]
    assert len(of_streams) > 15 and len(others) > 15
    for part, option in of_streams + others:
        if option == "dead_letters.directory":  # on the volume, always
            continue
        for name in option.split("."):
            properties = part["properties"]
            assert name.removesuffix("[]") in properties, f"values.schema.json refuses {option}"
            part = properties[name.removesuffix("[]")]
            part = part.get("items", part) if name.endswith("[]") else part


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda p: p.stem)
def test_penstock_itself_accepts_the_configuration(values, tmp_path, certificate):
    binary = pathlib.Path(os.environ.get("PENSTOCK_BINARY", ROOT / "build" / "release" / "penstock"))
    if not binary.exists():
        pytest.skip(f"{binary} has not been built")
    config = re.search(
        r"  penstock.yaml: \|\n((?:    .*\n|\n)+)", rendered("-s", "templates/configmap.yaml", values=values)
    ).group(1)
    config = (
        re.sub(r"^    ", "", config, flags=re.M)
        .replace("/var/run/secrets/penstock", str(tmp_path))
        .replace("/var/lib/penstock", str(tmp_path))
    )
    (tmp_path / "tls").mkdir()
    (tmp_path / "auth").mkdir()
    for name, file in zip(("tls.crt", "tls.key"), certificate):
        (tmp_path / "tls" / name).write_text(file.read_text())
    for name in ("shared_key", "shared_key_previous", "http_token", "http_token_previous"):
        (tmp_path / "auth" / name).write_text("theSameInBoth")
    (tmp_path / "penstock.yaml").write_text(config)

    done = subprocess.run(
        [binary, "check", "--config", tmp_path / "penstock.yaml"],
        capture_output=True,
        text=True,
        env={"AWS_REGION": "us-east-1", "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"},
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("certificate"))


def test_the_scripts_are_clean():
    scripts = [
        *(ROOT / "scripts").glob("*.sh"),
        *(ROOT / "scripts" / "lib").glob("*.sh"),
        ROOT / "tests" / "cluster" / "run",
    ]
    done = subprocess.run(["shellcheck", "-x", *map(str, scripts)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
