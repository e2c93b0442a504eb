"""The promise of an ack, looked at from outside: what the disk has when it is sent, and what happens when the disk is
full, broken or read-only."""

import errno
import re
import shutil
import subprocess
import time

import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.waiting import wait_until
from power_loss import HANGS, WatchedDirectory

FAILURES = {
    "full": {"write": errno.ENOSPC, "create": errno.ENOSPC},
    "broken": {"write": errno.EIO, "sync": errno.EIO},
    "sync-broken": {"sync": errno.EIO},
    "read-only": {"write": errno.EROFS, "sync": errno.EROFS, "create": errno.EROFS},
}

pytestmark = pytest.mark.waits


@pytest.fixture
def watched(tmp_path):
    return WatchedDirectory(tmp_path / "spool", tmp_path / "layer")


@pytest.mark.parametrize("failure", FAILURES)
def test_while_the_disk_fails_nothing_is_acked_and_afterwards_everything_is(kinesis, start_penstock, watched, failure):
    config = three_streams(kinesis.endpoint, spool=watched.directory)
    penstock = start_penstock(config, environment=watched.environment)
    client = ForwardClient(forward_port(config), timeout_s=90)
    client.send_acked(wire.packed_forward, "t", [(1, {"id": "before"})])

    watched.fail(**FAILURES[failure])
    for i in range(5):
        client.send(wire.packed_forward("t", [(1, {"id": f"during-{i}"})], {"chunk": str(i)}))
    assert not client.has_input(1.0), "an ack although nothing can be stored"
    wait_until(lambda: penstock.get("/readyz")[0] == 503, "it says that it cannot take more")
    assert penstock.get("/healthz")[0] == 200, "a restart would not help"

    watched.fail()
    for i in range(5):
        client.wait_ack(str(i))
    wait_until(lambda: penstock.get("/readyz")[0] == 200, "it is ready again", 30)
    client.send_acked(wire.packed_forward, "t", [(1, {"id": "after"})])
    client.close()
    penstock.wait_settled(7)
    assert set(kinesis.tally("projects", "id")) == {"before", "after", *(f"during-{i}" for i in range(5))}


@pytest.mark.parametrize("how", ["deleted", "renamed"])
def test_with_the_spool_gone_nothing_is_acked_and_it_says_so(kinesis, start_penstock, tmp_path, how):
    """A sync of a file that no directory names, or that the next start does not find, succeeds and is no safety."""
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    penstock = start_penstock(config)
    with ForwardClient(forward_port(config), timeout_s=90) as client:
        client.send_acked(wire.packed_forward, "t", [(1, {"id": "before"})])
        penstock.wait_settled(1)
        if how == "deleted":
            shutil.rmtree(tmp_path / "spool")
        else:
            (tmp_path / "spool").rename(tmp_path / "elsewhere")
        client.send(wire.packed_forward("t", [(1, {"id": "after"})], {"chunk": "after"}))
        wait_until(lambda: penstock.get("/readyz")[0] == 503, "it says that it cannot take more")
        assert not client.has_input(0.1), "an ack although nothing is stored"
    assert penstock.get("/healthz")[0] == 200
    assert re.search("cannot write to .*streams/.*No such file or directory", penstock.log())


def test_foreign_files_in_the_spool_do_not_keep_it_from_starting(kinesis, start_penstock, tmp_path):
    """A core dump with the name of a log's directory; a link and a directory with the names of segments."""
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    penstock = start_penstock(config)
    with ForwardClient(forward_port(config), timeout_s=90) as client:
        client.send_acked(wire.packed_forward, "t", [(1, {"id": "before"})])
        penstock.wait_settled(1)
        assert penstock.terminate() == 0
    streams = tmp_path / "spool" / "streams"
    (streams / "core.1234").write_bytes(bytes(5000))
    log = next(streams.glob("projects.*"))
    (log / "00000000000000a0.seg").symlink_to("/dev/zero")
    (log / "00000000000000a1.seg").mkdir()
    penstock = start_penstock(config)
    with ForwardClient(forward_port(config), timeout_s=90) as client:
        client.send_acked(wire.packed_forward, "t", [(1, {"id": "after"})])
    wait_until(lambda: set(kinesis.tally("projects", "id")) == {"before", "after"}, "it delivers")
    text = penstock.log()
    assert "core.1234" in text and "00000000000000a0.damaged" in text and "00000000000000a1.damaged" in text


