"""One API server for each process that runs tests; each test starts on a cluster wiped clean."""

import hashlib
import os
import pathlib

import pytest

from cluster import Cluster
from scripts_under_test import Scripts

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("PENSTOCK_CLUSTER_TOOLS", "/nonexistent"))


LONGEST_FIRST = [
    "test_interruptions",
    "test_helm_killed",
    "test_generations",
    "test_forwarder_name",
    "test_others_changes",
    "test_arrival",
    "test_guide",
    "test_refusals",
]


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_runtest_protocol(item):
    """Where several processes share the tests, each takes the next one that nobody has taken."""
    claims = os.environ.get("PENSTOCK_CLUSTER_CLAIMS")
    if claims:
        try:
            os.mkdir(pathlib.Path(claims) / hashlib.sha256(item.nodeid.encode()).hexdigest())
        except FileExistsError:
            return True  # done with it: another process runs it
        # Of the test before, what that test's successor in the list would have gone on with was left standing.
        item.session._setupstate.teardown_exact(item)
    return None


@pytest.fixture(scope="session")
def api_server(tmp_path_factory):
    cluster = Cluster(TOOLS, tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(api_server):
    api_server.wipe()
    yield api_server
    assert api_server.stand_in.problems == []


@pytest.fixture
def scripts(cluster, tmp_path):
    return Scripts(ROOT, TOOLS, cluster, tmp_path)
