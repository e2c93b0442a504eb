"""One slip of a sender costs nothing around it, and nothing is called a success of which nothing was kept."""

import gzip
import json
import socket
import ssl
import struct

import msgpack
import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, run_command, three_streams
from harness.forward_client import ForwardClient
from harness.http_client import RawConnection, http_source, post, source_port
from harness.ports import free_port
from harness.samples import FOLDER

GOOD = 200  # messages behind the slip: many times what one read takes in pieces


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


def listening(kind: str, **options) -> dict:
    return {kind: {"listen": f"127.0.0.1:{free_port()}", **options}}


@pytest.fixture
def start(kinesis, start_penstock, spool):
    """With sources of all kinds, the same options for each."""
    def make(**options):
        return start_penstock(three_streams(
            kinesis.endpoint, spool=spool,
            sources=[listening(kind, **options) for kind in ("forward", "http", "syslog")]))
    return make


def tls_of(certificates) -> dict:
    return {"tls": {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}}


def port(penstock, kind: str) -> int:
    return next(int(source[kind]["listen"].rpartition(":")[2]) for source in penstock.config["sources"] if kind in source)


def settle(penstock, received: int):
    metrics = penstock.wait_settled(received)
    assert metrics.received == received and metrics.imbalance() == 0, metrics.account()
    return metrics


def refused(penstock) -> dict[str, float]:
    return penstock.metrics().by("penstock_messages_refused_total", "reason")


def stored(kinesis) -> list[dict]:
    return [json.loads(event) for event in kinesis.events("projects")]


def dump(spool) -> list[dict]:
    dumped = run_command("dead-letter", "dump", spool)
    assert dumped.returncode == 0, dumped.stderr
    return [json.loads(line)["event"] for line in dumped.stdout.splitlines()]


# --- octet-counted syslog

def counted(message: bytes, count: int | None = None) -> bytes:
    return b"%d %b" % (len(message) if count is None else count, message)


MESSAGE = b"<13>1 2024-06-11T08:15:00Z host app 1 - - text"
SLIPS = {
    "too large": counted(MESSAGE, 70), "by one": counted(MESSAGE, len(MESSAGE) + 1), "too small": counted(MESSAGE, 9),
    "one too few": counted(MESSAGE, len(MESSAGE) - 1), "zero": counted(MESSAGE, 0), "none": MESSAGE + b"\n",
    "a word": b"many " + MESSAGE, "negative": b"-1 " + MESSAGE, "eleven digits": b"99999999999 " + MESSAGE,
    "more than anybody sends": counted(MESSAGE, 4_000_000_000), "several of max_message": counted(MESSAGE, 70_000_000),
}


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_count_ends_the_connection_and_the_next_one_brings_the_rest(
        kinesis, start, certificates, slip, tls):
    penstock = start(**(tls_of(certificates) if tls else {}))
    rest = [b"<13>1 2024-06-11T08:15:00Z host app 1 - - good %d" % n for n in range(GOOD)]
    where = ("127.0.0.1", port(penstock, "syslog"))

    def connect():
        peer = socket.create_connection(where, timeout=60)
        if not tls:
            return peer
        return ssl.create_default_context(cafile=str(certificates.ca)).wrap_socket(peer, server_hostname="localhost")

    with connect() as peer:
        try:
            peer.sendall(counted(b"<13>first") + SLIPS[slip] + b"".join(map(counted, rest)))
            assert peer.recv(1) == b"", "closed, so that the sender connects anew"
        except (ConnectionError, ssl.SSLError):
            pass
    penstock.wait_metric("penstock_messages_refused_total", 1, reason="out_of_step", source="syslog")
    with connect() as peer:
        peer.sendall(b"".join(map(counted, rest)))
        peer.settimeout(60)
        penstock.wait_metric("penstock_events_received_total", GOOD + 1)
    metrics = penstock.wait_settled(GOOD + 1)
    assert metrics.imbalance() == 0
    texts = [record["message"] for record in stored(kinesis)]
    assert "first" in texts and {f"good {n}" for n in range(GOOD)} <= set(texts)
    # A count that is one too large takes the first digit of the next one with it: what the other digits then count is
    # cut off wrongly, too, before anything shows that the connection is out of step.
    cut_wrongly = 2 if slip == "by one" else 1
    assert len(texts) <= GOOD + 1 + cut_wrongly, "no line of the rest"
    assert refused(penstock) == {"out_of_step": 1}
    assert penstock.log().count("out_of_step") == 1


