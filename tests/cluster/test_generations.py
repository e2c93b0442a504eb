"""Install, install again, rotate, upgrade, uninstall: on every generation of OpenShift Logging."""

import base64
import difflib
import json

import pytest
import yaml

from cluster import LOGGING
from openshift_crds import CLUSTER_SERVICE_VERSION, RELEASES

NAME = "log-forwarding-kinesis"
FORWARDER = f"{NAME}-collector"  # the ClusterLogForwarder, where it is ours
GENERATIONS = [
    pytest.param("4.3", None, id="4.3-fluentd"),
    pytest.param("4.6", None, id="4.6-fluentd"),
    pytest.param("5.7", "vector", id="5.7-vector"),
    pytest.param("5.8", "vector", id="5.8-vector"),
    pytest.param("5.9", "vector", id="5.9-vector"),
    pytest.param("6.0", None, id="6.0"),
    pytest.param("6.6", None, id="6.6"),
]
OURS = [f"/api/v1/services {LOGGING}/{NAME}", f"/apis/monitoring.coreos.com/v1/servicemonitors {LOGGING}/{NAME}"]
CONFIG = f"/api/v1/configmaps {LOGGING}/{NAME}-config"


def assert_same(before, after):
    """Equal states; else the difference is shown as a diff."""
    lines = [json.dumps(state, indent=1, sort_keys=True).splitlines() for state in (before, after)]
    diff = "\n".join(difflib.unified_diff(*lines, "before", "after", lineterm="", n=4))
    assert before == after, "\n" + diff


def key_of(cluster, secret, key="shared_key"):
    return base64.b64decode(cluster.core("secrets", secret)["data"][key]).decode()


def collector_secret(cluster):
    """The one that the collectors mount now."""
    for item in cluster.api.items(f"/apis/apps/v1/namespaces/{LOGGING}/daemonsets"):
        for volume in item["spec"]["template"]["spec"].get("volumes", []):
            if volume["secret"]["secretName"].startswith(NAME):
                return volume["secret"]["secretName"]
    return None


def collector_pods(cluster):
    pods = cluster.api.items("/api/v1/pods")
    return [p for p in pods if p["metadata"]["labels"].get("app.kubernetes.io/name") == "vector"]


@pytest.mark.parametrize("release, collector", GENERATIONS)
def test_life_of_an_installation(cluster, scripts, release, collector):
    cluster.openshift(release, collector=collector)
    before = cluster.api.snapshot()

    assert scripts.install() == 0
    assert "logs arrive and are delivered" in scripts.output
    cluster.settle()
    installed = cluster.api.snapshot(versions=True)
    own = OURS + [CONFIG]
    assert all("log-forwarding-kinesis" in installed[key]["labels"]["app.kubernetes.io/instance"] for key in own)
    assert "penstock.yaml" in installed[CONFIG]["data"]
    assert key_of(cluster, f"{NAME}-auth") == "sharedKeyOfTheTest-1"

    assert scripts.install() == 0, "a second install"
    cluster.settle()
    assert_same(installed, cluster.api.snapshot(versions=True))

    mounted = collector_secret(cluster)
    if not release.startswith("6"):
        assert "tls.key" not in cluster.core("secrets", mounted)["data"], "the server's key stays with the server"
    assert scripts.update(SHARED_KEY="anotherKey_2") == 0
    assert key_of(cluster, f"{NAME}-auth") == key_of(cluster, f"{NAME}-auth", "shared_key_previous") == "anotherKey_2"
    if mounted:
        assert collector_secret(cluster) not in (None, mounted)
        assert cluster.core("secrets", mounted) is None
        data = cluster.core("secrets", collector_secret(cluster))["data"]
        assert data.get("shared_key", data.get("token")) in cluster.core("secrets", f"{NAME}-auth")["data"].values()

    cluster.settle()
    rotated = cluster.api.snapshot(versions=True)
    assert [rotated[key] for key in own] == [installed[key] for key in own], "the operator keeps off what is ours"
    for pod in collector_pods(cluster):
        assert "annotations" not in pod["metadata"], "only the forwarder's own pods are touched"

    service = cluster.core("services", NAME)
    more = scripts.folder / "more.yaml"
    more.write_text("config: {drain_timeout: 100s}\n")
    assert scripts.install("--values", str(more), SHARED_KEY=None) == 0, "an upgrade"
    upgraded = cluster.api.get(f"/apis/apps/v1/namespaces/{LOGGING}/statefulsets/{NAME}")
    assert upgraded["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 115
    after_upgrade = cluster.core("services", NAME)
    assert [after_upgrade["metadata"]["uid"], after_upgrade["spec"]["clusterIP"]] == [
        service["metadata"]["uid"],
        service["spec"]["clusterIP"],
    ]
    cluster.settle()
    upgraded = cluster.api.snapshot(versions=True)
    assert [upgraded[key] for key in OURS] == [installed[key] for key in OURS]

    assert scripts.uninstall() == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())
    for binding in cluster.api.items("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"):
        if binding["metadata"]["name"].startswith("cluster-logging-"):
            assert f"oc delete clusterrolebinding {binding['metadata']['name']}" in scripts.output
    assert scripts.uninstall() == 0, "with nothing left to do"


