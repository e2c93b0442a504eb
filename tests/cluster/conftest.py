"""One API server for the session; each test starts on a cluster wiped clean."""

import os
import pathlib

import pytest

from cluster import Cluster
from scripts_under_test import Scripts

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("PENSTOCK_CLUSTER_TOOLS", "/nonexistent"))


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
