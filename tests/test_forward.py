"""What the Forward source takes: every mode, every form of time, and what each value becomes in Kinesis."""

import json
import math
import socket
import struct
import time

import msgpack
import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.samples import canonical

TAG = "kubernetes.var.log.pods.shop_web-1_2c1748ad-2288-4ac0-ba8e-6b70e264e25d.nginx.0.log"
EVENTS = [(wire.event_time(1718093700, i), {"message": f"line {i}", "n": i}) for i in range(7)]


def stored(kinesis, stream="projects"):
    return [json.loads(event) for event in kinesis.events(stream)]


@pytest.mark.parametrize("frame, options", [
    (wire.forward, {}),
    (wire.packed_forward, {}),
    (wire.packed_forward, {"as_str": True}),
    (wire.compressed_forward, {}),
    (wire.compressed_forward, {"members": 3}),
    (wire.compressed_forward, {"how": "zstd"}),
    (wire.compressed_forward, {"how": "zstd", "members": 3}),
], ids=["forward", "packed-bin", "packed-str", "gzip", "gzip-members", "zstd", "zstd-frames"])
def test_each_mode_brings_its_events_and_is_acked(kinesis, penstock, client, frame, options):
    client.send_acked(frame, TAG, EVENTS, **options)
    assert sorted(record["n"] for record in stored(kinesis)) == list(range(7))
    assert penstock.wait_settled(7).delivered == 7


def test_messages_of_single_events_are_acked_one_by_one(kinesis, client):
    for at, record in EVENTS:
        client.send_acked(wire.message, TAG, at, record)
    assert sorted(record["n"] for record in stored(kinesis)) == list(range(7))


def test_frames_cut_at_any_byte_are_the_same_frames(kinesis, penstock, client):
    frames = b"".join([wire.forward(TAG, EVENTS), wire.packed_forward(TAG, EVENTS), wire.message(TAG, *EVENTS[0]),
                       wire.compressed_forward(TAG, EVENTS)])
    for i in range(len(frames)):
        client.send(frames[i:i + 1])
    assert penstock.wait_settled(22).delivered == 22
    assert len(stored(kinesis)) == 22


def test_an_ack_repeats_the_chunk_id_to_the_byte(client):
    # Ruby's Base64.encode64 ends with a newline, and it belongs to the id.
    for chunk in ["qVTLpRw6RWuYj7Ql2JvKcA==\n", "plain", "x" * 300]:
        client.send(wire.packed_forward(TAG, EVENTS, {"chunk": chunk}))
        assert client.read_ack() == chunk


def test_acks_come_for_each_chunk_that_asks_and_for_no_other(penstock, client):
    client.send(wire.packed_forward(TAG, EVENTS))
    client.send(wire.packed_forward(TAG, EVENTS, {"size": 7}))
    client.send(wire.packed_forward(TAG, EVENTS, {"chunk": "asked"}))
    assert client.read_ack() == "asked"
    penstock.wait_settled(21)
    assert not client.has_input(0.3)


def test_several_chunks_in_flight_are_all_acked(client):
    chunks = [wire.new_chunk() for _ in range(50)]
    for chunk in chunks:
        client.send(wire.packed_forward(TAG, [(1, {"chunk": chunk})], {"chunk": chunk}))
    for chunk in chunks:
        client.wait_ack(chunk)
    assert sorted(client.acks) == sorted(chunks)


def test_nil_between_messages_is_a_heartbeat(penstock, client):
    client.send(b"\xc0" + wire.message(TAG, *EVENTS[0]) + b"\xc0\xc0" + wire.message(TAG, *EVENTS[1]))
    penstock.wait_settled(2)
    assert penstock.metrics().sum("penstock_messages_refused_total") == 0


def test_an_empty_chunk_is_acked_and_counts_nothing(penstock, client):
    client.send_acked(wire.packed_forward, TAG, [])
    client.send_acked(wire.forward, TAG, [])
    assert penstock.metrics().received == 0


ENTRY_TIMES = {
    "fixext8": (b"\xd7\x00" + struct.pack(">II", 1718093700, 147226623), "2024-06-11T08:15:00.147226623Z"),
    "ext8": (b"\xc7\x08\x00" + struct.pack(">II", 1718093700, 147226623), "2024-06-11T08:15:00.147226623Z"),
    "integer": (msgpack.packb(1718093700), "2024-06-11T08:15:00.000000000Z"),
    "with metadata": (b"\x92\xd7\x00" + struct.pack(">II", 1718093700, 5) + b"\x80", "2024-06-11T08:15:00.000000005Z"),
    "nil": (b"\xc0", "now"),
    "zero": (b"\x00", "now"),
}


