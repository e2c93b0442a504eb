"""memory_limit is kept: sources, sizes, streams, a restart, and a Kinesis that is away, slow or hanging, in every
combination. The core cases run always, all of them with `--long`.

Each case prints the peak of each process it started: `-s` shows the table.
"""

import contextlib
import gzip
import itertools
import json
import random
import threading
import time

import pytest

from harness import forward_client as wire
from harness.binary import PATIENCE, is_sanitized
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.http_client import http_source, post, source_port
from harness.waiting import wait_until

MIB = 2**20
LIMIT = 256 * MIB  # the default
TAGS = {"projects": "kubernetes.var.log.containers.a_b_c-1.log", "operations": "journal.system", "audit": "k8s-audit.log"}

SHAPES = {  # of one message: events, and the bytes of each
    "small events": (400, 1000), "8 MiB chunk": (8000, 1000), "58 MiB chunk": (58_000, 1000),
    "ten 6 MiB events": (10, 6 * MIB), "one 60 MiB event": (1, 60 * MIB),
}
WAYS = ("forward", "forward gzip", "http")
KINESIS = ("away", "slow", "hanging")
OPTIONS = {"split": {}, "truncate": {"oversized": "truncate"}, "gzip lines": {"compression": "gzip", "aggregation": "lines"},
           "json per key": {"protocol": "json", "partition_key": "tag", "order": "per_key"}}


def text(size: int, seed: int) -> str:
    piece = random.Random(seed).randbytes(min(size, 4096) // 2 + 1).hex()
    return (piece * (size // len(piece) + 1))[:size]


def body_of(way: str, shape: str, seed: int) -> bytes:
    count, size = SHAPES[shape]
    record = {"message": text(size - 40, seed)}
    if way == "http":
        return (json.dumps(record).encode() + b"\n") * count
    return wire.entries([(1, record)]) * count


class Senders:
    """One message of a shape to each of some streams, all at once; every one is answered in the end."""

    def __init__(self, config: dict, way: str, shape: str, streams: list[str]):
        self._config, self._way, self._shape = config, way, shape
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._send, args=(stream, i)) for i, stream in enumerate(streams)]

    def run(self) -> None:
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        assert not self.failures, self.failures

    def _send(self, stream: str, seed: int) -> None:
        body = body_of(self._way, self._shape, seed)
        end = time.monotonic() + 90 * PATIENCE
        try:
            if self._way == "http":
                # A collector sends again what is answered with 503.
                while (status := post(source_port(self._config, "http"), body, timeout_s=90).status) == 503:
                    assert time.monotonic() < end, "503 all the time"
                assert status == 200, status
                return
            option = {"chunk": wire.new_chunk()}
            if self._way == "forward gzip":
                body, option = gzip.compress(body, 1), {**option, "compressed": "gzip"}
            with ForwardClient(forward_port(self._config), timeout_s=90) as client:
                client.send(wire.packed_frame(TAGS[stream], body, option))
                client.wait_ack(option["chunk"])
        except (OSError, EOFError, AssertionError) as error:
            self.failures.append(f"{stream}: {error!r}")


class Trouble:
    EFFECTS = {"away": ("reset_before", {}), "hanging": ("hang", {}), "slow": ("delay_before", {"seconds": 1.0})}

    def __init__(self, kinesis, kind: str):
        self._kinesis = kinesis
        effect, options = self.EFFECTS[kind]
        self._fault = kinesis.add_fault(effect, operation="PutRecords", **options)

    def wait_for_request(self) -> None:
        """Delivery holds something by then."""
        seen = self._kinesis.fault_applied(self._fault)
        wait_until(lambda: self._kinesis.fault_applied(self._fault) > seen, "a request has come to Kinesis", 60)

    def end(self) -> None:
        self._kinesis.remove_fault(self._fault)
        self._kinesis.release()


@contextlib.contextmanager
def trouble(kinesis, kind: str):
    made = Trouble(kinesis, kind)
    try:
        yield made
    finally:
        made.end()


def check_peak(penstock, case: str) -> None:
    peak = penstock.memory_peak_bytes()
    print(f"peak {peak / MIB:4.0f} MiB: {case}")
    if not is_sanitized():
        assert peak <= LIMIT, f"{case}: {peak / MIB:.0f} MiB"


def walk(kinesis, start_penstock, tmp_path, way: str, shape: str, count: int, state: str, restarts: int,
         options: str = "split", rounds: int = 2) -> None:
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", streams=OPTIONS[options])
    config["spool"]["max_size"] = "1GiB"
    if way == "http":
        config["sources"].append(http_source(ack_timeout="60s"))
    case = f"{way}, {shape}, {count} streams, Kinesis {state}, {restarts} restarts, {options}"
    penstock = start_penstock(config)
    with trouble(kinesis, state) as fault:
        for _ in range(rounds):
            Senders(config, way, shape, list(TAGS)[:count]).run()
        for _ in range(restarts):
            check_peak(penstock, case)
            penstock.kill()
            penstock = start_penstock(config)
            fault.wait_for_request()
    wait_until(lambda: penstock.metrics().pending == 0, "all of it is delivered", 180)
    check_peak(penstock, case)
    metrics = penstock.metrics()
    assert metrics.sum("penstock_events_dropped_total") == 0
    assert metrics.sum("penstock_events_dead_lettered_total") == 0


CORE = [("forward", "one 60 MiB event", 3, "away", 1), ("forward gzip", "58 MiB chunk", 3, "hanging", 0)]
ALL = [(way, shape, count, state, restarts)
       for way, shape, count, state, restarts in itertools.product(WAYS, SHAPES, (1, 3), KINESIS, (0, 1))
       if not (way == "http" and count > 1)]  # its events all go to one stream
OTHER_OPTIONS = [("forward", shape, 3, state, 1, options)
                 for shape, state, options in itertools.product(("ten 6 MiB events", "one 60 MiB event"),
                                                                ("away", "hanging"), list(OPTIONS)[1:])]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way,shape,count,state,restarts", CORE)
def test_resident_memory_stays_under_the_limit(kinesis, start_penstock, tmp_path, way, shape, count, state, restarts):
    walk(kinesis, start_penstock, tmp_path, way, shape, count, state, restarts, rounds=1)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way,shape,count,state,restarts", ALL)
def test_resident_memory_stays_under_the_limit_in_every_combination(kinesis, start_penstock, tmp_path, way, shape, count,
                                                                    state, restarts):
    walk(kinesis, start_penstock, tmp_path, way, shape, count, state, restarts)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way,shape,count,state,restarts,options", OTHER_OPTIONS)
def test_resident_memory_stays_under_the_limit_with_other_options(kinesis, start_penstock, tmp_path, way, shape, count,
                                                                  state, restarts, options):
    walk(kinesis, start_penstock, tmp_path, way, shape, count, state, restarts, options)
