"""Install says that it is done when a log of each wired kind has arrived and is delivered, and not before."""

import pytest

from test_generations import FORWARDER, NAME, assert_same


@pytest.mark.parametrize("streams", ["my-stream-projects my-stream-operations my-stream-audit", "my-stream"])
def test_a_kind_of_which_no_log_arrives_is_named(cluster, scripts, streams):
    cluster.openshift("6.6")
    cluster.stand_in.silent |= {"application"}

    assert scripts.install("--timeout", "6s", KINESIS_STREAM_NAME=streams) == 1
    for words in (
        "no application log has arrived within 6s",
        f"logs daemonset/{FORWARDER}",
        "pods outside of openshift-*",
        "--no-wait",
    ):
        assert words in scripts.output

    assert scripts.install("--no-wait", KINESIS_STREAM_NAME=streams) == 0
    assert "did not wait for logs" in scripts.output
    cluster.stand_in.silent.clear()
    assert scripts.install(KINESIS_STREAM_NAME=streams) == 0
    assert "logs arrive and are delivered" in scripts.output


def test_logs_that_arrive_and_are_not_delivered_are_no_success(cluster, scripts):
    cluster.openshift("4.6")
    cluster.stand_in.kinesis_on = False

    assert scripts.install("--timeout", "6s") == 1

    assert "application and audit and infrastructure logs arrived within 6s but were not delivered" in scripts.output
    assert "ResourceNotFoundException" in scripts.output


def test_a_collector_that_sends_to_nobody_is_no_success(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    path = "/api/v1/namespaces/openshift-logging"
    service = cluster.core("services", NAME)
    service["spec"]["selector"] = {"app": "something-else"}
    cluster.api.replace(f"{path}/services/{NAME}", service)
    for ordinal in (0, 1):
        cluster.api.delete(f"{path}/pods/{NAME}-{ordinal}")

    assert scripts.install("--timeout", "6s") == 1

    assert "no application and audit and infrastructure log has arrived" in scripts.output


def test_routes_that_do_not_tell_the_kinds_apart_are_no_obstacle(cluster, scripts):
    cluster.openshift("6.6")
    values = scripts.folder / "values.yaml"
    values.write_text("config: {routes: [{stream: audit}]}\n")

    assert scripts.install("--values", str(values)) == 0

    assert "no route selects log_type application and audit and infrastructure" in scripts.output


def test_with_admin_secure_the_scripts_read_the_pods_pages_inside_them(cluster, scripts):
    cluster.openshift("6.6")
    values = scripts.folder / "values.yaml"
    values.write_text("admin: {secure: {enabled: true}}\n")

    def pages_read():
        return {line.split()[-1] for line in scripts.calls.read_text().splitlines()
                if "/proxy/" in line or " top --page " in line}
    assert scripts.install("--values", str(values)) == 0
    assert "logs arrive and are delivered" in scripts.output and pages_read() == {"api/status"}
    assert scripts.uninstall() == 0
    assert pages_read() == {"metrics"}


@pytest.mark.parametrize("release", ["5.8", "5.9"])
def test_vector_of_5_8_needs_no_cluster_logging(cluster, scripts, release):
    cluster.openshift(release, cluster_logging=False)
    before = cluster.api.snapshot()

    assert scripts.install() == 0

    assert cluster.api.get(cluster.resource("ClusterLogForwarder", FORWARDER)) is not None
    assert scripts.uninstall() == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_fluentd_of_4_6_needs_cluster_logging(cluster, scripts):
    cluster.openshift("4.6", cluster_logging=False)

    assert scripts.install() == 1

    assert "ClusterLogging/instance does not exist" in scripts.output
