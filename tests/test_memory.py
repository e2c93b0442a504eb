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
OTHER_WAYS = ("http gzip", "otlp", "otlp gzip")
KINESIS = ("away", "slow", "hanging")
OPTIONS = {"split": {}, "truncate": {"oversized": "truncate"}, "gzip lines": {"compression": "gzip", "aggregation": "lines"},
           "json per key": {"protocol": "json", "partition_key": "tag", "order": "per_key"}}


def text(size: int, seed: int) -> str:
    piece = random.Random(seed).randbytes(min(size, 4096) // 2 + 1).hex()
    return (piece * (size // len(piece) + 1))[:size]


def body_of(way: str, shape: str, seed: int, stream: str) -> bytes:
    count, size = SHAPES[shape]
    record = {"message": text(size - 40, seed), "to": stream}
    if way.startswith("otlp"):
        one = {"body": {"stringValue": record["message"]}, "eventName": stream}
        logs = ",".join([json.dumps(one)] * count)
        return b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[%s]}]}]}' % logs.encode()
    if way.startswith("http"):
        return (json.dumps(record).encode() + b"\n") * count
    return wire.entries([(1, record)]) * count


class Senders:
    """One message of a shape to each of some streams, all at once; every one is answered in the end."""

    def __init__(self, config: dict, way: str, shape: str, streams: list[str]):
        self._config, self._way, self._shape = config, way, shape
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._send, args=(stream, i), daemon=True) for i, stream in enumerate(streams)]

    def run_all(self) -> None:
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def run(self) -> None:
        self.run_all()
        assert not self.failures, self.failures

    def _send(self, stream: str, seed: int) -> None:
        body = body_of(self._way, self._shape, seed, stream)
        end = time.monotonic() + 90 * PATIENCE
        try:
            if not self._way.startswith("forward"):
                path = "/v1/logs" if self._way.startswith("otlp") else "/"
                headers = {"Content_Type": "application/json"}
                if self._way.endswith("gzip"):
                    body, headers = gzip.compress(body, 1), {**headers, "Content_Encoding": "gzip"}
                port = source_port(self._config, "http")
                # A collector sends again what is answered with 503.
                while (status := post(port, body, path, timeout_s=90, **headers).status) == 503:
                    assert time.monotonic() < end, "503 all the time"
                assert status == 200, status
                return
            option = {"chunk": wire.new_chunk()}
            if self._way == "forward gzip":
                body, option = gzip.compress(body, 1), {**option, "compressed": "gzip"}
            with ForwardClient(forward_port(self._config), timeout_s=90) as client:
                client.send(wire.packed_frame(TAGS.get(stream, "to." + stream), body, option))
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


def config_of(kinesis, way: str, count: int, options: str = "split", **top) -> dict:
    """Of count streams at least three, each reached by its tag, or by a field of the record."""
    config = three_streams(kinesis.endpoint, streams=OPTIONS[options], **top)
    usual = config["streams"]["projects"]
    for name in (f"more-{i}" for i in range(count - len(TAGS))):
        kinesis.create_stream(name, shards=2)
        config["streams"][name] = {**usual, "name": name}
    names = list(config["streams"])
    by_tag = [{"tag": "to." + name, "stream": name} for name in names[len(TAGS):]]
    if not way.startswith("forward"):
        field = "event_name" if way.startswith("otlp") else "to"
        by_tag = [{"where": {field: name}, "stream": name} for name in names] if count > 1 else []
        config["sources"].append(http_source(ack_timeout="60s"))
    config["routes"] = by_tag + config["routes"]
    return config


def walk(kinesis, start_penstock, tmp_path, way: str, shape: str, count: int, state: str, restarts: int,
         options: str = "split", rounds: int = 2) -> None:
    config = config_of(kinesis, way, count, options, spool=tmp_path / "spool")
    config["spool"]["max_size"] = "1GiB" if count <= 3 else "2GiB"
    case = f"{way}, {shape}, {count} streams, Kinesis {state}, {restarts} restarts, {options}"
    penstock = start_penstock(config)
    with trouble(kinesis, state) as fault:
        for _ in range(rounds):
            Senders(config, way, shape, list(config["streams"])[:count]).run()
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


MANY_STREAMS = [(way, shape, count, state, 1)
                for way, shape, count, state in itertools.product(
                    ("forward", "http", "otlp"), ("8 MiB chunk", "ten 6 MiB events", "one 60 MiB event"), (4, 8), ("away", "hanging"))]
OTHER = [(way, shape, 1, state, 0) for way, shape, state in itertools.product(OTHER_WAYS, SHAPES, ("away", "slow"))]
IN_MEMORY = list(itertools.product(("forward", "forward gzip", "http", "otlp"), SHAPES, (1, 3, 8), ("away", "hanging")))


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way,shape,count,state,restarts", MANY_STREAMS + OTHER)
def test_resident_memory_stays_under_the_limit_with_many_streams_and_otlp(kinesis, start_penstock, tmp_path, way, shape,
                                                                          count, state, restarts):
    walk(kinesis, start_penstock, tmp_path, way, shape, count, state, restarts, rounds=1)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way,shape,count,state", IN_MEMORY)
def test_resident_memory_stays_under_the_limit_without_a_directory(kinesis, start_penstock, way, shape, count, state):
    """Nothing is acked before it is delivered: senders wait, or send again what was not kept."""
    config = config_of(kinesis, way, count)
    case = f"{way}, {shape}, {count} streams, Kinesis {state}, in memory"
    penstock = start_penstock(config)
    with trouble(kinesis, state) as fault:
        senders = Senders(config, way, shape, list(config["streams"])[:count])
        running = threading.Thread(target=senders.run_all, daemon=True)
        running.start()
        fault.wait_for_request()
        check_peak(penstock, case)
    running.join()
    assert not senders.failures, senders.failures
    wait_until(lambda: penstock.metrics().pending == 0, "all of it is delivered", 180)
    check_peak(penstock, case)


@pytest.mark.timeout(300)
def test_a_large_message_that_waits_for_room_gives_its_memory_to_who_makes_the_room(kinesis, start_penstock, tmp_path):
    """The event at the head of the full stream needs the one lease for large messages to be delivered."""
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", routes=[{"stream": "projects"}])
    config["streams"] = {"projects": config["streams"]["projects"]}
    config["spool"]["max_size"] = "100MiB"
    penstock = start_penstock(config)
    frames = [(chunk, wire.packed_frame("x", wire.entries([(1, {"message": text(60 * MIB, seed)})]), {"chunk": chunk}))
              for seed, chunk in enumerate(("first", "second"))]
    with trouble(kinesis, "away") as away, ForwardClient(forward_port(config), timeout_s=90) as client:
        client.send(frames[0][1])
        client.wait_ack("first")
        away.wait_for_request()
        client.send(frames[1][1])
        penstock.wait_metric("penstock_backpressure", 1, cause="spool")
    end = time.monotonic() + 120 * PATIENCE
    while time.monotonic() < end:  # as a sender does whose chunk was not acked
        with contextlib.suppress(OSError, EOFError), ForwardClient(forward_port(config), timeout_s=60) as again:
            again.send(frames[1][1])
            again.wait_ack("second")
            break
    penstock.wait_metric("penstock_messages_refused_total", 1, reason="no_room")
    wait_until(lambda: penstock.metrics().pending == 0, "both are delivered", 60)
    assert penstock.metrics().delivered == 2
    check_peak(penstock, "a large message that waits for room")