# --- Forward entries that are none

def ext_time(seconds: int) -> msgpack.ExtType:
    return msgpack.ExtType(0, struct.pack(">II", seconds, 0))


def deep(levels: int):
    value = None
    for _ in range(levels):
        value = {"k": value}
    return value


# Entry to what the dead letter shows of it.
NO_EVENTS = {
    "nil": (None, None), "an array": ([1, 2, 3], [1, 2, 3]), "text": ("hello", "hello"), "a number": (5, 5),
    "a map": ({"n": 2}, {"n": 2}), "an empty array": ([], []), "a time alone": ([1], [1]),
    "a record that is nil": ([1, None], [1, None]), "a record that is text": ([1, "x"], [1, "x"]),
    "a record that is an array": ([1, [1]], [1, [1]]), "a time that is text": (["now", {}], ["now", {}]),
    "a time that is a map": ([{}, {}], [{}, {}]), "a time that is true": ([True, {}], [True, {}]),
    "metadata that is none": ([[1, 2], {}], [[1, 2], {}]), "too deep": ([1, deep(65)], None),
}


def modes(entries: list) -> dict:
    chunk = b"".join(map(wire.pack, entries))
    option = {"size": len(entries)}
    return {
        "forward": lambda chunk_id: wire.pack(["x", entries, {**option, "chunk": chunk_id}]),
        "packed": lambda chunk_id: wire.packed_frame("x", chunk, {**option, "chunk": chunk_id}),
        "packed as text": lambda chunk_id: wire.packed_frame("x", chunk, {**option, "chunk": chunk_id}, as_str=True),
        "compressed": lambda chunk_id: wire.packed_frame("x", gzip.compress(chunk),
                                                         {**option, "chunk": chunk_id, "compressed": "gzip"}),
    }


@pytest.mark.parametrize("mode", modes([]))
def test_entries_that_are_none_are_dead_letters_and_their_neighbours_and_the_ack_come(kinesis, start, spool, mode):
    penstock = start()
    with ForwardClient(port(penstock, "forward")) as client:
        for n, (entry, _) in enumerate(NO_EVENTS.values()):
            entries = [[1, {"n": 3 * n}], entry, [ext_time(2), {"n": 3 * n + 1}], entry, [1, {"n": 3 * n + 2}]]
            chunk = wire.new_chunk()
            client.send(modes(entries)[mode](chunk))
            client.wait_ack(chunk)
            client.send(modes(entries)[mode](chunk))  # a repeat is one as a whole
            client.wait_ack(chunk)
    count = len(NO_EVENTS)
    metrics = settle(penstock, 10 * count)
    assert metrics.delivered == 3 * count
    assert metrics.sum("penstock_events_dead_lettered_total", reason="malformed") == 2 * count
    assert metrics.sum("penstock_events_duplicate_total") == 5 * count
    assert [record["n"] for record in stored(kinesis)] == list(range(3 * count)), "in their order"
    assert refused(penstock) == {}
    letters = dump(spool)
    for entry, shown in NO_EVENTS.values():
        if shown is None and entry is not None:
            assert sum("malformed_base64" in letter for letter in letters) == 2
        else:
            assert letters.count({"malformed": shown}) == 2, (shown, letters[:3])


