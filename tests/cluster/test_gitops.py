"""The chart without the scripts: rendered and applied, twice, as Argo CD does; and installed and upgraded by Helm itself."""

import re
import subprocess

import pytest
import yaml

from api import wait_until
from cluster import LOGGING
from conftest import ROOT, TOOLS
from test_generations import NAME, assert_same

CHART = ROOT / "deploy" / "helm" / "penstock"
STATEFULSET = f"/apis/apps/v1/namespaces/{LOGGING}/statefulsets/{NAME}"


def guide(language, heading):
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", (ROOT / "doc" / "gitops.md").read_text(), re.M | re.S).group(1)
    return re.search(rf"```{language}\n(.*?)```", section, re.S).group(1)


@pytest.fixture
def values(cluster, scripts):
    """The values of doc/gitops.md as a file, on a cluster with Logging 6.6."""
    if not (scripts.bin / "kubectl").exists():
        (scripts.bin / "kubectl").symlink_to(TOOLS / "kubectl")
    file = scripts.folder / "values.yaml"
    file.write_text(guide("yaml", "Values"))
    cluster.openshift("6.6")
    return file


def shell(scripts, command):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        env=scripts.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f"$ {command}\n{done.stdout}-> {done.returncode}")
    assert done.returncode == 0, done.stdout


def ready(cluster, replicas=2):
    def is_ready():
        return (cluster.api.get(STATEFULSET) or {}).get("status", {}).get("readyReplicas") == replicas

    wait_until(is_ready, what=f"{replicas} pods")
    cluster.settle()


def test_rendered_and_applied_twice_it_works_and_changes_nothing(cluster, scripts, values):
    command = guide("sh", "By hand").replace("values.yaml", str(values))
    shell(scripts, command)
    ready(cluster)
    wait_until(
        lambda: set().union(*cluster.stand_in.arrived.values()) >= {"application", "infrastructure", "audit"},
        what="logs of each kind",
    )
    applied = cluster.api.snapshot(versions=True)
    keys = cluster.core("secrets", f"{NAME}-auth")["data"]
    assert keys["shared_key"] == keys["shared_key_previous"] != keys["http_token"] == keys["http_token_previous"]

    shell(scripts, command)

    cluster.settle()
    assert_same(applied, cluster.api.snapshot(versions=True))
    assert cluster.core("secrets", f"{NAME}-auth")["data"] == keys


def test_helm_keeps_the_keys_and_the_number_of_pods(cluster, scripts, values):
    def helm(verb, *settings):
        arguments = " ".join(f"--set {s}" for s in settings)
        shell(scripts, f"helm {verb} {NAME} {CHART} -n {LOGGING} --values {values} {arguments}")

    helm("install", "autoscaling.minReplicas=3")
    assert cluster.api.get(STATEFULSET)["spec"]["replicas"] == 3, "from the first moment"
    ready(cluster, 3)
    keys = cluster.core("secrets", f"{NAME}-auth")["data"]

    helm("upgrade", "autoscaling.enabled=false", "replicas=5")
    ready(cluster, 5)
    helm("upgrade", "autoscaling.enabled=true")

    assert cluster.api.get(STATEFULSET)["spec"]["replicas"] == 5
    assert cluster.core("secrets", f"{NAME}-auth")["data"] == keys
    shell(scripts, f"helm uninstall {NAME} -n {LOGGING}")
    assert cluster.core("secrets", f"{NAME}-auth")["data"] == keys, "the keys belong to no release"
    roles = cluster.api.items(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{LOGGING}/roles")
    assert f"{NAME}-keys" not in [role["metadata"]["name"] for role in roles]


def test_keys_that_an_earlier_chart_made_survive_the_upgrade(cluster, scripts, values):
    """They were part of the release, whose next revision has no such Secret."""
    earlier = scripts.folder / "earlier"
    shell(scripts, f"cp -r {CHART} {earlier} && rm {earlier}/templates/keys-job.yaml")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{NAME}-auth"},
        "stringData": {k: "old" for k in ("shared_key", "shared_key_previous", "http_token", "http_token_previous")},
    }
    (earlier / "templates" / "keys.yaml").write_text(yaml.safe_dump(secret))
    shell(scripts, f"helm install {NAME} {earlier} -n {LOGGING} --values {values}")
    keys = cluster.core("secrets", f"{NAME}-auth")["data"]

    shell(scripts, f"helm upgrade {NAME} {CHART} -n {LOGGING} --values {values}")

    assert cluster.core("secrets", f"{NAME}-auth")["data"] == keys
