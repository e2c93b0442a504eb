"""Legal but odd limits, and messages that ask for more than there is: what cannot be had is refused with a
counted reason, nobody waits for ever, and the process stays up and in its memory."""

import gzip
import random
import socket

import pytest

from harness import forward_client as wire
from harness.binary import is_sanitized
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.http_client import post, source_port
from harness.ports import free_port
from harness.waiting import wait_until

MIB = 2**20
TAG = "app.limits"
# With messages of 8 MiB this is the least there may be: ordinary leases come to 4 MiB in all.
TIGHT = {"memory_limit": "48MiB"}


def incompressible(size: int, seed: int) -> str:
    return random.Random(seed).randbytes(size // 2).hex()


def assert_within(penstock, limit: int) -> None:
    assert penstock.is_running
    if not is_sanitized():
        peak = penstock.memory_peak_bytes()
        assert peak <= limit, f"{peak / MIB:.0f} MiB"


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protobuf message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def resource_logs(resource_text: bytes, records: bytes) -> bytes:
    attribute = field(1, b"k") + field(2, field(1, resource_text))
    return field(1, field(1, field(1, attribute)) + field(2, records))


@pytest.fixture
def tight(kinesis, start_penstock, tmp_path):
    def start(kind: str, **options):
        source = {kind: {"listen": f"127.0.0.1:{free_port()}", **options}}
        return start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool", sources=[source], **TIGHT))
    return start


def test_compressed_messages_that_need_the_large_lease_twice_go_through(tight):
    """As it came and inflated it is larger than everything but the large lease: who has that must not wait for it."""
    penstock = tight("forward", max_message="8MiB")
    body = gzip.compress(wire.entries([(1, {"m": incompressible(700_000, n)}) for n in range(11)]), 1)
    assert len(body) > 4 * MIB  # no other lease is as large
    clients = [ForwardClient(forward_port(penstock.config)) for _ in range(2)]
    for client in clients:
        client.send(wire.packed_frame(TAG, body, {"compressed": "gzip", "chunk": wire.new_chunk()}))
    for client in clients:
        client.read_ack()
        client.close()
    penstock.wait_settled(22)
    assert_within(penstock, 48 * MIB)


def test_compressed_bodies_that_need_the_large_lease_twice_go_through(tight):
    penstock = tight("http", max_body="8MiB")
    body = b"".join(b'{"m":"%b"}\n' % incompressible(700_000, n).encode() for n in range(11))
    answer = post(source_port(penstock.config, "http"), gzip.compress(body, 1), Content_Encoding="gzip")
    assert (answer.status, answer.json()["events"]) == (200, 11)
    penstock.wait_settled(11)


@pytest.mark.waits
def test_a_syslog_message_whose_escapes_need_more_than_there_is_is_refused_alone(tight):
    penstock = tight("syslog", max_message="8MiB")
    bad = b"<13>1 - h a p m - " + b"\x01" * (7 * MIB)
    good = b"<13>1 - h a p m - " + b"x" * (3 * MIB)
    with socket.create_connection(("127.0.0.1", source_port(penstock.config, "syslog")), timeout=60) as peer:
        for message in (good, bad, good):
            peer.sendall(b"%d %b" % (len(message), message))
        penstock.wait_settled(2)
    penstock.wait_metric("penstock_messages_refused_total", 1, reason="too_large")
    assert_within(penstock, 48 * MIB)


def test_a_larger_max_message_than_memory_was_shared_out_for_waits_for_a_restart(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", forward={"max_message": "1MiB"},
                           memory_limit="40MiB")
    penstock = start_penstock(config)
    config["sources"][0]["forward"]["max_message"] = "64MiB"
    config["memory_limit"] = "256MiB"
    penstock.reload(config)
    wait_until(lambda: "sources.forward.max_message" in penstock.log(), "it says what needs a restart")
    with ForwardClient(forward_port(config)) as client:
        try:
            client.send(wire.packed_forward(TAG, [(1, {"m": "x" * 1000})] * 40_000))
            client.wait_closed()
        except OSError:
            pass  # it has hung up already
    penstock.wait_metric("penstock_messages_refused_total", 1, reason="message_too_large")
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.forward, TAG, [(1, {"n": 1})])


def test_connections_leave_file_descriptors_for_the_spool_and_the_admin_port(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    penstock = start_penstock(config, under=["prlimit", "--nofile=160:160"])
    peers = [socket.create_connection(("127.0.0.1", forward_port(config)), timeout=60) for _ in range(200)]
    try:
        penstock.wait_connections(80)
        assert penstock.get("/healthz")[0] == 200
        chunk = wire.new_chunk()
        peers[0].sendall(wire.packed_forward(TAG, [(1, {"n": 1})], {"chunk": chunk}))
        assert chunk.encode() in peers[0].recv(1000)
        penstock.wait_settled(1)
    finally:
        for peer in peers:
            peer.close()
    assert "open files" in penstock.log()


BOMBS = {  # 8 MB each, which escapes and U+FFFD make up to 48
    "protobuf body": lambda text: resource_logs(b"", field(2, field(5, field(1, text(b"\x01"))))),
    "protobuf resource": lambda text: resource_logs(text(b"\x01"), field(2, field(5, field(1, b"x")))),
    "protobuf key": lambda text: resource_logs(b"", field(2, field(6, field(1, text(b"\x01"))))),
    "json text": lambda text: b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"%b"}}]}]}]}'
                              % text(b"\xff"),
    "ndjson": lambda text: b'{"m":"%b"}' % text(b"\xff"),
    "malformed": lambda text: b'{"m" "%b"}' % text(b'\\"'),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_body_that_grows_by_its_escapes_is_kept_within_the_memory_limit(tight, case):
    penstock = tight("http", max_body="8MiB")
    body = BOMBS[case](lambda piece: piece * ((8 * MIB - 1000) // len(piece)))
    kind = "application/x-protobuf" if case.startswith("protobuf") else "application/json"
    path = "/" if case in ("ndjson", "malformed") else "/v1/logs"
    answer = post(source_port(penstock.config, "http"), gzip.compress(body, 1), path, Content_Encoding="gzip",
                  Content_Type=kind)
    assert answer.status == 413
    assert_within(penstock, 48 * MIB)


@pytest.mark.parametrize("form", ["protobuf", "json"])
def test_many_broken_records_under_a_long_resource_cost_no_copy_of_it_each(tight, form):
    """A hundred thousand times two megabytes: copied for each, that is a matter of minutes."""
    penstock = tight("http", max_body="8MiB")
    long, count = b"r" * (2 * MIB), 100_000
    if form == "protobuf":
        body = resource_logs(long, field(2, field(6, b"\xff")) * count)
    else:
        resource = b'{"attributes":[{"key":"k","value":{"stringValue":"%b"}}]}' % long
        body = (b'{"resourceLogs":[{"resource":%b,"scopeLogs":[{"logRecords":[' % resource
                + b",".join([b'{"body":[]}'] * count) + b"]}]}]}")
    before = penstock.cpu_seconds()
    kind = "application/x-protobuf" if form == "protobuf" else "application/json"
    answer = post(source_port(penstock.config, "http"), gzip.compress(body, 1), "/v1/logs", Content_Encoding="gzip",
                  Content_Type=kind)
    assert answer.status == 200
    penstock.wait_metric("penstock_events_received_total", count)
    assert penstock.cpu_seconds() - before < 10
