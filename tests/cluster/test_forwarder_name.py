"""Nothing of ours has a name that the logging operator gives to something of its own, and what an earlier version named
so is put right.
"""

import json

import pytest

from cluster import LOGGING
from test_generations import CONFIG, FORWARDER, NAME, OURS, assert_same

OWN = [pytest.param("5.9", "ClusterLogForwarder", id="5.9"), pytest.param("6.6", "Observability", id="6.6")]


def forwarder(cluster, kind, name):
    return cluster.api.get(cluster.resource(kind, name))


def as_earlier_version(cluster, kind):
    """Turns an installation into one of an earlier version, whose ClusterLogForwarder was called like the forwarder's
    own objects; the operator then does what it does.
    """
    item = forwarder(cluster, kind, FORWARDER)
    cluster.api.delete(cluster.resource(kind, FORWARDER))
    meta = {"name": NAME, "labels": item["metadata"]["labels"]}
    cluster.api.create(cluster.resource(kind, ""), {**item, "metadata": meta, "status": None})
    path = f"/api/v1/namespaces/{LOGGING}/configmaps/{NAME}-install"
    record = cluster.api.get(path)
    state = json.loads(record["data"]["state.json"])
    del state["wiring"]["forwarder"]
    record["data"]["state.json"] = json.dumps(state)
    cluster.api.replace(path, record)
    cluster.settle()
    service = cluster.core("services", NAME)
    assert [p["port"] for p in service["spec"]["ports"]] == [24231], "the operator took the Service"
    assert service["spec"]["selector"]["app.kubernetes.io/name"] == "vector"
    for pod in (f"{NAME}-0", f"{NAME}-1"):  # no log arrives any more
        cluster.api.delete(f"/api/v1/namespaces/{LOGGING}/pods/{pod}")
    cluster.settle()


@pytest.mark.parametrize("release, kind", OWN)
def test_an_install_moves_an_earlier_versions_forwarder_to_another_name(cluster, scripts, release, kind):
    cluster.openshift(release, collector="vector")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    cluster.settle()
    whole = cluster.api.snapshot()
    as_earlier_version(cluster, kind)
    assert scripts.update(SHARED_KEY=None) == 1 and "run install_log_forwarding_kinesis.sh" in scripts.output

    assert scripts.install() == 0

    assert f"ClusterLogForwarder/{NAME} of an earlier version" in scripts.output
    assert forwarder(cluster, kind, NAME) is None and forwarder(cluster, kind, FORWARDER) is not None
    cluster.settle()
    moved = cluster.api.snapshot()
    for key in [*OURS, CONFIG]:
        for state in (whole, moved):
            for address in ("clusterIP", "clusterIPs"):
                state[key].get("spec", {}).pop(address, None)
        assert moved[key] == whole[key]
    assert scripts.install() == 0 and "unchanged" in scripts.output
    assert scripts.uninstall() == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


@pytest.mark.parametrize("cut_before", ["oc delete clusterlogforwarders", "helm upgrade"])
def test_a_move_cut_short_is_finished_by_the_next_install(cluster, scripts, cut_before):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    as_earlier_version(cluster, "Observability")
    if cut_before == "helm upgrade":
        cluster.api.delete(cluster.resource("Observability", NAME))

    assert scripts.install(cut_before=cut_before) != 0
    assert scripts.install() == 0

    assert "logs arrive and are delivered" in scripts.output


def test_what_the_operator_took_is_back_before_an_uninstall_waits_for_delivery(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    path = f"/apis/apps/v1/namespaces/{LOGGING}/statefulsets/{NAME}"
    for replicas in (3, 2):  # leaves a volume without a pod, which holds something
        cluster.api.merge(path, {"spec": {"replicas": replicas}})
        cluster.settle()
    as_earlier_version(cluster, "Observability")
    assert "penstock.yaml" not in cluster.core("configmaps", f"{NAME}-config")["data"]

    assert scripts.uninstall() == 0, "each pod ran once more and had nothing left"

    cluster.settle()
    assert_same(before, cluster.api.snapshot())


@pytest.mark.parametrize("release, kind", OWN)
def test_names_that_somebodys_forwarder_claims_are_refused(cluster, scripts, release, kind):
    cluster.openshift(release, collector="vector")
    api = {"Observability": "observability.openshift.io/v1", "ClusterLogForwarder": "logging.openshift.io/v1"}[kind]
    spec = {"outputs": [], "pipelines": []}
    if kind == "Observability":
        output = {"name": "siem", "type": "http", "http": {"url": "https://siem.example.com:443"}}
        pipeline = {"name": "all", "inputRefs": ["audit"], "outputRefs": ["siem"]}
        spec = {"serviceAccount": {"name": "siem"}, "outputs": [output], "pipelines": [pipeline]}
    theirs = {"apiVersion": api, "kind": "ClusterLogForwarder", "metadata": {"name": NAME}, "spec": spec}
    cluster.api.create(cluster.resource(kind, ""), theirs)
    before = cluster.api.snapshot(versions=True)

    assert scripts.install() == 1
    assert f"ClusterLogForwarder/{NAME} exists in {LOGGING}" in scripts.output and "Cure:" in scripts.output
    values = ["--set", "aws.region=us-east-1,config.streams.all.name=s"]
    chart = str(scripts.root / "deploy" / "helm" / "penstock")
    for name in (NAME, f"collector-{NAME}"):
        refused = scripts.helm_error("install", "mine", chart, "-n", LOGGING, *values, "--set", f"fullnameOverride={name}")
        assert f"ClusterLogForwarder {NAME} ({api}) in namespace {LOGGING} claims the names" in refused

    cluster.settle()
    assert_same(before, cluster.api.snapshot(versions=True))


@pytest.mark.parametrize("release, kind", OWN)
def test_nothing_of_ours_has_a_name_that_the_operator_gives(cluster, scripts, release, kind):
    cluster.openshift(release, collector="vector")
    assert scripts.install() == 0
    cluster.settle()

    owned = {"ours": set(), "the operator's": set()}
    for key, content in cluster.api.snapshot().items():
        of_operator = content["labels"].get("app.kubernetes.io/managed-by") == "cluster-logging-operator"
        if NAME in key.split("/")[-1]:
            owned["the operator's" if of_operator else "ours"].add(key)
    assert len(owned["the operator's"]) >= 8 and len(owned["ours"]) >= 15
    # Names of later and earlier releases, whatever the kind.
    names = {
        f"{prefix}{FORWARDER}{suffix}"
        for prefix, suffix in [
            ("", ""), ("", "-config"), ("clf-", "-config"), ("", "-metrics"), ("", "-secrets"), ("", "-trustbundle"),
            ("", "-token"), ("", "-default"), ("collector-", ""), ("minimal-", ""), ("", "-aws-creds"),
        ]
    }  # fmt: skip
    # Kinds in which the operator uses none of them.
    apart = {"serviceaccounts", "clusterlogforwarders", "secrets"}
    for key in owned["ours"]:
        path, _, name = key.partition(" ")
        resource, name = path.rsplit("/", 1)[1], name.rsplit("/", 1)[1]
        assert name not in names or (resource in apart and name == FORWARDER), key
