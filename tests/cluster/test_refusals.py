"""What cannot work ends in a message that names what, where and the cure, with nothing changed or a mendable state."""

import json
import re

import pytest

from api import wait_until
from cluster import LOGGING
from test_generations import NAME, assert_same


def refused(cluster, scripts, code, *words, **env):
    before = cluster.api.snapshot(versions=True)
    assert scripts.install(**env) == code
    for word in words:
        assert word in scripts.output
    assert_same(before, cluster.api.snapshot(versions=True))


def test_vector_of_5_5_has_no_output_that_fits(cluster, scripts):
    cluster.openshift("5.5", collector="vector")
    refused(cluster, scripts, 1, "5.4 to 5.6", "Cure: upgrade OpenShift Logging to 5.7")


def test_no_operator_at_all(cluster, scripts):
    cluster.namespace(LOGGING)
    refused(cluster, scripts, 1, "operator is not installed", "OperatorHub")


def test_an_operator_that_does_not_run(cluster, scripts):
    cluster.openshift("6.6", operator=False)
    refused(cluster, scripts, 1, "no OpenShift Logging operator runs", "Cure:")


RBAC = "/apis/rbac.authorization.k8s.io/v1"


def allow(cluster, name, rules, namespaces=()):
    """Gives the limited user rights in these namespaces, or everywhere."""
    group = "rbac.authorization.k8s.io"
    cluster.api.create(
        f"{RBAC}/clusterroles",
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
    )
    for place in namespaces or [None]:
        kind = "RoleBinding" if place else "ClusterRoleBinding"
        cluster.api.create(
            f"{RBAC}/namespaces/{place}/rolebindings" if place else f"{RBAC}/clusterrolebindings",
            {
                "apiVersion": f"{group}/v1",
                "kind": kind,
                "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "User", "name": "limited", "apiGroup": group}],
            },
        )


def test_missing_permissions_are_listed_before_anything_is_done(cluster, scripts):
    cluster.openshift("6.6")
    allow(cluster, "looker", [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}])
    wait_until(lambda: allowed(cluster, "get", "namespaces", ""), what="the rights to have effect")
    refused(
        cluster,
        scripts,
        1,
        "create secrets in openshift-logging",
        "create clusterrolebindings",
        "update clusterlogforwarders.observability.openshift.io",
        KUBECONFIG=str(cluster.limited_kubeconfig),
    )


def allowed(cluster, verb, kind, group):
    """Has the API server taken notice?"""
    resource, _, part = kind.partition("/")
    asked = {"namespace": LOGGING, "verb": verb, "resource": resource, "subresource": part, "group": group}
    return cluster.api.create(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": "limited", "resourceAttributes": asked},
        },
    )["status"]["allowed"]


CLUSTER_SCOPED = {"namespaces", "customresourcedefinitions", "clusterroles", "clusterrolebindings"}


@pytest.mark.parametrize("release, collector", [("4.3", None), ("5.9", "vector"), ("6.6", None)])
def test_the_permissions_that_are_asked_for_are_enough(cluster, scripts, release, collector):
    cluster.openshift(release, collector=collector)
    limited = {"KUBECONFIG": str(cluster.limited_kubeconfig)}
    for step in ("to look", "to do"):
        assert scripts.install(**limited) == 1
        asked = re.findall(r"^    (\w+) ([a-z/]+)\.?([a-z0-9.]*) in openshift-logging$", scripts.output, re.M)
        assert len(asked) >= 4, scripts.output
        for scope in (True, False):
            rules = [
                {"apiGroups": [group], "resources": [kind], "verbs": [verb]}
                for verb, kind, group in asked
                if (kind in CLUSTER_SCOPED) == scope
            ]
            name = f"{step.replace(' ', '-')}-{'cluster' if scope else 'namespace'}"
            allow(cluster, name, rules, () if scope else [LOGGING])
        wait_until(lambda: all(allowed(cluster, *right) for right in asked), what="the rights to have effect")
    before = cluster.api.snapshot()

    assert scripts.install(**limited) == 0
    assert scripts.update(SHARED_KEY=None, **limited) == 0
    assert scripts.uninstall(**limited) == 0

    cluster.settle()
    assert_same(before, cluster.api.snapshot())


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"LOGGINGNAMES": "projects audit"}, "name one stream for each"),
        ({"LOGGINGNAMES": "projects operations audits"}, "'audits' is not one of"),
        ({"LOGGINGNAMES": "projects audit application"}, "LOGGINGNAMES has projects twice"),
        ({"AWS_SEC_KEY": None}, "AWS_KEY_ID and AWS_SEC_KEY are not both set"),
        ({"AWS_SEC_KEY": "pasted with\na line"}, "contains white space"),
        ({"KINESIS_REGION": None}, "KINESIS_REGION is not set"),
    ],
)
def test_wrong_usage(cluster, scripts, changes, words):
    cluster.openshift("6.6")
    refused(cluster, scripts, 2, words, **changes)


def test_a_key_that_fluentd_would_evaluate(cluster, scripts):
    assert scripts.run("install_log_forwarding_kinesis.sh", SHARED_KEY='a"#{x}') == 2
    assert "letters, digits" in scripts.output


def test_who_has_not_logged_in_is_told_so(cluster, scripts):
    cluster.openshift("6.6")
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {}
    (scripts.folder / "anonymous").write_text(json.dumps(config))
    refused(cluster, scripts, 1, "log in first", KUBECONFIG=str(scripts.folder / "anonymous"))


def test_a_service_that_belongs_to_something_else(cluster, scripts):
    cluster.openshift("6.6")
    cluster.api.create(
        f"/api/v1/namespaces/{LOGGING}/services",
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": {"ports": [{"port": 24224}]}},
    )
    refused(cluster, scripts, 1, f"service/{NAME} exists in {LOGGING} and belongs to something else")


def test_a_misspelt_value_is_named(cluster, scripts):
    cluster.openshift("6.6")
    values = scripts.folder / "values.yaml"
    values.write_text("spool: {sise: 20Gi}\n")
    assert scripts.install("--values", str(values)) == 1
    assert "additional properties 'sise' not allowed" in scripts.output
    values.write_text("{}\n")
    assert scripts.install("--values", str(values)) == 0, "a second run mends it"


def test_another_volume_size_is_refused_and_the_old_one_goes_on(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    values = scripts.folder / "values.yaml"
    values.write_text("spool: {size: 20Gi}\n")
    assert scripts.install("--values", str(values)) == 1
    assert "cannot be changed in place" in scripts.output
    assert scripts.install() == 0
    assert scripts.uninstall() == 0


def test_without_the_service_ca_the_collector_is_not_touched(cluster, scripts):
    cluster.openshift("4.6")
    cluster.stand_in.service_ca_on = False
    assert scripts.install("--timeout", "2s") == 1
    assert "no certificate was issued" in scripts.output
    assert cluster.api.get(cluster.resource("ClusterLogForwarder")) is None
    cluster.stand_in.service_ca_on = True
    assert scripts.install() == 0, "a second run mends it"


def test_pods_that_do_not_start_leave_the_collector_alone(cluster, scripts):
    cluster.openshift("4.6")
    before = cluster.api.snapshot()
    cluster.stand_in.pods_become_ready = False
    assert scripts.install("--timeout", "15s") == 1
    assert "the collector was not touched" in scripts.output
    assert cluster.api.get(cluster.resource("ClusterLogForwarder")) is None
    assert scripts.uninstall() == 0, "nothing was ever sent to it, so nothing can be lost"
    cluster.settle()
    assert_same(before, cluster.api.snapshot())
