"""Runs that are killed anywhere are finished by the next, and volumes are not lost on the way."""

import os
import random

import pytest

from cluster import LOGGING
from test_generations import NAME, assert_same, collector_secret, key_of


def somewhere(writes):
    """Early, late or near the end of a run that makes so many writes when undisturbed: drawn, for each takes half a minute.
    PENSTOCK_ALL_CUTS=1: all three."""
    assert writes >= 6
    places = [writes // 3, 2 * writes // 3, writes - 2]
    return places if os.environ.get("PENSTOCK_ALL_CUTS") == "1" else [random.choice(places)]


@pytest.mark.parametrize("release", ["4.3", "6.6"])
def test_an_install_cut_short_is_finished_by_the_next(cluster, scripts, release):
    cluster.openshift(release)
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    writes = scripts.writes()
    cluster.settle()
    whole = cluster.api.snapshot()
    assert scripts.uninstall() == 0

    for cut in somewhere(writes):
        assert scripts.install(cut_after=cut) != 0
        assert scripts.install() == 0, f"after a cut before write {cut + 1} of {writes}"
        cluster.settle()
        assert_same(strip_versions(whole), strip_versions(cluster.api.snapshot()))
        assert scripts.uninstall() == 0
        cluster.settle()
        assert_same(before, cluster.api.snapshot())


def strip_versions(state):
    """Leaves out what is random or differs from try to try: Helm's own records, addresses, keys."""
    kept = {}
    for key, content in state.items():
        if (
            "sh.helm.release" in key
            or "/pods " in key
            or f"{NAME}-auth" in key
            or f"{NAME}-collector" in key
            and "secrets" in key
        ):
            continue
        if key.startswith("/api/v1/services "):
            content = {**content, "spec": {k: v for k, v in content["spec"].items() if not k.startswith("clusterIP")}}
        if key.startswith("/api/v1/configmaps ") and key.endswith("-install"):
            continue
        kept[key] = content
    return kept


@pytest.mark.parametrize("release", ["4.3", "5.9"])
def test_an_uninstall_cut_short_is_finished_by_the_next(cluster, scripts, release):
    cluster.openshift(release)
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    assert scripts.uninstall() == 0
    writes = scripts.writes()
    for cut in somewhere(writes):
        assert scripts.install() == 0
        assert scripts.uninstall(cut_after=cut) != 0
        assert scripts.uninstall() == 0, f"after a cut before write {cut + 1} of {writes}"
        cluster.settle()
        assert_same(before, cluster.api.snapshot())


def test_a_rotation_cut_short_is_finished_by_the_next(cluster, scripts):
    cluster.openshift("4.6")
    assert scripts.install() == 0
    assert scripts.update(SHARED_KEY=None) == 0
    writes = scripts.writes()
    for cut in somewhere(writes):
        assert scripts.update(SHARED_KEY=None, cut_after=cut) != 0
        assert scripts.update(SHARED_KEY=None) == 0, f"after a cut before write {cut + 1} of {writes}"
        data = cluster.core("secrets", f"{NAME}-auth")["data"]
        assert data["shared_key"] == data["shared_key_previous"]
        secrets = [
            s
            for s in cluster.api.items(f"/api/v1/namespaces/{LOGGING}/secrets")
            if s["metadata"]["name"].startswith(f"{NAME}-collector")
        ]
        assert [s["data"]["shared_key"] for s in secrets] == [data["shared_key"]]
    assert scripts.uninstall() == 0


def test_the_collector_gets_no_key_that_a_pod_does_not_know(cluster, scripts):
    cluster.openshift("4.6")
    assert scripts.install() == 0
    mounted = scripts.folder / "mounted"
    mounted.write_text("sharedKeyOfTheTest-1")

    assert scripts.update(SHARED_KEY="anotherKey_2", EXEC_ANSWERS=str(mounted)) == 1
    assert "still has the old key" in scripts.output
    assert key_of(cluster, f"{NAME}-auth", "shared_key_previous") == key_of(cluster, f"{NAME}-collector")

    mounted.write_text("anotherKey_2")
    assert scripts.update(SHARED_KEY="anotherKey_2", EXEC_ANSWERS=str(mounted)) == 0
    assert key_of(cluster, collector_secret(cluster)) == "anotherKey_2"
    assert key_of(cluster, f"{NAME}-auth", "shared_key_previous") == "anotherKey_2"


def volumes(cluster):
    return [c["metadata"]["name"] for c in cluster.api.items(f"/api/v1/namespaces/{LOGGING}/persistentvolumeclaims")]


def test_uninstall_keeps_a_volume_that_still_holds_something(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    cluster.stand_in.figures[f"{NAME}-1"] = {"pending": 7}

    assert scripts.uninstall("--timeout", "3s") == 1
    assert f"spool-{NAME}-1" in scripts.output and f"spool-{NAME}-0" not in scripts.output
    assert volumes(cluster) == [f"spool-{NAME}-1"]

    assert scripts.uninstall() == 1, "it still holds it"
    assert scripts.install() == 0
    cluster.stand_in.figures.clear()
    assert scripts.uninstall() == 0, "installed again, it was delivered"
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_an_uninstall_cut_short_leaves_word_of_what_a_volume_held(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    cluster.stand_in.figures[f"{NAME}-1"] = {"pending": 7}

    assert scripts.uninstall("--timeout", "2s", cut_before="oc delete pvc") != 0
    assert cluster.core("pods", f"{NAME}-1") is None, "nobody can be asked any more"

    assert scripts.uninstall() == 1
    assert volumes(cluster) == [f"spool-{NAME}-1"]


def test_a_release_removed_by_hand_leaves_volumes_of_which_nobody_knows(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    scripts.helm("uninstall", NAME, "-n", LOGGING)

    assert scripts.uninstall() == 1
    assert volumes(cluster) == [f"spool-{NAME}-0", f"spool-{NAME}-1"]

    assert scripts.uninstall("--discard-pending") == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_discard_pending_deletes_it(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    cluster.stand_in.figures[f"{NAME}-0"] = {"pending": 7, "dead_lettered": 1}

    assert scripts.uninstall("--timeout", "2s", "--discard-pending") == 0

    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_dead_letters_are_not_deleted_unasked(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    cluster.stand_in.figures[f"{NAME}-0"] = {"dead_lettered": 3}

    assert scripts.uninstall() == 1

    assert "3 dead letters" in scripts.output
    assert scripts.uninstall("--discard-pending") == 0


def test_a_volume_left_by_a_scale_down_is_delivered_first(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    assert scripts.install() == 0
    path = f"/apis/apps/v1/namespaces/{LOGGING}/statefulsets/{NAME}"
    for replicas in (3, 2):
        cluster.api.merge(path, {"spec": {"replicas": replicas}})
        cluster.settle()
    assert cluster.core("persistentvolumeclaims", f"spool-{NAME}-2") and not cluster.core("pods", f"{NAME}-2")
    cluster.stand_in.figures[f"{NAME}-2"] = {"pending": 5}

    assert scripts.uninstall("--timeout", "3s") == 1
    assert f"spool-{NAME}-2" in scripts.output, "its pod was brought back and asked"

    assert scripts.uninstall("--discard-pending") == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


def test_a_pod_that_cannot_be_asked_counts_as_holding_something(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    cluster.stand_in.figures[f"{NAME}-0"] = {"pending": None}

    assert scripts.uninstall("--timeout", "2s") == 1
    assert f"spool-{NAME}-0" in scripts.output


def test_a_pod_that_a_sender_is_still_connected_to_may_hold_something_soon(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install() == 0
    cluster.stand_in.figures[f"{NAME}-0"] = {"connections": 1}

    assert scripts.uninstall("--timeout", "2s") == 1
    assert f"still connected to {NAME}-0: stop them" in scripts.output
    assert volumes(cluster) == [f"spool-{NAME}-0"]


def test_an_emptydir_that_holds_something_keeps_running(cluster, scripts):
    cluster.openshift("6.6")
    assert scripts.install("--emptydir") == 0
    cluster.stand_in.figures[f"{NAME}-0"] = {"pending": 2}

    assert scripts.uninstall("--timeout", "2s") == 1
    assert "kept running" in scripts.output
    assert cluster.core("pods", f"{NAME}-0") is not None

    cluster.stand_in.figures.clear()
    assert scripts.uninstall() == 0