@pytest.mark.parametrize("form", ENTRY_TIMES)
def test_each_form_of_time_is_understood(kinesis, start_penstock, form):
    """The record says nothing of its time unless it is asked to, so the time is injected here."""
    inject = {"time": "@time", "tag": "@tag", "id": "@id"}
    penstock = start_penstock(three_streams(kinesis.endpoint, streams={"inject": inject}))
    raw, expected = ENTRY_TIMES[form]
    body = b"\x92" + raw + msgpack.packb({"m": 1})
    with ForwardClient(forward_port(penstock.config)) as client:
        before = time.time()
        client.send(wire.packed_frame("app.x", body * 2, {"chunk": "c"}))
        assert client.read_ack() == "c"
    records = stored(kinesis)
    assert [record["@tag"] for record in records] == ["app.x", "app.x"]
    assert len({record["@id"] for record in records}) == 2
    for record in records:
        if expected == "now":
            seconds = time.mktime(time.strptime(record["@time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
            assert before - 2 <= seconds <= time.time() + 2 and len(record["@time"]) == 30
        else:
            assert record["@time"] == expected


def invalid_str(data: bytes) -> bytes:
    return bytes([0xA0 | len(data)]) + data


# msgpack of one value, and the JSON text it must become.
VALUES = [
    (msgpack.packb("plain / é 漢 \U0001F468‍\U0001F469"), '"plain / é 漢 \U0001F468‍\U0001F469"'),
    (msgpack.packb('"\\\n\r\t\b\f\x01\x1d\x7f'), '"\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001d\x7f"'),
    (msgpack.packb("\x00"), '"\\u0000"'),
    (msgpack.packb(2**64 - 1), "18446744073709551615"),
    (msgpack.packb(-(2**63)), "-9223372036854775808"),
    (msgpack.packb(2**53 + 1), "9007199254740993"),
    (msgpack.packb(0.1), "0.1"),
    (msgpack.packb(0.1 + 0.2), "0.30000000000000004"),
    (msgpack.packb(1.0), "1.0"),
    (msgpack.packb(-0.0), "-0.0"),
    (msgpack.packb(5e-324), "5e-324"),
    (msgpack.packb(1.7976931348623157e308), "1.7976931348623157e308"),
    (b"\xca" + struct.pack(">f", 0.1), None),  # a 32-bit float: any text that reads back as the same 32-bit float
    (msgpack.packb(math.nan), "null"),
    (msgpack.packb(-math.inf), "null"),
    (msgpack.packb(None), "null"),
    (msgpack.packb([True, False, [], {}]), "[true,false,[],{}]"),
    (msgpack.packb(b"text of bin \xc3\xa9"), '"text of bin é"'),
    (msgpack.packb(b"\xff\xfe\x00"), '"//4A"'),
    (invalid_str(b"a\xffb"), '"a�b"'),
    (invalid_str(b"\xe6\xbc"), '"�"'),             # one per maximal invalid part: a truncated sequence
    (invalid_str(b"\xe6\xbc\xe6\xbc\xa2"), '"�漢"'),
    (invalid_str(b"\xed\xa0\x80"), '"���"'),  # a surrogate: none of its bytes starts anything valid
    (invalid_str(b"\xc0\xaf"), '"��"'),
    (b"\xd7\x00" + struct.pack(">II", 1718093700, 147226623), '"2024-06-11T08:15:00.147226623Z"'),
    (b"\xd6\xff" + struct.pack(">I", 1718093700), '"2024-06-11T08:15:00.000000000Z"'),
    (b"\xd7\xff" + struct.pack(">Q", 5 << 34 | 1718093700), '"2024-06-11T08:15:00.000000005Z"'),
    (b"\xc7\x0c\xff" + struct.pack(">Iq", 7, -1), '"1969-12-31T23:59:59.000000007Z"'),
    (b"\xd4\x05\x41", '{"ext":5,"base64":"QQ=="}'),
    (b"\x81\x01\xa1x", '{"1":"x"}'),
    (b"\x82\xc3\xa1x\xc0\xa1y", '{"true":"x","null":"y"}'),
    (b"\x81\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x01", '{"1.5":1}'),
    (b"\x82\xa1a\x01\xa1a\x02", '{"a":1,"a":2}'),
    (b"\x81\xc4\x03key\x01", '{"key":1}'),
]


def test_each_kind_of_value_has_its_one_form_in_json(kinesis, client):
    entries = b"".join(b"\x92\x01\x82\xa1i" + msgpack.packb(i) + b"\xa1v" + raw for i, (raw, _) in enumerate(VALUES))
    client.send(wire.packed_frame("app", entries, {"chunk": "c"}))
    assert client.read_ack() == "c"
    found = {json.loads(text)["i"]: text for text in kinesis.events("projects")}
    assert len(found) == len(VALUES)
    for i, (raw, expected) in enumerate(VALUES):
        if expected is None:
            value = json.loads(found[i])["v"]
            assert struct.pack(">f", value) == raw[1:]
        else:
            assert found[i].startswith(f'{{"i":{i},"v":')
            assert canonical(found[i]) == canonical(f'{{"i":{i},"v":{expected}}}'), found[i]
            # Slashes and characters beyond ASCII stand as they are.
            assert "\\/" not in found[i] and ("\\u" not in found[i] or "\\u00" in found[i])


def test_large_chunks_go_through_whole(kinesis, penstock, client):
    records = [(1, {"n": i, "message": "x" * 1000}) for i in range(5000)]
    client.send_acked(wire.packed_forward, TAG, records)
    metrics = penstock.wait_settled(5000)
    assert metrics.delivered == 5000
    assert kinesis.tally("projects", "n") == {str(i): 1 for i in range(5000)}
    requests = kinesis.requests(operation="PutRecords", stream="projects")
    assert max(request["records"] for request in requests) <= 500


def test_many_connections_at_once_each_keep_their_order_and_acks(kinesis, penstock):
    port = forward_port(penstock.config)
    clients = [ForwardClient(port) for _ in range(40)]
    for turn in range(5):
        for i, client in enumerate(clients):
            client.send(wire.packed_forward(TAG, [(1, {"id": f"{i}-{turn}"})], {"chunk": f"{i}-{turn}"}))
    for i, client in enumerate(clients):
        for turn in range(5):
            client.wait_ack(f"{i}-{turn}")
        client.close()
    assert kinesis.tally("projects", "id") == {f"{i}-{turn}": 1 for i in range(40) for turn in range(5)}
    penstock.wait_connections(0)


def test_a_connection_opened_and_closed_is_a_heartbeat_and_no_news(penstock):
    port = forward_port(penstock.config)
    before = len(penstock.log())
    for _ in range(20):
        socket.create_connection(("127.0.0.1", port)).close()
    with ForwardClient(port) as client:
        client.send_acked(wire.forward, TAG, EVENTS)
    said = penstock.log()[before:].splitlines()
    assert [line for line in said if "source=" in line or "127.0.0.1" in line] == []
    assert penstock.metrics().sum("penstock_messages_refused_total") == 0


def test_a_datagram_is_answered_with_one_zero_byte(penstock):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(60)
        probe.connect(("127.0.0.1", forward_port(penstock.config)))
        for datagram in (b"\x00", b"anything", b""):
            probe.send(datagram)
            assert probe.recv(16) == b"\x00"


def test_user_content_never_decides_the_stream(kinesis, client):
    """A container's record claims to be audit; its tag says whose it is."""
    record = {"message": "x", "structured": {"log_type": "audit"}, "log_type": "audit",
              "kubernetes": {"namespace_name": "openshift-x"}}
    client.send_acked(wire.forward, TAG, [(1, record)])
    assert len(kinesis.events("projects")) == 1
    client.send_acked(wire.forward, "other", [(1, {"structured": {"log_type": "audit"}, "message": "log_type"})])
    assert len(kinesis.events("projects")) == 2
    assert kinesis.events("audit") == []


def test_a_chunk_of_mixed_records_is_split_and_acked_once(kinesis, client):
    types = ["application", "infrastructure", "audit", "infrastructure.node", "other"]
    client.send_acked(wire.packed_forward, "mixed", [(1, {"log_type": t, "n": i}) for i, t in enumerate(types * 3)])
    assert len(client.acks) == 1
    counts = kinesis.stats()["accepted"]
    assert counts == {"projects": 6, "operations": 6, "audit": 3}


def test_a_repeated_chunk_is_acked_again_and_not_stored_again(kinesis, penstock, client):
    frame = wire.packed_forward(TAG, EVENTS, {"chunk": "same"})
    client.send(frame)
    assert client.read_ack() == "same"
    with ForwardClient(forward_port(penstock.config)) as other:
        other.send(frame)
        assert other.read_ack() == "same"
        # The same id with other entries is another chunk: some senders make ids of content.
        other.send(wire.packed_forward(TAG, EVENTS[:3], {"chunk": "same"}))
        assert other.read_ack() == "same"
    metrics = penstock.wait_settled(17)
    assert metrics.sum("penstock_events_duplicate_total") == 7
    assert kinesis.stats()["accepted"]["projects"] == 10


def test_an_old_connection_ends_right_after_an_ack_and_no_other_does(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint, forward={"max_connection_age": "500ms"}))
    port = forward_port(penstock.config)
    begun, chunks = time.monotonic(), 0
    with ForwardClient(port) as busy, ForwardClient(port) as idle:
        cut_off = None
        while True:
            chunk, chunks = wire.new_chunk(), chunks + 1
            frame = wire.forward(TAG, EVENTS, {"chunk": chunk})
            try:
                busy.send(frame)
                busy.wait_ack(chunk)
            except (EOFError, OSError):
                cut_off = frame  # under way when the end came: sent again, as every sender does
                break
            if busy.has_input(0.05):
                break
        assert time.monotonic() - begun > 0.5
        assert busy.wait_closed() == b""
        assert not idle.has_input(0.1), "a connection without acks is left alone"
    with ForwardClient(port) as again:
        if cut_off is not None:
            again.send(cut_off)
            again.wait_ack(chunk)
        again.send_acked(wire.forward, TAG, EVENTS)
    metrics = penstock.wait_settled(7 * (chunks + 1))
    assert metrics.delivered == 7 * (chunks + 1)