def test_the_chunk_that_was_sent_for_ever(kinesis, start, spool):
    penstock = start()
    frame = bytes.fromhex("93a178 93 9201 81a16e01 9201c0 9201 81a16e03 81a5 6368756e6b a163")
    with ForwardClient(port(penstock, "forward")) as client:
        client.send(frame)
        client.wait_ack("c")
    settle(penstock, 3)
    assert [record["n"] for record in stored(kinesis)] == [1, 3]
    assert dump(spool) == [{"malformed": [1, None]}]


@pytest.mark.parametrize("time", ["yesterday", True, {}, [1, 2, 3], [1, None], b"\x00"], ids=str)
def test_a_message_with_a_time_that_is_none_is_one_dead_letter_with_its_record(kinesis, start, spool, time):
    penstock = start()
    with ForwardClient(port(penstock, "forward")) as client:
        client.send(wire.pack(["x", time, {"n": 1}]) + wire.pack(["x", 1, {"n": 2}, {"chunk": "c"}]))
        client.wait_ack("c")
    settle(penstock, 2)
    assert stored(kinesis) == [{"n": 2}]
    assert json.dumps({"n": 1}) in json.dumps(dump(spool)[0])


def test_keys_of_any_kind_are_no_slip(kinesis, start):
    penstock = start()
    keys = b"\x87\xc0\x01\xc3\x02\x05\x03\x92\x01\x02\x04\x81\xa1a\x01\x05\xc4\x01b\x06\xa1s\x07"
    with ForwardClient(port(penstock, "forward")) as client:
        client.send(wire.packed_frame("x", b"\x92\x01" + keys, {"chunk": "c"}))
        client.wait_ack("c")
    assert settle(penstock, 1).delivered == 1


def test_group_markers_of_fluent_bit_are_no_events(kinesis, start):
    """As 5.0.5 and later forward a chunk that OpenTelemetry's input made."""
    def group(n: int) -> list:
        return [[[ext_time(0xFFFFFFFF), {"schema": "otlp", "resource_id": 0, "scope_id": 0}],
                 {"resource": {"attributes": {"service.name": "shop"}}, "scope": {}}],
                [[ext_time(1718093700), {"otlp": {"severity_number": 9}}], {"n": n}],
                [[ext_time(0xFFFFFFFE), {}], {}]]
    penstock = start()
    with ForwardClient(port(penstock, "forward")) as client:
        for n, mode in enumerate(modes([])):
            client.send(modes(group(n))[mode](mode))
            client.wait_ack(mode)
        client.send(modes(group(9)[::2])["packed"]("none"))
        client.wait_ack("none")
    metrics = settle(penstock, 4)
    assert metrics.delivered == 4 and refused(penstock) == {}
    assert stored(kinesis) == [{"n": n} for n in range(4)]


# --- what makes a repeat

def test_two_senders_with_the_same_chunk_id_and_line_are_both_stored(kinesis, start):
    """Chunk ids that are content hashes: the same line, tag and second on two nodes."""
    penstock = start()
    frame = wire.packed_forward("app.x", [(1718093700, {"message": "started"})], {"chunk": "hash", "size": 1})
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"):  # each connects anew, from another port
        with socket.create_connection(("127.0.0.1", port(penstock, "forward")), 60, (address, 0)) as peer:
            peer.sendall(frame)
            assert msgpack.unpackb(peer.recv(100)) == {"ack": "hash"}
    metrics = settle(penstock, 4)
    assert metrics.delivered == 2 and metrics.sum("penstock_events_duplicate_total") == 2


def test_the_name_of_the_handshake_tells_senders_behind_one_address_apart(kinesis, start_penstock, tmp_path):
    (tmp_path / "key").write_text("secret")
    penstock = start_penstock(three_streams(kinesis.endpoint, forward={"shared_key_file": str(tmp_path / "key")}))
    frame = wire.packed_forward("app.x", [(1718093700, {"message": "started"})], {"chunk": "hash", "size": 1})
    for name in ("node-1", "node-2", "node-1", "node-2"):
        with ForwardClient(forward_port(penstock.config), shared_key="secret", hostname=name) as client:
            client.send(frame)
            client.wait_ack("hash")
    metrics = settle(penstock, 4)
    assert metrics.delivered == 2 and metrics.sum("penstock_events_duplicate_total") == 2


