"""The chart alone: lint, schema, and what it renders for four releases of Kubernetes."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

import chart_readme
from conftest import ROOT, TOOLS
from harness.certificates import self_signed

CHART = ROOT / "deploy" / "helm" / "penstock"
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASES = ["1.16", "1.19", "1.25", "1.33"]


def helm(*arguments, check=True):
    done = subprocess.run([TOOLS / "helm", *map(str, arguments)], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


def rendered(*arguments, values=EXAMPLES[0], release="1.33"):
    return helm("template", "logs", CHART, "-f", values, "--kube-version", release, *arguments).stdout


def objects(*arguments, **named):
    """(kind, name) -> object"""
    found = yaml.safe_load_all(rendered(*arguments, **named))
    return {(item["kind"], item["metadata"]["name"]): item for item in found if item}


def pod_of(found):
    return next(item for (kind, _), item in found.items() if kind == "StatefulSet")["spec"]["template"]


def config_of(found):
    return yaml.safe_load(next(v["data"]["penstock.yaml"] for v in found.values() if "penstock.yaml" in v.get("data", {})))


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


def test_what_the_cluster_serves_is_said_by_values_not_found_out():
    """Argo CD and Flux render the chart without the cluster, or with a list of APIs of their own."""
    apis = ["--api-versions", "monitoring.coreos.com/v1", "--api-versions", "security.openshift.io/v1"]
    for values in EXAMPLES:
        assert rendered(values=values) == rendered(*apis, values=values) == rendered(values=values)
    monitors = {"PrometheusRule", "ServiceMonitor"}
    assert monitors <= {kind for kind, _ in objects()}
    assert not monitors & {kind for kind, _ in objects("--set", "monitoring.enabled=false")}
    assert "fsGroup" not in pod_of(objects())["spec"]["securityContext"]
    elsewhere = ["--set", "openshift=false,tls.existingSecret=cert"]
    assert pod_of(objects(*elsewhere))["spec"]["securityContext"]["fsGroup"] == 10001
    assert "required-scc" in rendered() and "required-scc" not in rendered(*elsewhere)
    assert "tls.existingSecret" in refusal("--set", "openshift=false")


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


def test_no_template_makes_a_key():
    sources = [file.read_text() for file in (CHART / "templates").rglob("*.*")]
    assert len(sources) > 10 and not any(re.search(r"\brand(Alpha|Ascii|Numeric|Bytes)|genPrivateKey|genCA", s) for s in sources)


def test_a_drain_is_not_held_up_by_pods_that_push_back():
    for release, present in [("1.25", False), ("1.33", True)]:
        assert ("unhealthyPodEvictionPolicy: AlwaysAllow" in rendered(release=release)) == present
        assert ("whenScaled: Retain" in rendered(release=release)) == present


def scaler(*arguments):
    return next(item["spec"] for (kind, _), item in objects(*arguments).items() if kind == "HorizontalPodAutoscaler")


def test_nothing_is_scaled_down_that_may_hold_events():
    assert scaler()["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    told = scaler("--set", "autoscaling.backlogMetric=penstock_backlog")
    assert "selectPolicy" not in told["behavior"]["scaleDown"]
    external = {"metric": {"name": "penstock_backlog"}, "target": {"type": "Value", "value": 1}}
    assert {"type": "External", "external": external} in told["metrics"]
    assert "selectPolicy" not in scaler("--set", "autoscaling.scaleDown=always")["behavior"]["scaleDown"]


def test_what_renders_without_a_cluster_leaves_the_number_of_pods_to_the_autoscaler():
    def replicas(*arguments):
        return next(i["spec"] for (kind, _), i in objects(*arguments).items() if kind == "StatefulSet").get("replicas")

    assert replicas() is None
    assert replicas("--set", "autoscaling.enabled=false,replicas=3") == 3


VALUES = """
listenAddress: "[::]"
service: {ipFamilyPolicy: PreferDualStack}
tls:
  minVersion: "1.3"
  ciphers: [TLS_AES_256_GCM_SHA384]
  clientCA: {existingConfigMap: senders}
sources:
  forward: {clientCertificates: true, users: [{name: alice, passwordKey: alice_password}]}
  http: {basic: [{name: bob, passwordKey: bob_password}]}
