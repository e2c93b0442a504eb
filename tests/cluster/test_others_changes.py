"""What was there before, and what others change meanwhile, survives."""

import base64

import pytest

from cluster import LOGGING
from test_generations import NAME, assert_same

THEIRS = {
    "LogForwarding": {
        "outputs": [{"name": "siem", "type": "forward", "endpoint": "siem.example.com:24224"}],  # 4.3 has no syslog
        "pipelines": [{"name": "audit-to-siem", "inputSource": "logs.audit", "outputRefs": ["siem"]}],
    },
    "ClusterLogForwarder": {
        "outputs": [{"name": "siem", "type": "syslog", "url": "tls://siem.example.com:6514"}],
        "pipelines": [{"name": "audit-to-siem", "inputRefs": ["audit"], "outputRefs": ["siem", "default"]}],
    },
}
API = {"LogForwarding": "logging.openshift.io/v1alpha1", "ClusterLogForwarder": "logging.openshift.io/v1"}
SHARED = [pytest.param("4.3", "LogForwarding", id="4.3"), pytest.param("5.9", "ClusterLogForwarder", id="5.9")]


def make_theirs(cluster, kind):
    path = cluster.resource(kind)
    cluster.api.create(
        path.rsplit("/", 1)[0],
        {
            "apiVersion": API[kind],
            "kind": kind,
            "metadata": {
                "name": "instance",
                "labels": {"team": "siem"},
                "annotations": {"note": "ask the SIEM team"},
            },
            "spec": THEIRS[kind],
        },
    )
    cluster.settle()


@pytest.mark.parametrize("release, kind", SHARED)
def test_a_resource_that_was_there_is_merged_and_given_back(cluster, scripts, release, kind):
    cluster.openshift(release)
    make_theirs(cluster, kind)
    before = cluster.api.snapshot()

    assert scripts.install() == 0
    spec = cluster.api.get(cluster.resource(kind))["spec"]
    assert spec["outputs"][0] == THEIRS[kind]["outputs"][0] and spec["pipelines"][0] == THEIRS[kind]["pipelines"][0]
    assert [o["name"] for o in spec["outputs"]] == [
        "siem",
        NAME,
    ], "the default store is not re-declared where it was not used"

    assert scripts.uninstall() == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


@pytest.mark.parametrize("release, kind", SHARED)
def test_a_change_by_someone_else_in_between_survives(cluster, scripts, release, kind):
    cluster.openshift(release)
    make_theirs(cluster, kind)
    assert scripts.install() == 0

    item = cluster.api.get(cluster.resource(kind))
    item["spec"]["pipelines"].append(
        {**THEIRS[kind]["pipelines"][0], "name": "added-later", "outputRefs": ["siem", NAME]}
    )
    item["metadata"]["annotations"]["note"] = "changed later"
    cluster.api.replace(cluster.resource(kind), item)
    cluster.settle()
    assert scripts.install() == 0, "an install after the change"
    assert scripts.uninstall() == 0

    item = cluster.api.get(cluster.resource(kind))
    assert item["metadata"]["annotations"]["note"] == "changed later"
    assert [p["name"] for p in item["spec"]["pipelines"]] == ["audit-to-siem", "added-later"]
    assert item["spec"]["pipelines"][1]["outputRefs"] == ["siem"], "without the reference to what is gone"
    if kind == "LogForwarding":
        annotations = cluster.api.get(cluster.resource("ClusterLogging"))["metadata"]["annotations"]
        assert (
            annotations["clusterlogging.openshift.io/logforwardingtechpreview"] == "enabled"
        ), "their new pipeline needs it"


def test_a_resource_that_install_made_stays_when_others_have_built_on_it(cluster, scripts):
    cluster.openshift("4.6")
    assert scripts.install() == 0
    path = cluster.resource("ClusterLogForwarder")
    item = cluster.api.get(path)
    item["spec"]["outputs"].append(THEIRS["ClusterLogForwarder"]["outputs"][0])
    item["spec"]["pipelines"].append(THEIRS["ClusterLogForwarder"]["pipelines"][0])
    cluster.api.replace(path, item)

    assert scripts.uninstall() == 0

    assert cluster.api.get(path)["spec"] == THEIRS["ClusterLogForwarder"]


@pytest.mark.parametrize("release, kind", SHARED)
def test_the_operators_own_store_goes_on_getting_what_it_got(cluster, scripts, release, kind):
    cluster.openshift(release)

    assert scripts.install() == 0

    spec = cluster.api.get(cluster.resource(kind))["spec"]
    default = f"{NAME}-es" if kind == "LogForwarding" else "default"
    inputs = [p.get("inputSource") or p["inputRefs"] for p in spec["pipelines"] if p["outputRefs"] == [default]]
    assert inputs == (["logs.app", "logs.infra"] if kind == "LogForwarding" else [["application", "infrastructure"]])


def test_without_a_log_store_nothing_is_sent_to_one(cluster, scripts):
    cluster.openshift("4.6", log_store=False)

    assert scripts.install() == 0

    assert [
        p["outputRefs"] for p in cluster.api.get(cluster.resource("ClusterLogForwarder"))["spec"]["pipelines"]
    ] == [[NAME]]


def test_an_annotation_that_was_there_stays(cluster, scripts):
    cluster.openshift("4.3")
    cluster.api.merge(
        cluster.resource("ClusterLogging"),
        {"metadata": {"annotations": {"clusterlogging.openshift.io/logforwardingtechpreview": "enabled", "x": "y"}}},
    )
    cluster.settle()
    before = cluster.api.snapshot()

    assert scripts.install() == 0
    assert scripts.uninstall() == 0

    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def secret(name, **data):
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": name}, "data": encoded}


def test_a_secret_that_was_there_is_added_to_and_given_back(cluster, scripts):
    cluster.openshift("6.6")
    cluster.api.create(f"/api/v1/namespaces/{LOGGING}/secrets", secret(f"{NAME}-aws", AWS_KEY_ID="predecessor"))
    before = cluster.api.snapshot()

    assert scripts.install() == 0
    assert set(cluster.core("secrets", f"{NAME}-aws")["data"]) == {"AWS_KEY_ID", "credentials"}
    assert scripts.uninstall() == 0

    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_a_secret_with_other_values_is_never_overwritten(cluster, scripts):
    cluster.openshift("6.6")
    cluster.api.create(f"/api/v1/namespaces/{LOGGING}/secrets", secret(f"{NAME}-aws", credentials="someone else's"))

    assert scripts.install() == 1

    assert "was not made by this script" in scripts.output
    assert base64.b64decode(cluster.core("secrets", f"{NAME}-aws")["data"]["credentials"]) == b"someone else's"
