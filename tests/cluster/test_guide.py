"""doc/openshift.md, from "Install" to "Uninstall", as it stands there."""

import re

from cluster import LOGGING
from conftest import ROOT
from test_generations import NAME, assert_same


def blocks(heading, language):
    guide = (ROOT / "doc" / "openshift.md").read_text()
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^## |\Z)", guide, re.M | re.S).group(1)
    return re.findall(rf"```{language}\n(.*?)```", section, re.S)


def test_the_guide_works_as_written(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    install = blocks("Install", "sh")[0]
    env = dict(re.findall(r'^export (\w+)="?([^"\n]+?)"?$', install, re.M))
    assert {"LOGGINGNAMES", "KINESIS_STREAM_NAME", "KINESIS_REGION"} <= set(env)
    env["SHARED_KEY"] = None
    for line in re.findall(r"^\./scripts/(.*?)(?: +#.*)?$", install, re.M):
        script, *arguments = line.split()
        assert scripts.run(script, *arguments, "--skip-stream-check", **env) == 0

    values = scripts.folder / "my-values.yaml"
    values.write_text(blocks("Customise", "yaml")[0])
    command = blocks("Customise", "sh")[0].split()
    assert scripts.run(command[0].removeprefix("./scripts/"), command[1], str(values), "--skip-stream-check", **env) == 0
    config = cluster.core("configmaps", f"{NAME}-config")["data"]["penstock.yaml"]
    assert "pay-*" in config and "aggregation: kpl" in config
    assert cluster.api.get(f"/apis/autoscaling/v2/namespaces/{LOGGING}/horizontalpodautoscalers/{NAME}")["spec"]["maxReplicas"] == 12

    update = blocks("Change the shared key", "sh")[0].splitlines()[0].split()[0]
    assert scripts.run(update.removeprefix("./scripts/"), "--settle", "1s", **env) == 0
    uninstall = blocks("Uninstall", "sh")[0].strip()
    assert scripts.run(uninstall.removeprefix("./scripts/"), **env) == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())