aws: {caBundle: {injectTrusted: true}}
proxy: {httpsProxy: "http://proxy.example.com:3128", noProxy: .cluster.local}
env: [{name: TZ, value: UTC}]
envFrom: [{secretRef: {name: more}}]
extraVolumes: [{name: more, secret: {secretName: more}}]
extraVolumeMounts: [{name: more, mountPath: /more}]
networkPolicy: {egress: {enabled: true, ports: [443, 3128]}}
"""


@pytest.mark.parametrize("address, inside", [("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")])
def test_admin_secure_leaves_the_plain_port_inside_the_pod(tmp_path, address, inside):
    (tmp_path / "values.yaml").write_text(f"listenAddress: '{address}'\nadmin: {{secure: {{enabled: true, port: 9444}}}}\n")
    found = objects("-f", tmp_path / "values.yaml")
    admin = config_of(found)["admin"]
    assert admin["listen"] == f"{inside}:9880" and admin["secure"]["listen"] == f"{address}:9444"
    assert admin["secure"]["auth"] == {"service_accounts": ["openshift-monitoring/prometheus-k8s"]}
    container = pod_of(found)["spec"]["containers"][0]
    assert {"name": "admin", "containerPort": 9444, "protocol": "TCP"} in container["ports"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(pathlib.PurePath(admin["secure"]["tls"]["cert"]).parent) in mounted
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["scheme"] == "HTTPS" and container[probe]["httpGet"]["port"] == "admin"
    service = found[("Service", "log-forwarding-kinesis-pods")]["spec"]
    assert [(port["name"], port["port"]) for port in service["ports"]] == [("admin", 9444)]
    endpoint = next(o for (kind, _), o in found.items() if kind == "ServiceMonitor")["spec"]["endpoints"][0]
    assert endpoint["scheme"] == "https" and endpoint["bearerTokenFile"]
    assert endpoint["tlsConfig"]["serverName"] == "log-forwarding-kinesis.default.svc"
    assert "insecureSkipVerify" not in endpoint["tlsConfig"]
    ports = [port["port"] for rule in found[("NetworkPolicy", "log-forwarding-kinesis")]["spec"]["ingress"]
             for port in rule["ports"]]
    assert 9444 in ports and 9880 not in ports
    assert any(kind == "ClusterRoleBinding" and name.endswith("token-review") for kind, name in found)


def test_admin_secure_needs_a_certificate_and_somebody_who_may_read():
    assert "no service CA makes a certificate" in refusal(
        "--set", "openshift=false,sources.forward.tls=false,sources.http.tls=false,admin.secure.enabled=true")
    assert "serviceAccounts" in refusal("--set-json", "admin.secure.serviceAccounts=[]")


def test_what_the_binary_can_the_chart_can(tmp_path):
    (tmp_path / "values.yaml").write_text(VALUES)
    found = objects("-f", tmp_path / "values.yaml")
    config = config_of(found)
    forward, http = config["sources"][0]["forward"], config["sources"][1]["http"]
    assert forward["listen"] == "[::]:24224" and config["admin"]["listen"] == "[::]:9880"
    assert forward["tls"]["client_ca"] == "/etc/penstock-client-ca/ca.crt" and "client_ca" not in http["tls"]
    assert forward["tls"]["min_version"] == "1.3" and http["tls"]["min_version"] == "1.3"
    assert forward["tls"]["ciphers"] == http["tls"]["ciphers"] == ["TLS_AES_256_GCM_SHA384"]
    password = {"name": "alice", "password_file": "/var/run/secrets/penstock/auth/alice_password"}
    assert forward["users"] == [password] and http["auth"]["basic"][0]["name"] == "bob"
    assert config["aws"] == {"ca_bundle": "/etc/penstock-ca/ca-bundle.crt"}
    trusted = found[("ConfigMap", "log-forwarding-kinesis-trusted-ca")]
    assert trusted["metadata"]["labels"]["config.openshift.io/inject-trusted-cabundle"] == "true" and "data" not in trusted
    pod = pod_of(found)["spec"]
    container = pod["containers"][0]
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert env["HTTPS_PROXY"] == "http://proxy.example.com:3128" and env["TZ"] == "UTC" and "HTTP_PROXY" not in env
    assert container["envFrom"] == [{"secretRef": {"name": "more"}}]
    mounts, volumes = {m["name"] for m in container["volumeMounts"]}, {v["name"] for v in pod["volumes"]}
    assert mounts - volumes == {"spool"} and {"client-ca", "ca-bundle", "more"} <= volumes
    assert container["resources"]["requests"]["ephemeral-storage"] == "64Mi"
    policy = next(item["spec"] for (kind, _), item in found.items() if kind == "NetworkPolicy")
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {"protocol": "TCP", "port": 3128} in policy["egress"][1]["ports"]
    assert found[("Service", "log-forwarding-kinesis")]["spec"]["ipFamilyPolicy"] == "PreferDualStack"


def test_an_emptydir_is_asked_for_as_local_storage():
    assert pod_of(objects(values=EXAMPLES[1]))["spec"]["containers"][0]["resources"]["requests"]["ephemeral-storage"] == "10Gi"


@pytest.mark.parametrize(
    "arguments, image",
    [
        ([], "image-registry.openshift-image-registry.svc:5000/default/penstock:0.2.0"),
        (["--set", "image.registry=,image.repository=quay.io/me/penstock,image.tag=v1"], "quay.io/me/penstock:v1"),
        (["--set", f"image.digest=sha256:{'a' * 64}"], f"image-registry.openshift-image-registry.svc:5000/default/penstock@sha256:{'a' * 64}"),
    ],
)
def test_the_image_names_its_registry(arguments, image):
    assert pod_of(objects(*arguments))["spec"]["containers"][0]["image"] == image


@pytest.mark.parametrize(
    "arguments, api, output",
    [
        (["collector.forwarder=observability"], "observability.openshift.io/v1", "http"),
        (["collector.forwarder=observability", "collector.output=otlp"], "observability.openshift.io/v1", "otlp"),
        (["collector.forwarder=logging", "collector.existingSecret=token"], "logging.openshift.io/v1", "http"),
    ],
)
def test_the_chart_renders_the_collector_too(arguments, api, output):
    found = objects("--set", "sources.http.serviceAccounts=null", "--set", ",".join(["collector.create=true", *arguments]))
    name = "log-forwarding-kinesis-collector"
    forwarder = found[("ClusterLogForwarder", name)]
    assert forwarder["apiVersion"] == api and ("ServiceAccount", name) in found
    assert [o["type"] for o in forwarder["spec"]["outputs"]] == [output]
    assert forwarder["spec"]["pipelines"][0]["inputRefs"] == ["application", "infrastructure", "audit"]
    accounts = config_of(found)["sources"][1]["http"]["auth"].get("service_accounts")
    assert accounts == ([f"default/{name}"] if api.startswith("obs") else None)
    assert len([kind for kind, _ in found if kind == "ClusterRoleBinding"]) == (4 if accounts else 3)


def test_the_collector_never_has_the_forwarders_name():
    assert "choose another name" in refusal("--set", "collector.create=true,collector.name=log-forwarding-kinesis")


def test_the_readme_is_made_from_the_values():
    wanted, path = chart_readme.readme(CHART), CHART / "README.md"
    if os.environ.get("PENSTOCK_UPDATE_DOC"):
        path.write_text(wanted)
    assert path.read_text() == wanted
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def leaves(value, path=""):
        inside = isinstance(value, dict) and value and path not in ("resources.requests", "resources.limits", "monitoring.dashboard.labels")
        return [x for k, v in value.items() for x in leaves(v, f"{path}.{k}".strip("."))] if inside else [path]

    for leaf in leaves(values):
        assert f"| `{leaf}` |" in wanted


def test_what_certification_asks_for_and_needs_no_network():
    """By the names of Red Hat's chart-verifier: is-helm-v3, has-readme, contains-values, contains-values-schema,
    has-kubeversion, required-annotations-present, contains-test, not-contains-crds, not-contain-csi-objects, helm-lint
    (above). Its report also shows home, sources and maintainers, which are the publisher's to name: no placeholder
    is published in their place.
    """
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["apiVersion"] == "v2" and chart["kubeVersion"]
    assert chart["annotations"]["charts.openshift.io/name"] and chart["icon"]
    assert "example.com" not in (CHART / "Chart.yaml").read_text()
    for name in ("README.md", "values.yaml", "values.schema.json"):
        assert (CHART / name).stat().st_size > 0
    found = objects()
    assert any("test" in str(item["metadata"].get("annotations", {}).get("helm.sh/hook")) for item in found.values())
    assert not (CHART / "crds").exists()
    assert not {"CustomResourceDefinition", "CSIDriver", "CSINode"} & {kind for kind, _ in found}
    for item in found.values():
        pod = item["spec"] if item["kind"] == "Pod" else item.get("spec", {}).get("template", {}).get("spec", {}) if item["kind"] in ("StatefulSet", "Job") else {}
        for container in pod.get("containers", []):
            assert "." in container["image"].split("/")[0], "an image names its registry"


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