def test_one_stream_takes_everything(cluster, scripts):
    cluster.openshift("6.6")

    assert scripts.install(KINESIS_STREAM_NAME="my-stream") == 0

    config = yaml.safe_load(cluster.core("configmaps", f"{NAME}-config")["data"]["penstock.yaml"])
    assert config["streams"] == {"all": {"name": "my-stream"}}
    assert config["routes"][-1] == {"stream": "all"} and {r["stream"] for r in config["routes"]} == {"all"}


def test_otlp_by_choice(cluster, scripts):
    cluster.openshift("6.0")

    assert scripts.install("--output", "otlp") == 0

    output = cluster.api.get(cluster.resource("Observability", FORWARDER))["spec"]["outputs"][0]
    assert output["type"] == "otlp" and output["otlp"]["url"] == f"https://{NAME}.{LOGGING}.svc:8443/v1/logs"


def test_another_namespace(cluster, scripts):
    cluster.openshift("4.6")
    cluster.namespace("elsewhere")
    before = cluster.api.snapshot()

    assert scripts.install(NAMESPACE="elsewhere") == 0
    output = cluster.api.get(cluster.resource("ClusterLogForwarder"))["spec"]["outputs"][0]
    assert output["url"] == f"tls://{NAME}.elsewhere.svc:24224"
    assert cluster.core("secrets", f"{NAME}-collector") is not None

    assert scripts.uninstall(NAMESPACE="elsewhere") == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_after_an_upgrade_of_openshift_logging_the_collector_is_wired_anew(cluster, scripts):
    cluster.openshift("5.9", collector="fluentd")
    assert scripts.install() == 0

    for crd in RELEASES["6.6"]:
        cluster.install_crd(crd)

    assert scripts.install() == 0

    assert cluster.api.get(cluster.resource("Observability", FORWARDER)) is not None
    assert cluster.api.get(cluster.resource("ClusterLogForwarder")) is None
    assert scripts.uninstall() == 0


def test_kinds_left_by_a_removed_operator_do_not_count(cluster, scripts):
    cluster.openshift("5.9", collector="fluentd")
    for crd in [*RELEASES["6.6"], CLUSTER_SERVICE_VERSION]:
        cluster.install_crd(crd)
    path = f"/apis/operators.coreos.com/v1alpha1/namespaces/{LOGGING}/clusterserviceversions"
    owned = {"owned": [{"name": f"cluster{kind}.logging.openshift.io"} for kind in ("logforwarders", "loggings")]}
    cluster.api.create(
        path,
        {
            "apiVersion": "operators.coreos.com/v1alpha1",
            "kind": "ClusterServiceVersion",
            "metadata": {"name": "cluster-logging.v5.9.0"},
            "spec": {"customresourcedefinitions": owned},
        },
    )
    cluster.api.merge(f"{path}/cluster-logging.v5.9.0/status", {"status": {"phase": "Succeeded"}})

    assert scripts.install() == 0

    assert cluster.api.get(cluster.resource("Observability", FORWARDER)) is None
    spec = cluster.api.get(cluster.resource("ClusterLogForwarder"))["spec"]
    assert [o["type"] for o in spec["outputs"]] == ["fluentdForward"]


def test_a_dry_run_shows_what_it_would_do_and_changes_nothing(cluster, scripts):
    cluster.openshift("4.3")
    before = cluster.api.snapshot(versions=True)

    assert scripts.install("--dry-run") == 0
    for expected in (
        "kind: StatefulSet",
        "would create Secret/log-forwarding-kinesis-aws",
        "inputSource",
        "nothing was changed",
    ):
        assert expected in scripts.output
    assert_same(before, cluster.api.snapshot(versions=True))

    assert scripts.install() == 0
    cluster.settle()
    installed = cluster.api.snapshot(versions=True)
    assert scripts.update("--dry-run", SHARED_KEY=None) == 0
    assert scripts.uninstall("--dry-run") == 0
    cluster.settle()
    assert_same(installed, cluster.api.snapshot(versions=True))
