"""The tests' own tools, checked against software of others, and against themselves where there is none."""

import json
import ssl
import subprocess

import msgpack
import pytest

from harness import forward_client as wire
from harness.forward_client import ForwardClient
from harness.metrics import parse_metrics
from harness.node import TESTS, Emulator, send_with_fluent_logger
from harness.samples import all_samples, as_javascript_holds, canonical, missing_and_unexpected

EVENTS = [(wire.event_time(1718093700, 5), {"message": f"line {i}", "n": i}) for i in range(4)]


class FluentServer:
    def __init__(self, **options):
        self._process = subprocess.Popen(["node", str(TESTS / "clients/fluent_server.js"), json.dumps(options)],
                                         stdout=subprocess.PIPE, text=True, cwd=TESTS)
        self.port = json.loads(self._process.stdout.readline())["port"]

    def read(self, count: int) -> list[dict]:
        return [json.loads(self._process.stdout.readline()) for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.mark.outside
@pytest.mark.parametrize("frame", ["message", "forward", "packed_forward", "compressed_forward"])
def test_our_client_is_understood_by_a_server_of_others(frame):
    with FluentServer(sharedKey="key") as server, ForwardClient(server.port, shared_key="key") as client:
        if frame == "message":
            for time, record in EVENTS:
                client.send_acked(wire.message, "a.b", time, record)
        else:
            client.send_acked(getattr(wire, frame), "a.b", EVENTS)
        received = server.read(len(EVENTS))
    assert [entry["record"] for entry in received] == [record for _, record in EVENTS]
    assert {entry["tag"] for entry in received} == {"a.b"}


@pytest.mark.outside
def test_our_client_speaks_tls_with_user_and_password(certificates):
    context = ssl.create_default_context(cafile=certificates.ca)
    options = {"sharedKey": "key", "users": {"alice": "secret"}, "cert": str(certificates.server_cert),
               "key": str(certificates.server_key)}
    with FluentServer(**options) as server:
        with ForwardClient(server.port, tls=context, shared_key="key", username="alice", password="secret") as client:
            client.send_acked(wire.forward, "t", EVENTS)
        with pytest.raises((EOFError, wire.Refused)):
            ForwardClient(server.port, tls=context, shared_key="other", username="alice", password="secret")


@pytest.mark.outside
@pytest.mark.parametrize("mode", ["Message", "Forward", "PackedForward", "CompressedPackedForward"])
def test_their_client_waits_for_acks_in_every_mode(mode):
    events = [{"tag": "t", "time": [1718093700, i], "record": {"n": i}} for i in range(5)]
    with FluentServer(sharedKey="key") as server:
        assert send_with_fluent_logger(server.port, events, mode=mode, shared_key="key") == {"acked": 5, "failed": 0}
        assert sorted(entry["record"]["n"] for entry in server.read(5)) == list(range(5))


@pytest.mark.outside
@pytest.mark.parametrize("name", ["kinesalite", "kinesis-local"])
def test_their_kinesis_starts_with_its_streams_and_is_read_back(name, tmp_path):
    emulator = Emulator(name, tmp_path, {"one": 2, "two": 1})
    try:
        emulator.client.put_records(StreamName="one", Records=[{"Data": b"%d" % i, "PartitionKey": str(i)}
                                                               for i in range(10)])
        assert sorted(emulator.records("one")) == [b"%d" % i for i in range(10)]
        assert emulator.records("two") == []
    finally:
        emulator.stop()


def test_a_compressed_frame_holds_the_members_it_says():
    frame = wire.compressed_forward("t", EVENTS, members=3)
    tag, body, option = msgpack.unpackb(frame)
    assert (tag, option["compressed"]) == ("t", "gzip") and body.count(b"\x1f\x8b\x08") == 2  # 4 events by 2


def test_samples_cover_each_stream_and_are_compared_strictly():
    samples = all_samples()
    assert len(samples) == 571
    assert {sample.stream for sample in samples} == {"projects", "operations", "audit"}
    assert canonical('{"a":1,"b":2}') != canonical('{"b":2,"a":1}')
    assert canonical('{"a":1}') != canonical('{"a":1.0}')
    assert canonical('{"a":9007199254740993}') != canonical('{"a":9007199254740992}')
    assert canonical('{"a":1,"a":1}') != canonical('{"a":1}')
    assert as_javascript_holds('{"b":1.0,"7":0,"a":9007199254740993}') == '{"7": 0, "b": 1, "a": 9007199254740992.0}'
    assert missing_and_unexpected(['{"a":1}', '{"a":1}'], ['{"a":1}', '{"a":2}']) == (['{"a":1}'], ['{"a":2}'])


def test_metrics_are_read_with_labels_and_the_sum_is_checked():
    metrics = parse_metrics(
        '# TYPE penstock_events_received_total counter\n'
        'penstock_events_received_total{source="forward"} 5\npenstock_events_received_total{source="recovered"} 2\n'
        'penstock_events_delivered_total{stream="a"} 4\npenstock_events_pending{stream="a"} 2\n'
        'penstock_events_dropped_total{reason="quo\\"te"} 1\n')
    assert metrics.received == 7 and metrics.imbalance() == 0
    assert metrics.sum("penstock_events_dropped_total", reason='quo"te') == 1
    assert metrics.types == {"penstock_events_received_total": "counter"}
    assert metrics.undeclared() == {("penstock_events_dropped_total", 'quo"te')}
    assert not parse_metrics('penstock_put_requests_total{stream="a",result="throttled"} 1\n').undeclared()
