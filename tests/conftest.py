import os
import resource
import sys
import threading

import pytest

from fake_kinesis import KinesisProcess
from harness.binary import PATIENCE, binary_path
from harness.certificates import Certificates
from harness.daemon import Penstock, forward_port, three_streams
from harness.forward_client import ForwardClient

STREAMS = {"projects": 2, "operations": 2, "audit": 2}

# Every thread and every kind of input at work: what the sanitizers watch in each run of CI (marked core).
CORE = {"test_forward", "test_http", "test_syslog", "test_delivery", "test_dead_letters", "test_lifecycle"}

# No test hangs for longer, on however slow a machine, unless its own mark says so.
WAIT_S_MAX = 600
EXIT_STATUS = pytest.StashKey[int]()


def pytest_configure(config):
    # Some tests hold two thousand connections open.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 16384), hard), hard))


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[EXIT_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """A thread that a failed test left waiting must not keep the run from ending: Python would wait for it."""
    left = [thread.name for thread in threading.enumerate()
            if thread is not threading.main_thread() and not thread.daemon]
    if left:
        print(f"threads that tests left running: {', '.join(left)}")
        sys.stdout.flush()
        os._exit(config.stash.get(EXIT_STATUS, 1))


def pytest_collection_modifyitems(config, items):
    for item in items:
        marker = item.get_closest_marker("timeout")
        limit = float(marker.args[0] if marker else config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(min(limit * PATIENCE, max(limit, WAIT_S_MAX))), append=False)
        if item.path.stem in CORE:
            item.add_marker(pytest.mark.core)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def kinesis():
    """Our fake, in a process of its own, with the three streams of the usual deployment."""
    with KinesisProcess(streams=STREAMS) as server:
        yield server
        assert server.stats()["counters"].get("bugs", 0) == 0, "fake_kinesis has a bug: see its stderr"


@pytest.fixture
def start_penstock(tmp_path):
    """start_penstock(config, …) -> a running Penstock; at the end its scrapes must all have added up."""
    if not os.access(binary_path(), os.X_OK):
        pytest.fail(f"{binary_path()} is not there: build it first, or set PENSTOCK_BINARY", pytrace=False)
    started = []

    def start(config: dict | None, ready: bool = True, **options) -> Penstock:
        penstock = Penstock(tmp_path / f"penstock-{len(started)}", config, **options)
        started.append(penstock)
        return penstock.start(ready)

    yield start
    for penstock in started:
        print(f"--- {penstock.directory.name}: end of its log\n{penstock.log()[-4000:]}")
    for penstock in started:
        penstock.close()


@pytest.fixture(params=["memory", "disk"])
def storage(request, tmp_path):
    """A spool directory, or None: what must hold with either is tested with both."""
    return tmp_path / "spool" if request.param == "disk" else None


@pytest.fixture
def penstock(kinesis, start_penstock):
    """The usual deployment, in memory, plain TCP, sending to the fake."""
    return start_penstock(three_streams(kinesis.endpoint))


@pytest.fixture
def client(penstock):
    with ForwardClient(forward_port(penstock.config)) as connected:
        yield connected
