"""What cannot work ends in a message that names what, where and the cure, with nothing changed or a mendable state."""

import pytest

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


def test_missing_permissions_are_listed_before_anything_is_done(cluster, scripts):
    cluster.openshift("6.6")
    role = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]}
    base = "/apis/rbac.authorization.k8s.io/v1"
    cluster.api.create(
        f"{base}/clusterroles",
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "looker"}, **role},
    )
    cluster.api.create(
        f"{base}/clusterrolebindings",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "looker"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "looker"},
            "subjects": [{"kind": "User", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}],
        },
    )
    refused(
        cluster,
        scripts,
        1,
        "create secrets in openshift-logging",
        "create clusterrolebindings",
        "update clusterlogforwarders.observability.openshift.io",
        KUBECONFIG=str(cluster.limited_kubeconfig),
    )


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"LOGGINGNAMES": "projects audit"}, "name one stream for each"),
        ({"LOGGINGNAMES": "projects operations audits"}, "'audits' is not one of"),
        ({"AWS_SEC_KEY": None}, "AWS_KEY_ID and AWS_SEC_KEY are not both set"),
        ({"KINESIS_REGION": None}, "KINESIS_REGION is not set"),
    ],
)
def test_wrong_usage(cluster, scripts, changes, words):
    cluster.openshift("6.6")
    refused(cluster, scripts, 2, words, **changes)


def test_a_key_that_fluentd_would_evaluate(cluster, scripts):
    assert scripts.run("install_log_forwarding_kinesis.sh", SHARED_KEY='a"#{x}') == 2
    assert "letters, digits" in scripts.output


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