# --- other protocols on a port

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"n\":\"lost\"}\r\n"
PROXY_1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
PROXY_2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
FOREIGN = {"tls": (HELLO, "tls_on_plain_port"), "http": (REQUEST, "http_on_this_port"),
           "http/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http_on_this_port"),
           "proxy 1": (PROXY_1, "proxy_protocol"), "proxy 2": (PROXY_2, "proxy_protocol")}


@pytest.mark.parametrize("kind", ["forward", "syslog", "http"])
@pytest.mark.parametrize("case", FOREIGN)
def test_another_protocol_is_refused_by_its_name_and_makes_no_record(start, kind, case):
    data, reason = FOREIGN[case]
    if kind == "http" and case == "http":
        pytest.skip("that is its own")
    penstock = start()
    follows = {"forward": wire.pack(["x", 1, {"n": 1}]), "syslog": b"<13>lost\n" * 50, "http": REQUEST}[kind]
    with socket.create_connection(("127.0.0.1", port(penstock, kind)), timeout=60) as peer:
        try:
            peer.sendall(data + follows)
            while peer.recv(1000):
                pass
        except ConnectionError:
            pass
    if kind == "http" and case == "http/2":
        reason = "bad_request"
    penstock.wait_metric("penstock_messages_refused_total", 1, reason=reason, source=kind)
    assert penstock.metrics().received == 0 and sum(refused(penstock).values()) == 1
    assert reason in penstock.log()


def test_text_that_begins_like_another_protocol_is_taken(kinesis, start):
    penstock = start()
    lines = [b"GET /index.html HTTP/1.1", b"GET it done", b"PROXY TCP4 is down", b"POST mortem", b"\x16 control"]
    for line in lines:
        with socket.create_connection(("127.0.0.1", port(penstock, "syslog")), timeout=60) as peer:
            peer.sendall(line + b"\n")
    settle(penstock, len(lines))
    assert sorted(record["message"] for record in stored(kinesis)) == sorted(line.decode() for line in lines)
    assert refused(penstock) == {}


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("header,address", [(PROXY_1, "192.0.2.1:56324"), (PROXY_2, "192.0.2.1:56324"),
                                            (b"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n", "[2001:db8::1]:56324"),
                                            (b"PROXY UNKNOWN\r\n", "127.0.0.1:"), (LOCAL, "127.0.0.1:")],
                         ids=["1", "2", "1 v6", "1 unknown", "2 local"])
def test_a_proxy_header_is_taken_where_it_is_expected(kinesis, start, certificates, header, address, tls):
    penstock = start(proxy_protocol=True, **(tls_of(certificates) if tls else {}))

    def send(kind: str, data: bytes, step: int) -> None:
        peer = socket.create_connection(("127.0.0.1", port(penstock, kind)), timeout=60)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = header if tls else header + data
        for at in range(0, len(first), step):
            peer.sendall(first[at:at + step])
        if tls:
            context = ssl.create_default_context(cafile=str(certificates.ca))
            peer = context.wrap_socket(peer, server_hostname="localhost")
            peer.sendall(data)
        with peer:
            if kind != "syslog":
                assert peer.recv(1000)
            else:
                peer.shutdown(socket.SHUT_WR)
                peer.recv(1)

    for step in (1, 1000):
        send("forward", wire.pack(["x", 1, {"n": 1}, {"chunk": str(step)}]), step)
        send("http", b'POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n{"n":2}', step)
        send("syslog", b"<13>text\n", step)
    metrics = settle(penstock, 6)
    assert metrics.delivered == 6 and refused(penstock) == {}
    send("syslog", counted(b"<13>a") + b"out of step", 1000)
    penstock.wait_metric("penstock_messages_refused_total", 1, reason="out_of_step")
    assert address in penstock.log(), "the log names whose connection it is"


