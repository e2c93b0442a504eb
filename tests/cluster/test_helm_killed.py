"""Helm itself dies in the middle of a call: whatever it leaves behind, the next run of a script mends."""

import pytest

from cluster import LOGGING
from test_generations import FORWARDER, NAME, assert_same
from test_interruptions import strip_versions


def statuses(cluster):
    """Of the release's revisions, by number, as Helm has recorded them."""
    labels = (s["metadata"].get("labels", {}) for s in cluster.api.items(f"/api/v1/namespaces/{LOGGING}/secrets"))
    return {int(found["version"]): found["status"] for found in labels if found.get("owner") == "helm"}


def last_status(cluster):
    found = statuses(cluster)
    return found[max(found)] if found else None


def helm_at(cluster, status, reached):
    return lambda: last_status(cluster) == status and reached()


@pytest.mark.parametrize("kind", ["serviceaccounts", "services"])
def test_an_install_in_which_helm_was_killed_is_finished_by_the_next(cluster, scripts, kind):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    with scripts.helm_killed("upgrade", helm_at(cluster, "pending-install", lambda: cluster.core(kind, NAME))):
        assert scripts.install() == 1
    assert last_status(cluster) == "pending-install" and cluster.core("configmaps", f"{NAME}-install")
    assert cluster.api.get(cluster.resource("Observability", FORWARDER)) is None, "the collector was not touched"
    service = cluster.core("services", NAME)

    assert scripts.install() == 0

    assert "pending-install" in scripts.output and statuses(cluster) == {1: "deployed"}
    if service:
        assert cluster.core("services", NAME)["spec"]["clusterIP"] == service["spec"]["clusterIP"]
    assert scripts.uninstall() == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def killed_in_an_upgrade(cluster, scripts):
    """In an upgrade that moves to another ServiceAccount, as soon as that is made."""
    service = cluster.core("services", NAME)
    more = scripts.folder / "more.yaml"
    more.write_text(
        "config: {drain_timeout: 100s}\nautoscaling: {enabled: false}\nsources: {syslog: {enabled: true}}\n"
        "serviceAccount: {name: another-account}\n"
    )
    reached = helm_at(cluster, "pending-upgrade", lambda: cluster.core("serviceaccounts", "another-account"))
    with scripts.helm_killed("upgrade", reached):
        assert scripts.install("--values", str(more)) == 1
    assert statuses(cluster) == {1: "deployed", 2: "pending-upgrade"}
    return service, more


def test_an_upgrade_in_which_helm_was_killed_is_finished_by_the_next(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    service, more = killed_in_an_upgrade(cluster, scripts)

    assert scripts.install("--values", str(more)) == 0

    assert "pending-upgrade" in scripts.output and statuses(cluster) == {1: "superseded", 2: "deployed"}
    upgraded = cluster.api.get(f"/apis/apps/v1/namespaces/{LOGGING}/statefulsets/{NAME}")
    assert upgraded["spec"]["template"]["spec"]["serviceAccountName"] == "another-account"
    assert cluster.core("serviceaccounts", NAME) is None, "what the upgrade takes away is gone"
    assert cluster.core("services", NAME)["spec"]["clusterIP"] == service["spec"]["clusterIP"]
    assert scripts.uninstall() == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_an_upgrade_in_which_helm_was_killed_may_be_given_up(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    cluster.settle()
    installed = cluster.api.snapshot()
    killed_in_an_upgrade(cluster, scripts)

    assert scripts.install() == 0, "with the values of before"

    assert cluster.core("serviceaccounts", "another-account") is None, "what only the upgrade made is gone"
    cluster.settle()
    assert_same(strip_versions(installed), strip_versions(cluster.api.snapshot()))


def test_an_upgrade_in_which_helm_was_killed_is_uninstalled_whole(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    killed_in_an_upgrade(cluster, scripts)

    assert scripts.uninstall() == 0

    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_a_rollback_by_hand_in_which_helm_was_killed_is_mended_by_an_install(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    more = scripts.folder / "more.yaml"
    more.write_text("config: {drain_timeout: 100s}\n")
    assert scripts.install("--values", str(more)) == 0
    cluster.settle()
    installed = cluster.api.snapshot()
    with scripts.helm_killed("rollback", helm_at(cluster, "pending-rollback", lambda: True)):
        scripts.helm("rollback", NAME, "1", "-n", LOGGING, check=False)
    assert last_status(cluster) == "pending-rollback"

    assert scripts.install("--values", str(more)) == 0

    assert last_status(cluster) == "deployed"
    cluster.settle()
    assert_same(strip_versions(installed), strip_versions(cluster.api.snapshot()))


@pytest.mark.parametrize("finish", ["uninstall", "install"])
def test_an_uninstall_in_which_helm_was_killed_is_finished_or_taken_back(cluster, scripts, finish):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    statefulset = f"/apis/apps/v1/namespaces/{LOGGING}/statefulsets/{NAME}"
    reached = helm_at(cluster, "uninstalling", lambda: cluster.api.get(statefulset) is None)
    with scripts.helm_killed("uninstall", reached):
        assert scripts.uninstall() != 0
    assert last_status(cluster) == "uninstalling" and cluster.core("serviceaccounts", NAME)

    if finish == "install":
        assert scripts.install() == 0
        assert last_status(cluster) == "deployed" and cluster.core("pods", f"{NAME}-0")
    assert scripts.uninstall() == 0

    cluster.settle()
    assert_same(before, cluster.api.snapshot())
