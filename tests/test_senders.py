"""The http source, as collectors write to it: Vector, Fluent Bit and Fluentd, whose programs cannot be had here."""

import gzip
import zlib

import pytest
import zstandard

from harness.daemon import three_streams
from harness.http_client import RawConnection, http_source, post, snappy_literals, source_port


@pytest.fixture
def plain(kinesis, start_penstock):
    return start_penstock(three_streams(kinesis.endpoint, sources=[http_source()]))


# The requests of each sender, header by header as it writes them; {size} is the body's.
VECTOR = ("POST /ingest HTTP/1.1\r\ncontent-type: {type}\r\n{encoding}user-agent: Vector/0.47.0 (x86_64-unknown-linux-gnu)\r\n"
          "authorization: Bearer x\r\naccept-encoding: zstd,gzip,deflate,br\r\nhost: penstock:8443\r\n"
          "content-length: {size}\r\n\r\n")
FLUENT_BIT = ("POST / HTTP/1.1\r\nHost: penstock:8443\r\nContent-Length: {size}\r\nContent-Type: {type}\r\n{encoding}"
              "User-Agent: Fluent-Bit\r\n\r\n")
FLUENTD = ("POST / HTTP/1.1\r\nContent-Type: {type}\r\nAccept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\n{encoding}"
           "Accept: */*\r\nUser-Agent: Ruby\r\nHost: penstock:8443\r\nContent-Length: {size}\r\n\r\n")
LINES, ARRAY = b'{"n":1}\n{"n":2}', b'[{"n":1},{"n":2}]'
NDJSON, JSON = "application/x-ndjson", "application/json"
SENDERS = {
    "vector, an array": (VECTOR, JSON, "", ARRAY), "vector, lines": (VECTOR, NDJSON, "", LINES),
    "vector, gzip": (VECTOR, NDJSON, "content-encoding: gzip\r\n", gzip.compress(LINES)),
    "vector, zlib": (VECTOR, JSON, "content-encoding: deflate\r\n", zlib.compress(ARRAY)),
    "vector, zstd": (VECTOR, NDJSON, "content-encoding: zstd\r\n", zstandard.compress(LINES)),
    "vector, snappy": (VECTOR, JSON, "content-encoding: snappy\r\n", snappy_literals(ARRAY)),
    "fluent bit, json_lines": (FLUENT_BIT, NDJSON, "", LINES + b"\n"),
    "fluent bit, json": (FLUENT_BIT, JSON, "Content-Encoding: gzip\r\n", gzip.compress(ARRAY)),
    "fluent bit, json_stream": (FLUENT_BIT, JSON, "", LINES.replace(b"\n", b"")),
    "fluentd": (FLUENTD, NDJSON, "", LINES + b"\n"), "fluentd, json_array": (FLUENTD, JSON, "", ARRAY),
    # OpenShift Logging 5.7 to 5.9 with Fluentd: lines whatever the header says.
    "fluentd, the user's type": (FLUENTD, JSON, "", LINES + b"\n"),
}


def test_each_sender_is_understood_as_it_writes_and_keeps_its_connection(plain):
    for sender, (head, content_type, encoding, body) in SENDERS.items():
        request = head.format(type=content_type, encoding=encoding, size=len(body)).encode() + body
        with RawConnection(source_port(plain.config, "http")) as peer:
            for _ in range(2):
                peer.send(request)
                answer = peer.answer()
                assert answer.status == 200 and answer.json() == {"events": 2, "malformed": 0}, sender
                assert "connection" not in answer.headers, sender
    assert plain.wait_settled(4 * len(SENDERS)).received == 4 * len(SENDERS)


def test_nothing_to_send_is_nothing_wrong(plain):
    with RawConnection(source_port(plain.config, "http")) as peer:
        for length in (b"Content-Length: 0\r\n", b""):
            peer.send(b"POST / HTTP/1.1\r\nHost: penstock\r\n" + length + b"\r\n")
            assert peer.answer().json() == {"events": 0, "malformed": 0}


def test_vectors_health_check_is_the_admin_ports_to_answer(plain):
    """It sends HEAD when it is told to check, and wants 200; the source takes logs and nothing else."""
    admin = int(plain.config["admin"]["listen"].rpartition(":")[2])
    assert post(admin, None, "/readyz", method="HEAD").status == 200
    assert post(source_port(plain.config, "http"), None, method="HEAD").status == 405
    assert post(source_port(plain.config, "http"), b'{"n":1}').status == 200
