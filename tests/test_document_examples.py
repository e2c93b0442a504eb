"""What the documents show as an example is one: each YAML block is valid for the program it belongs to, each printed
output is what the command prints, and each link, option, metric and section that a text names is there."""

import json
import math
import os
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness.binary import PATIENCE, binary_path
from harness.certificates import self_signed
from harness.daemon import ACCESS_KEY, run_command

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy/helm/penstock"
DOCUMENTS = sorted([*ROOT.glob("*.md"), ROOT / "tests/README.md", CHART / "README.md", *(ROOT / "doc").glob("*.md")])
CONFIGURATION = {"sources", "routes", "streams", "spool", "dead_letters", "dedup", "ack", "memory_limit",
                 "drain_timeout", "ignore_own_logs", "admin", "aws"}
# The first key of a block that another program reads: Fluent Bit, the Collector, the Prometheus adapter.
OF_OTHERS = {"pipeline", "exporters", "externalRules"}


# Files, and what is not an option although it looks like one.
OF_FILES = {"tls.crt", "sources.list", "streams.KEY"}


def name_of(value) -> str:
    if isinstance(value, Path):
        return str(value.relative_to(ROOT))
    return "" if isinstance(value, str) else str(value)


def blocks_of(document: Path, language: str) -> list[tuple[int, str]]:
    """(line, text) of each fenced block in this language, without its indentation."""
    text = document.read_text()
    found = []
    for match in re.finditer(rf"^( *)```{language}\n(.*?)^ *```", text, re.M | re.S):
        found.append((text.count("\n", 0, match.start()) + 1, re.sub(rf"^{match[1]}", "", match[2], flags=re.M)))
    return found


EXAMPLES = [(ROOT / "examples/local.yaml", 1, (ROOT / "examples/local.yaml").read_text()),
            (ROOT / "deploy/penstock.yaml", 1, (ROOT / "deploy/penstock.yaml").read_text()),
            *((document, *block) for document in DOCUMENTS for block in blocks_of(document, "yaml"))]


def whole(part: dict) -> dict:
    """A configuration that is complete: with what the example leaves out."""
    config = {"sources": [{"forward": {"listen": "127.0.0.1:24224"}}], **part}
    routed = {route["stream"] for route in config.get("routes", []) if "stream" in route}
    if routed or "streams" not in config:
        missing = {key: {"name": f"my-stream-{key}"} for key in routed or {"all"}}
        config["streams"] = {**missing, **config.get("streams", {})}
    if len(config["streams"]) > 1 and "routes" not in config:
        config["routes"] = [{"tag": key, "stream": key} for key in config["streams"]]
    return config


@pytest.fixture
def folder(tmp_path):
    """Stands for /certs, /etc/penstock and the like: certificate, key, CA, shared key and token."""
    certificate, key = self_signed(tmp_path)
    for name, source in (("tls.crt", certificate), ("tls.key", key), ("ca.crt", certificate)):
        if source != tmp_path / name:
            (tmp_path / name).write_bytes(source.read_bytes())
    (tmp_path / "shared_key").write_text("sharedKeyOfTheTest")
    (tmp_path / "token").write_text("tokenOfTheTest")
    (tmp_path / "spool").mkdir()
    return tmp_path