def test_a_connection_without_the_header_that_is_expected_is_refused(start):
    penstock = start(proxy_protocol=True)
    for kind, data in (("forward", wire.pack(["x", 1, {"n": 1}])), ("http", REQUEST), ("syslog", b"<13>a\n"),
                       ("syslog", b"PROXY TCP4 nonsense\r\n<13>a\n"), ("syslog", b"PROXY " + b"x" * 200)):
        with socket.create_connection(("127.0.0.1", port(penstock, kind)), timeout=60) as peer:
            try:
                peer.sendall(data)
                assert peer.recv(1) == b""
            except ConnectionError:
                pass
    penstock.wait_metric("penstock_messages_refused_total", 5, reason="proxy_protocol")
    with socket.create_connection(("127.0.0.1", port(penstock, "syslog")), timeout=60):
        pass  # a balancer looking whether we are there
    assert penstock.metrics().received == 0


def test_repeats_are_told_by_the_address_in_the_proxy_header(kinesis, start):
    penstock = start(proxy_protocol=True)
    frame = wire.packed_forward("app.x", [(1, {"message": "started"})], {"chunk": "hash", "size": 1})
    for sender in (b"192.0.2.1", b"192.0.2.2", b"192.0.2.1"):
        with socket.create_connection(("127.0.0.1", port(penstock, "forward")), timeout=60) as peer:
            peer.sendall(b"PROXY TCP4 %b 198.51.100.1 %d 443\r\n" % (sender, 1000 + free_port() % 1000) + frame)
            assert msgpack.unpackb(peer.recv(100)) == {"ack": "hash"}
    assert settle(penstock, 3).delivered == 2


# --- success is said only of what was kept

def test_a_request_without_a_length_is_411_and_an_empty_one_is_none(start):
    penstock = start()
    body = b'{"message":"hello"}'
    for request in (b"POST / HTTP/1.0\r\n\r\n" + body, b"POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + body,
                    b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + body, b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n[1]"):
        with RawConnection(port(penstock, "http")) as peer:
            peer.send(request)
            assert peer.answer().status == 411
            assert peer.is_closed()
    assert refused(penstock) == {"no_length": 4}
    with RawConnection(port(penstock, "http")) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"POST / HTTP/1.0\r\nContent-Length: 7\r\n\r\n{\"n\":1}")
        assert [peer.answer().json()["events"] for _ in range(3)] == [0, 0, 1]
    settle(penstock, 1)


FOREIGN_PATHS = ["/_bulk", "/logs/_bulk/", "/services/collector", "/services/collector/event/1.0",
                 "/services/collector/raw", "/loki/api/v1/push", "/api/prom/push", "/api/v1/write"]


@pytest.mark.parametrize("path", FOREIGN_PATHS)
def test_bodies_of_other_products_are_refused_by_path(start, path):
    penstock = start()
    answer = post(port(penstock, "http"), b'{"index":{}}\n{"message":"hello"}\n', path)
    assert answer.status == 404 and len(answer.body) > 20
    assert penstock.metrics().received == 0 and refused(penstock) == {"path": 1}


OTLP = (FOLDER / "6.6-otlp/app.jsonl").read_text().splitlines()[0]