@pytest.mark.timeout(120)
def test_a_disk_that_does_not_answer_makes_it_unready_and_not_unhealthy(kinesis, start_penstock, watched):
    config = three_streams(kinesis.endpoint, spool=watched.directory)
    penstock = start_penstock(config, environment=watched.environment)
    with ForwardClient(forward_port(config), timeout_s=90) as client:
        client.send_acked(wire.packed_forward, "t", [(1, {"id": "before"})])
        watched.fail(sync=HANGS)
        client.send(wire.packed_forward("t", [(1, {"id": "during"})], {"chunk": "during"}))
        began = time.monotonic()
        wait_until(lambda: penstock.get("/readyz")[0] == 503, "acks that hang make it unready", 15)
        while time.monotonic() - began < 35:
            assert penstock.get("/healthz")[0] == 200, "a restart would not help"
            time.sleep(1)
        watched.fail()
        client.wait_ack("during")
        wait_until(lambda: penstock.get("/readyz")[0] == 200, "it is ready again", 30)
    penstock.wait_settled(2)


def test_with_a_disk_that_does_not_answer_it_stops_when_drain_timeout_has_passed(kinesis, start_penstock, watched):
    config = three_streams(kinesis.endpoint, spool=watched.directory, drain_timeout="8s")
    penstock = start_penstock(config, environment=watched.environment)
    with ForwardClient(forward_port(config), timeout_s=90) as client:
        client.send_acked(wire.packed_forward, "t", [(1, {"id": "before"})])
        watched.fail(sync=HANGS)
        client.send(wire.packed_forward("t", [(1, {"id": "during"})], {"chunk": "during"}))
        began = time.monotonic()
        assert penstock.terminate(30) == 1
        assert time.monotonic() - began < 15
    assert "the disk does not answer" in penstock.log()


def test_no_ack_leaves_before_a_sync_that_began_after_its_bytes_were_written(kinesis, start_penstock, tmp_path):
    """strace sees every write, sync and send; each ack is matched with the write of its own chunk."""
    trace = tmp_path / "trace"
    if not can_trace(tmp_path):
        pytest.skip("this machine does not let strace trace")
    under = ["strace", "-D", "-f", "-o", str(trace), "-s", "3000000", "-e",
             "trace=pwrite64,pwritev,pwritev2,fdatasync,fsync,sendmsg,sendto,write,writev"]
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    # Of a sanitizer's build: who is traced cannot look for leaks.
    penstock = start_penstock(config, under=under, environment={"ASAN_OPTIONS": "detect_leaks=0"})
    count = 15
    with ForwardClient(forward_port(config), timeout_s=60) as client:
        for i in range(count):
            client.send(wire.packed_forward("t", [(1, {"m": marker(i)})], {"chunk": f"ack-of-{i:04d}"}))
            client.wait_ack(f"ack-of-{i:04d}")
    penstock.stop_quickly(90)
    calls = list(read_trace(trace))
    for i in range(count):
        written = min(call.ended for call in calls if call.name.startswith("pwrite") and marker(i) in call.text)
        acked = min(call.began for call in calls if call.name.startswith(("send", "write")) and f"ack-of-{i:04d}" in call.text)
        syncs = [call for call in calls if call.name in ("fdatasync", "fsync") and call.began > written
                 and call.ended < acked and call.text.endswith("= 0")]
        assert syncs, f"chunk {i}: written at line {written}, acked at line {acked}, and no sync between"


def marker(i: int) -> str:
    return f"marker-of-chunk-{i:04d}"


def can_trace(tmp_path) -> bool:
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(["strace", "-D", "-f", "-o", str(tmp_path / "probe"), "true"], capture_output=True)
    return done.returncode == 0


class Call:
    """One system call: the lines of the trace where it began and ended, and its text."""

    def __init__(self, name: str, text: str, began: int):
        self.name, self.text, self.began, self.ended = name, text, began, began


def read_trace(path):
    unfinished: dict[str, Call] = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines()):
        match = re.match(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$", line)
        if not match:
            continue
        thread, resumed, name, rest = match.groups()
        if resumed:
            call = unfinished.pop(thread)
            call.ended, call.text = number, call.text + rest
            yield call
        elif rest.endswith("<unfinished ...>"):
            unfinished[thread] = Call(name, rest, number)
        else:
            yield Call(name, rest, number)