def check(config: dict, folder: Path):
    text = yaml.safe_dump(config, sort_keys=False)
    text = re.sub(r"/certs/|/etc/penstock/(?:tls/)?", f"{folder}/", text)
    text = text.replace("/var/lib/penstock", f"{folder}/spool")
    (folder / "penstock.yaml").write_text(text)
    done = run_command("check", "--config", folder / "penstock.yaml", environment={
        **ACCESS_KEY, "PENSTOCK_TLS": str(folder), "SPOOL": str(folder / "spool"),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"})
    return done.returncode, done.stdout + done.stderr


def merged(below: dict, above: dict) -> dict:
    both = dict(below)
    for key, value in above.items():
        both[key] = merged(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
    return both


def misfit(example: dict, folder: Path) -> str:
    """Why the program that the example is for would not accept it; empty when it would."""
    if set(example) <= CONFIGURATION and "region" not in example.get("aws", {}):
        code, output = check(whole(example), folder)
        return "" if code == 0 else output
    if {"apiVersion", "kind"} <= set(example) or set(example) <= OF_OTHERS:
        return ""
    values = merged(yaml.safe_load((CHART / "values.yaml").read_text()), example)
    try:
        jsonschema.validate(values, json.loads((CHART / "values.schema.json").read_text()))
    except jsonschema.ValidationError as error:
        return f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
    code, output = check(whole(example.get("config", {})), folder)
    return "" if code == 0 else output


@pytest.mark.parametrize("document,line,text", EXAMPLES, ids=name_of)
def test_each_yaml_block_is_accepted_by_the_program_it_is_for(document, line, text, folder):
    example = yaml.safe_load(text.replace("sha256:…", f"sha256:{64 * '0'}"))
    for each in example if isinstance(example, list) else [example]:
        if isinstance(example, list) and set(each) >= {"name", "type", "secret"}:
            continue  # an output of a ClusterLogForwarder
        assert misfit(each, folder) == "", f"{name_of(document)}:{line}"


def test_a_wrong_example_is_found(folder):
    assert "agregation" in misfit({"streams": {"a": {"name": "a", "agregation": "kpl"}}}, folder)
    assert "streem" in misfit({"routes": [{"streem": "a"}]}, folder)
    assert "whenFul" in misfit({"spool": {"whenFul": "block"}, "config": {}}, folder)
    assert "nam" in misfit({"config": {"streams": {"a": {"nam": "a"}}}}, folder)
    assert "pipline" in misfit({"pipline": {}}, folder)


CONSOLE = [(document, *block) for document in DOCUMENTS for block in blocks_of(document, "console")]


@pytest.mark.parametrize("document,line,text", CONSOLE, ids=name_of)
def test_a_printed_output_is_what_the_command_prints(document, line, text, tmp_path):
    (tmp_path / "penstock").symlink_to(binary_path())
    command, _, output = text.removeprefix("$ ").partition("\n")
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, text=True, capture_output=True, timeout=60 * PATIENCE,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout) == (0, output), f"{name_of(document)}:{line}"


def headings_of(document: Path) -> set[str]:
    return set(re.findall(r"^#+ +(.*)$", re.sub(r"^ *```.*?^ *```", "", document.read_text(), flags=re.M | re.S), re.M))


def anchors_of(document: Path) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings_of(document)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_each_link_and_each_named_section_is_there(document):
    text = re.sub(r"^ *```.*?^ *```", "", document.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:")):
            continue
        file, _, anchor = target.partition("#")
        linked = (document.parent / file).resolve() if file else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors_of(linked), target
    for file in re.findall(r"`((?:doc|tests|scripts|deploy|tools|bench|src|examples|fuzz)/[\w./-]+\w)`", text):
        assert (ROOT / file).exists(), file
    text = re.sub(r"\s+", " ", text)
    for section, file in re.findall(r"\"([^\"]+)\" in (?:`|\[)((?:doc/)?[\w-]+\.md)", text):
        assert section in headings_of(ROOT / "doc" / Path(file).name), f'"{section}" in {file}'


def options() -> set[str]:
    """Every key of doc/config.md, also those below a source or a stream, and every value of the chart."""
    keys, prefix = set(), ""
    for line in (ROOT / "doc/config.md").read_text().splitlines():
        if line.startswith("## "):
            prefix = {"`sources[].": "sources.", "`streams.K": "streams."}.get(line[3:13], "")
            prefix += re.sub(r".*\[\]\.|`", "", line[3:]) + "." if prefix == "sources." else ""
        elif match := re.match(r"\| `([^`]+)` \|", line):
            key = match[1].replace("[]", "")
            keys |= {prefix + key, key, prefix.removeprefix("sources.") + key}
    chart = set(re.findall(r"^\| `([^`]+)` \|", (CHART / "README.md").read_text(), re.M))
    return keys | chart


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.name != "CHANGELOG.md"], ids=name_of)
def test_each_option_and_metric_that_a_text_names_is_there(document):
    known = options()
    tops = {key.split(".")[0] for key in known if "." in key}
    metrics = set(re.findall(r"^\| `(penstock_\w+)`", (ROOT / "doc/metrics.md").read_text(), re.M))
    text = re.sub(r"^ *```.*?^ *```", "", document.read_text(), flags=re.M | re.S)
    for quoted in re.findall(r"`([^`\n]+)`", text):
        for metric in re.findall(r"\bpenstock_[a-z_]+", quoted):
            if not re.search(r"penstock_(id|backlog|\w+_test)\b", quoted):
                assert metric.removesuffix("_bucket") in metrics, quoted
        if quoted in OF_FILES:
            continue
        key = re.match(r"((?:config\.)?[a-z]\w*(?:\.[A-Za-z]\w*)+)(?::\s|$)", quoted)
        if key and (path := re.sub(r"^config\.", "", key[1])).split(".")[0] in tops:
            path = re.sub(r"^streams\.(?:KEY|NAME|\w+)\.", "streams.", path)
            path = re.sub(r"^(resources\.\w+)\..*", r"\1", path)
            assert path in known or path.removeprefix("streams.") in known, quoted


def test_the_table_of_disk_sizes_follows_from_its_formula():
    text = (ROOT / "doc/sizing.md").read_text()
    table = re.search(r"^\| events/s \| 1 hour \|.*?\n\n", text, re.M | re.S)[0].splitlines()
    hours = [int(hour) for hour in re.findall(r"(\d+) hour", table[0])]
    rows = [row for row in table[2:] if row]
    assert len(rows) == 3 and len(hours) == 4
    for row in rows:
        rate, *sizes = (cell.strip() for cell in row.strip("|").split("|"))
        for hour, size in zip(hours, sizes, strict=True):
            needed = int(rate.replace(",", "")) * 1200 * hour * 3600 * 1.1 / 2**30
            shown, unit = size.split()
            assert shown == (str(math.ceil(needed)) if unit == "GiB" else f"{math.ceil(needed / 102.4) / 10}"), row