def test_otlp_is_taken_on_any_path_and_told_when_it_is_none(kinesis, start):
    penstock = start()
    where = port(penstock, "http")
    count = OTLP.count('"timeUnixNano"')
    assert post(where, OTLP.encode(), "/", Content_Type="application/json").json() == {}
    assert post(where, b" \n" + OTLP.encode(), "/x", Content_Type="text/plain").json() == {}
    settle(penstock, 2 * count)
    assert all("resourceLogs" not in event for stream in ("projects", "operations", "audit")
               for event in kinesis.events(stream))
    said = {
        b'{"message":"hello"}': b"resourceLogs", b'{"ResourceLogs":[{}]}': b"lowerCamelCase",
        b'{"resourceSpans":[{}]}': b"spans", b'{"resourceMetrics":[{}]}': b"spans",
    }
    for body, word in said.items():
        answer = post(where, body, "/v1/logs", Content_Type="application/json")
        assert answer.status == 400 and word in answer.body, body
    assert post(where, b'{"resourceSpans":[{}]}', "/").status == 400
    assert post(where, b"[" + OTLP.encode() + b"]", "/").status == 400
    for body in (b'{"resourceLogs":[]}', b'{"resourceLogs":[{"resource":{}}]}', b"{}"):
        answer = post(where, body, "/v1/logs", Content_Type="application/json")
        assert answer.status == 200 and answer.json()["partialSuccess"]["errorMessage"], body
    assert refused(penstock)["no_log_records"] == 3
    settle(penstock, 2 * count)


# Each breaks the envelope of a body, not its records.
BREAKS = {
    "cut at half": lambda text: text[:len(text) // 2], "cut at its end": lambda text: text[:-1],
    "first byte lost": lambda text: text[1:], "as a string": lambda text: json.dumps(text),
    "in an array": lambda text: f"[{text}]", "in an object": lambda text: f'{{"data":{text}}}',
    "names in capitals": lambda text: text.replace("resourceLogs", "ResourceLogs"),
    "scopes in capitals": lambda text: text.replace("scopeLogs", "ScopeLogs"),
    "records in capitals": lambda text: text.replace("logRecords", "LogRecords"),
    "records renamed": lambda text: text.replace("logRecords", "spans").replace("scopeLogs", "scopeSpans"),
    "as text": lambda text: "log: " + text, "as a form": lambda text: "data=" + text,
    "twice": lambda text: text + text, "as UTF-16": lambda text: text.encode("utf-16"),
}
BODIES = [path for folder in ("6.6-http", "5.9-vector", "6.6-otlp") for path in sorted((FOLDER / folder).glob("*.jsonl"))]


@pytest.mark.parametrize("path", BODIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_success_for_a_body_of_which_nothing_was_kept(start, path):
    penstock = start()
    received = 0
    for line in path.read_text().splitlines():
        for how, break_it in BREAKS.items():
            broken = break_it(line)
            body = broken if isinstance(broken, bytes) else broken.encode()
            for target in ("/", "/v1/logs"):
                answer = post(port(penstock, "http"), body, target, Content_Type="application/json")
                assert answer.status in (200, 400), (how, target, answer.status)
                if answer.status != 200:
                    continue
                if b'"events"' in answer.body:
                    kept = sum(answer.json().values())
                else:
                    kept = penstock.metrics().received - received
                assert kept > 0, (how, target, answer.body[:200], line[:200])
                received += kept
    settle(penstock, int(received))


@pytest.mark.parametrize("generation", ["4.3", "5.9-fluentd"])
def test_no_ack_for_a_chunk_of_which_nothing_was_kept(start, generation):
    penstock = start()
    received = 0
    for path in sorted((FOLDER / generation).glob("*.jsonl")):
        value = json.loads(path.read_text().splitlines()[0])
        entry = wire.pack([1, value["record"]])
        chunk = wire.packed_frame(value["tag"], entry, {"chunk": "c"})
        for broken in (chunk[:-20], chunk[1:], b"\x95" + chunk[1:], chunk.replace(entry, entry[:-1] + b"\xc1"),
                       wire.packed_frame(value["tag"], entry[1:], {"chunk": "c"}),
                       wire.pack([value["tag"], value["record"], {"chunk": "c"}]),
                       wire.pack([value["tag"], [value["record"]], {"chunk": "c"}]),
                       wire.pack([value["tag"], [[value["record"], 1]], {"chunk": "c"}])):
            with ForwardClient(port(penstock, "forward")) as client:
                client.send(broken)
                client.half_close()
                acked = b"ack" in client.wait_closed()
            now = penstock.metrics().received
            assert now > received or not acked, (path.name, broken[:60])
            received = now
    settle(penstock, int(received))
