"""The http source: every way to send JSON, every answer, and what becomes of a batch under pressure."""

import gzip
import json
import random
import signal
import socket
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest
import zstandard

from harness.api_server import ApiServer
from harness.binary import PATIENCE, is_sanitized
from harness.daemon import run_command, three_streams
from harness.http_client import RawConnection, http_source, post, snappy_literals, source_port
from harness.samples import FOLDER, STREAM_OF_KIND, missing_and_unexpected
from harness.waiting import wait_until

CURL = ["curl", "--silent", "--show-error", "--max-time", "30", "--output", "/dev/null", "--write-out", "%{http_code}"]


@pytest.fixture
def http(kinesis, start_penstock, storage):
    """The three streams behind an http source, with memory and with a directory."""
    return start_penstock(three_streams(kinesis.endpoint, spool=storage, sources=[http_source()]))


@pytest.fixture
def plain(kinesis, start_penstock):
    return start_penstock(three_streams(kinesis.endpoint, sources=[http_source(max_body="1MiB")]))


def port_of(penstock) -> int:
    return source_port(penstock.config, "http")


def ndjson(count: int, **fields) -> bytes:
    return b"".join(json.dumps({"n": n, **fields}).encode() + b"\n" for n in range(count))


def sample_files(generation: str) -> list[Path]:
    return sorted((FOLDER / generation).glob("*.jsonl"))


def records_of(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    if path.parent.name in ("5.9-vector", "6.6-http"):
        return lines
    return [json.dumps(json.loads(line)["record"], ensure_ascii=False) for line in lines]


FORMS = {"array": lambda records: "[" + ",".join(records) + "]", "ndjson": lambda records: "\n".join(records),
         "lines with a last newline": lambda records: "\r\n".join(records) + "\r\n",
         "one object after the other": lambda records: "".join(records)}


@pytest.mark.parametrize("form", FORMS)
def test_every_sample_of_every_generation_lands_in_its_stream_unharmed(kinesis, http, form):
    expected: dict[str, list[str]] = {"projects": [], "operations": [], "audit": []}
    for generation in ("5.9-fluentd", "5.9-vector", "6.6-http"):
        for path in sample_files(generation):
            records = records_of(path)
            answer = post(port_of(http), FORMS[form](records).encode(), "/ingest")
            assert answer.status == 200 and answer.json() == {"events": len(records), "malformed": 0}
            expected[STREAM_OF_KIND[path.stem]] += records
    http.wait_settled(sum(map(len, expected.values())))
    for stream, records in expected.items():
        missing, unexpected = missing_and_unexpected(records, kinesis.events(stream))
        assert not missing and not unexpected, (stream, missing[:1], unexpected[:1])


def test_what_comes_out_is_what_went_in_byte_by_byte(kinesis, plain):
    objects = ['{"a":9007199254740993,"b":0.30000000000000004,"c":1e400,"d":1.50}', '{ "b" : 1, "a" : 2, "b" : 3 }',
               '{"text":"\\u00e9\\/ é 👩‍👩‍👧","empty":""}', "{}"]
    assert post(port_of(plain), ("[" + ", ".join(objects) + "]").encode()).status == 200
    assert post(port_of(plain), b'{"bad":"\xff\xfe"}').status == 200
    plain.wait_settled(5)
    assert sorted(kinesis.events("projects")) == sorted([*objects, '{"bad":"\ufffd\ufffd"}'])


ENCODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress,
             "identity": lambda body: body,
             "deflate raw": lambda body: zlib.compress(body)[2:-4],
             "gzip members": lambda body: gzip.compress(body[:100]) + gzip.compress(body[100:]),
             "snappy": snappy_literals}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("chunked", [False, True])
def test_compressed_bodies_are_inflated(kinesis, plain, encoding, chunked):
    body = ENCODINGS[encoding](ndjson(2000, text="hello"))
    answer = post(port_of(plain), iter([body[:1000], body[1000:]]) if chunked else body,
                  Content_Encoding=encoding.split()[0], Content_Type="text/plain")
    assert (answer.status, answer.json()["events"]) == (200, 2000)
    plain.wait_settled(2000)
    assert len(kinesis.events("projects")) == 2000


def test_one_bad_element_does_not_refuse_its_neighbours(kinesis, http, storage):
    bodies = [b'[{"n":1},17,{"n":2},{"broken":tru},"text"]', b'{"n":3}\nnot json at all\n{"n":4}\n[1]\n']
    malformed = 0
    for body in bodies:
        answer = post(port_of(http), body)
        assert answer.status == 200 and answer.json()["events"] == 2
        malformed += answer.json()["malformed"]
    assert malformed == 5
    metrics = http.wait_settled(9)
    assert sorted(kinesis.events("projects")) == ['{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}']
    name = "penstock_events_dead_lettered_total" if storage else "penstock_events_dropped_total"
    assert metrics.sum(name, reason="malformed") == 5


BAD = {
    "not json": (b"hello", {}, 400), "array without end": (b'[{"a":1}', {}, 400),
    "no gzip": (b"x" * 50, {"Content_Encoding": "gzip"}, 400),
    "gzip cut off": (gzip.compress(ndjson(100))[:-9], {"Content_Encoding": "gzip"}, 400),
    "unknown encoding": (b"{}", {"Content_Encoding": "br"}, 415),
    "two encodings": (b"{}", {"Content_Encoding": "gzip, gzip"}, 415),
    "msgpack": (b"\x92\x01\x80", {"Content_Type": "application/msgpack"}, 415),
    "gzip bomb": (gzip.compress(b"[" + b" " * 100_000_000), {"Content_Encoding": "gzip"}, 413),
    "too long": (b" " * (2**20 + 1), {}, 413), "too long, chunked": (iter([b" " * 2**19] * 3), {}, 413),
    "traces": (b"{}", {"path": "/v1/traces"}, 404), "metrics": (b"{}", {"path": "/otlp/v1/metrics"}, 404),
    "get": (None, {"method": "GET"}, 405), "delete": (None, {"method": "DELETE"}, 405),
    "head": (None, {"method": "HEAD"}, 405),
}


@pytest.mark.parametrize("case", BAD)
def test_each_refusal_has_its_code_and_is_counted(plain, case):
    body, options, status = BAD[case]
    answer = post(port_of(plain), body, **options)
    assert answer.status == status
    assert (answer.body == b"") == (case == "head")
    refused = plain.metrics().by("penstock_messages_refused_total", "reason")
    assert sum(refused.values()) == 1 and "" not in refused
    assert post(port_of(plain), b'{"n":1}').status == 200
    assert plain.wait_settled(1).received == 1


RAW = {
    "random bytes": random.Random(7).randbytes(300), "no version": b"POST /\r\n\r\n",
    "bad length": b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    "huge length": b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "chunk of 2^64": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "endless head": b"POST / HTTP/1.1\r\n" + b"X-A: " + b"a" * 40_000,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "endless extension": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"a" * 40_000,
}


@pytest.mark.parametrize("case", RAW)
def test_what_is_no_http_is_refused_and_the_connection_closed(plain, case):
    with RawConnection(port_of(plain)) as peer:
        try:
            peer.send(RAW[case])
            peer.half_close()
            assert peer.answer().status in (400, 413, 431)
        except OSError:  # closed at once: also ENOTCONN, which is no ConnectionError
            pass
        assert peer.is_closed()
    plain.wait_metric("penstock_messages_refused_total", 1)
    assert plain.metrics().received == 0
    assert post(port_of(plain), b'{"n":1}').status == 200


def test_pipelined_requests_are_answered_in_their_order(kinesis, plain):
    with RawConnection(port_of(plain)) as peer:
        request = b"".join(b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body := b'{"n":%d}' % n), body)
                           for n in range(50))
        peer.send(request + b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n[")
        assert [peer.answer().status for _ in range(51)] == [200] * 50 + [400]
        peer.send_request(b'{"n":50}')  # a bad body is no reason to hang up
        assert peer.answer().status == 200
    plain.wait_settled(51)
    assert sorted(json.loads(e)["n"] for e in kinesis.events("projects")) == list(range(51))


def test_a_request_may_come_byte_by_byte(plain):
    with RawConnection(port_of(plain)) as peer:
        for byte in (b"\r\nPUT /a?b=c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"4;x=y\r\n{\"n\"\r\n3\r\n:1}\r\n0\r\nT: v\r\n\r\n"):
            peer.send(bytes([byte]))
        assert peer.answer().json() == {"events": 1, "malformed": 0}


def test_expect_continue_is_answered_before_the_body(plain):
    with RawConnection(port_of(plain)) as peer:
        peer.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert peer.answer().status == 100
        peer.send(b"{}")
        assert peer.answer().status == 200
    with RawConnection(port_of(plain)) as peer:
        peer.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 20000000\r\n\r\n")
        assert peer.answer().status == 413


def test_curl_in_every_way(kinesis, plain, tmp_path):
    (tmp_path / "body").write_bytes(ndjson(100))
    url = f"http://127.0.0.1:{port_of(plain)}/logs"
    ways = [["--data-binary", f"@{tmp_path}/body"], ["-T", f"{tmp_path}/body"],
            ["--http1.0", "--data-binary", f"@{tmp_path}/body"],
            ["-H", "Transfer-Encoding: chunked", "--data-binary", f"@{tmp_path}/body"],
            ["-H", "Expect: 100-continue", "--data-binary", f"@{tmp_path}/body"],
            ["--json", '{"n":1}'], ["--data-binary", ""]]
    for way in ways:
        assert subprocess.run([*CURL, *way, url], capture_output=True, text=True).stdout == "200", way
    assert subprocess.run([*CURL, "--head", url], capture_output=True, text=True).stdout == "405"
    assert subprocess.run([*CURL, url], capture_output=True, text=True).stdout == "405"
    plain.wait_settled(501)


def test_tls_client_certificates_and_every_kind_of_authorization(kinesis, start_penstock, certificates, tmp_path):
    (tmp_path / "token").write_text("first-token\n")
    (tmp_path / "password").write_text("swordfish\n")
    auth = {"bearer_token_files": [str(tmp_path / "token")],
            "basic": [{"name": "alice", "password_file": str(tmp_path / "password")}]}
    tls = {"cert": str(certificates.server_cert), "key": str(certificates.server_key),
           "client_ca": str(certificates.ca)}
    penstock = start_penstock(three_streams(kinesis.endpoint, sources=[http_source(tls=tls, auth=auth)]))
    url = f"https://localhost:{port_of(penstock)}/"
    client = ["--cacert", str(certificates.ca),
              "--cert", str(certificates.client_cert), "--key", str(certificates.client_key)]

    def status(*options: str) -> str:
        return subprocess.run([*CURL, *options, "--data-binary", '{"n":1}', url], capture_output=True, text=True).stdout

    assert status("--cacert", str(certificates.ca), "-u", "alice:swordfish") == "000", "no client certificate"
    assert status(*client) == "401"
    assert status(*client, "-u", "alice:swordfisH") == "401"
    assert status(*client, "-u", "bob:swordfish") == "401"
    assert status(*client, "-H", "Authorization: Bearer second-token") == "401"
    assert status(*client, "-H", "Authorization: Nonsense") == "401"
    assert status(*client, "-u", "alice:swordfish") == "200"
    assert status(*client, "-H", "Authorization: bearer first-token") == "200"
    (tmp_path / "token").write_text("second-token\n")
    wait_until(lambda: status(*client, "-H", "Authorization: Bearer second-token") == "200",
               "the new token is taken up")
    assert status(*client, "-H", "Authorization: Bearer first-token") == "401"
    failures = penstock.metrics().by("penstock_auth_failures_total", "reason")
    assert failures["missing_credentials"] == 1 and failures["wrong_credentials"] >= 5
    for secret in ("swordfish", "first-token", "second-token"):
        assert secret not in penstock.log()
    assert penstock.metrics().sum("penstock_certificate_expiry_seconds") > 0


def test_service_accounts_are_the_clusters_to_judge(kinesis, start_penstock, certificates, tmp_path):
    api = ApiServer(tmp_path, certificates, {"good": "system:serviceaccount:openshift-logging:kds-collector",
                                             "later": "system:serviceaccount:openshift-logging:kds-collector",
                                             "other": "system:serviceaccount:default:builder"})
    try:
        config = three_streams(kinesis.endpoint, sources=[
            http_source(auth={"service_accounts": ["openshift-logging/kds-collector"]}, ack_timeout="20s")])
        penstock = start_penstock(config, environment=api.environment)

        def status(token: str) -> int:
            return post(port_of(penstock), b'{"n":1}', Authorization=f"Bearer {token}").status

        assert [status("good") for _ in range(20)] == [200] * 20
        assert api.reviews == ["good"] and api.callers == {"Bearer penstock-own-token"}
        assert status("other") == 403
        assert status("stolen") == 401
        assert post(port_of(penstock), b"{}").status == 401
        api.is_broken = True
        assert status("good") == 200, "remembered"
        assert status("later") == 503, "nobody can say no, so nobody does"
        api.is_broken = False
        assert status("later") == 200
        failures = penstock.metrics().by("penstock_auth_failures_total", "reason")
        assert failures == {"missing_credentials": 1, "wrong_credentials": 1, "service_account": 1}
        assert penstock.metrics().sum("penstock_messages_refused_total", reason="token_review") == 1
        assert penstock.stop_quickly() == 0
    finally:
        api.stop()


def test_503_when_kinesis_is_slower_than_the_ack_timeout_and_who_tries_again_loses_nothing(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint, sources=[http_source(ack_timeout="500ms")],
                                            ack="delivered"))
    fault = kinesis.add_fault("hang", operation="PutRecords")
    seen: list[int] = []

    def send(n: int) -> None:
        while (status := post(port_of(penstock), b'{"n":%d}' % n).status) != 200:
            seen.append(status)

    senders = [threading.Thread(target=send, args=(n,), daemon=True) for n in range(10)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(seen) >= 10, "they are pushed back")
    kinesis.remove_fault(fault)
    kinesis.release()
    for sender in senders:
        sender.join(60 * PATIENCE)
        assert not sender.is_alive()
    assert set(seen) == {503}
    wait_until(lambda: {json.loads(e)["n"] for e in kinesis.events("projects")} == set(range(10)), "each arrived")


def test_503_when_the_stream_is_full_keeps_nothing_so_nothing_is_repeated(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool",
                           sources=[http_source(ack_timeout="500ms", max_body="4MiB")])
    config["spool"]["max_size"] = "64MiB"
    penstock = start_penstock(config)
    fault = kinesis.add_fault("hang", operation="PutRecords")
    pushed_back, n = None, 0
    while pushed_back is None and n < 200:
        body = ndjson(10, request=n, text="x" * 100_000)
        answer = post(port_of(penstock), body)
        if answer.status != 200:
            pushed_back = body
            assert answer.status == 503 and "retry-after" in answer.headers
        n += 1
    assert pushed_back is not None, "the stream never filled"
    assert post(port_of(penstock), b'{"log_type":"audit"}').status == 200, "other streams go on"
    kinesis.remove_fault(fault)
    kinesis.release()
    wait_until(lambda: post(port_of(penstock), pushed_back).status == 200, "there is room again", 60)
    metrics = penstock.wait_settled(n * 10 + 1, 60)
    assert metrics.received == n * 10 + 1, "what was answered 503 for want of room was not kept"


def test_a_thousand_idle_connections_and_slow_ones_hold_up_nobody(plain):
    port = port_of(plain)
    idle = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(900)]
    slow = [RawConnection(port) for _ in range(100)]
    try:
        for number, peer in enumerate(slow):
            peer.send(b"POST / HTTP/1.1\r\nContent-Le" if number % 2 else
                      b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{")
        began = time.monotonic()
        for n in range(50):
            assert post(port, b'{"n":%d}' % n).status == 200
        assert time.monotonic() - began < 50, "a second each: somebody was waited for"
        wait_until(lambda: plain.metrics().sum("penstock_connections", source="http") >= 1000, "all are held")
        if not is_sanitized():
            assert plain.memory_bytes() < 256 * 2**20
    finally:
        for peer in [*idle, *slow]:
            peer.close()
    plain.wait_connections(0, "http")


def test_a_thousand_and_more_are_turned_away(plain):
    port = port_of(plain)
    peers = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(1100)]
    wait_until(lambda: plain.metrics().sum("penstock_messages_refused_total", reason="max_connections") >= 76,
               "counted")
    for peer in peers:
        peer.close()
    plain.wait_connections(0, "http")
    assert post(port, b"{}").status == 200


def test_hundreds_of_parallel_requests(kinesis, http):
    port, each = port_of(http), 10
    failed = []

    def send(worker: int) -> None:
        with RawConnection(port, timeout_s=60) as peer:
            for n in range(each):
                peer.send_request(ndjson(20, worker=worker, request=n, text="x" * 200))
                if peer.answer().status != 200:
                    failed.append((worker, n))

    workers = [threading.Thread(target=send, args=(n,), daemon=True) for n in range(200)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60 * PATIENCE)
    assert not failed
    http.wait_settled(200 * each * 20)


def test_a_drain_answers_what_is_under_way_and_refuses_nobody_who_is_connected(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", sources=[http_source()])
    penstock = start_penstock(config)
    with RawConnection(port_of(penstock)) as busy, RawConnection(port_of(penstock)) as idle:
        idle.send_request(b'{"n":0}')
        assert idle.answer().status == 200
        busy.send(b"POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n{")
        penstock.signal(signal.SIGTERM)
        wait_until(lambda: penstock.get("/readyz")[0] == 503, "it is not ready")
        idle.send_request(b'{"n":1}')
        assert idle.answer().status == 200
        wait_until(lambda: "Connection refused" in refused_to_connect(port_of(penstock)), "the listener is closed")
        busy.send(b'"n":2}')
        answer = busy.answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"
        busy.close()
        idle.send_request(b'{"n":3}')
        answer = idle.answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"
        idle.close()
        assert penstock.wait() == 0
    assert sorted(kinesis.events("projects")) == [f'{{"n":{n}}}' for n in range(4)]


def refused_to_connect(port: int) -> str:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
        return ""
    except OSError as error:
        return str(error)


def test_the_log_stays_readable_when_everything_is_broken(plain):
    lines = len(plain.log().splitlines())
    for _ in range(300):
        post(port_of(plain), b"SECRET-CONTENT")
    assert len(plain.log().splitlines()) - lines < 100
    assert "SECRET-CONTENT" not in plain.log()


def test_large_bodies_at_once_wait_for_memory_and_all_go_through(kinesis, start_penstock, tmp_path):
    """Together they are several times memory_limit; whoever is pushed back meanwhile sends again."""
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool", sources=[http_source()],
                                            memory_limit="256MiB"))
    done = []

    def send(worker: int) -> None:
        body = ndjson(240, worker=worker, text="x" * 100_000)
        headers = {"Content_Encoding": "gzip"} if worker % 2 else {}
        data = gzip.compress(body, 1) if headers else body
        while (status := post(port_of(penstock), data, timeout_s=60, **headers).status) != 200:
            assert status == 503
        done.append(worker)

    senders = [threading.Thread(target=send, args=(n,), daemon=True) for n in range(10)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(100 * PATIENCE)
    assert sorted(done) == list(range(10))
    penstock.wait_settled(2400, 60)
    if not is_sanitized():
        assert penstock.memory_peak_bytes() <= 256 * 2**20


def test_a_body_of_the_smallest_objects_is_split_within_the_memory_limit(kinesis, start_penstock, tmp_path):
    """Each of its entries is six times as long as its text: too much to be there twice, even for the largest lease."""
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool", memory_limit="48MiB",
                                            sources=[http_source(max_body="4MiB")],
                                            streams={"aggregation": "lines"}))
    audit, others = 1_000, 330_000
    body = b"{}\n" * (others // 2) + b'{"log_type":"audit"}\n' * audit + b"{}\n" * (others // 2)
    answer = post(port_of(penstock), gzip.compress(body, 1), Content_Encoding="gzip")
    assert answer.status == 200 and answer.json() == {"events": audit + others, "malformed": 0}
    penstock.wait_settled(audit + others, 30)
    delivered = penstock.metrics().by("penstock_events_delivered_total", "stream")
    assert delivered["audit"] == audit and delivered["projects"] == others
    if not is_sanitized():
        assert penstock.memory_peak_bytes() <= 48 * 2**20


def test_a_zstd_window_that_no_lease_pays_for_is_refused_and_no_more(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint, memory_limit="36MiB",
                                            sources=[http_source(max_body="1MiB")]))
    window = zstandard.ZstdCompressionParameters(window_log=23, compression_level=3)  # 8 MiB
    writer = zstandard.ZstdCompressor(compression_params=window).compressobj()
    body = writer.compress(ndjson(1000)) + writer.flush()
    assert post(port_of(penstock), body, Content_Encoding="zstd").status == 400
    assert penstock.metrics().by("penstock_messages_refused_total", "reason") == {"window_too_large": 1}
    assert post(port_of(penstock), zstandard.compress(ndjson(10)), Content_Encoding="zstd").status == 200


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_request_that_stops_in_the_middle_is_ended_after_a_minute_and_an_idle_connection_never(plain):
    with RawConnection(port_of(plain), timeout_s=100) as head, RawConnection(port_of(plain), timeout_s=100) as body, \
            RawConnection(port_of(plain)) as idle:
        idle.send_request(b"{}")
        assert idle.answer().status == 200
        began = time.monotonic()
        head.send(b"POST / HTTP/1.1\r\nHos")
        body.send(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
        assert head.is_closed() and body.is_closed()
        assert 55 < time.monotonic() - began < 70
        idle.send_request(b"{}")
        assert idle.answer().status == 200
    assert plain.metrics().sum("penstock_messages_refused_total", reason="message_timeout") == 2


def test_penstock_send_by_http(kinesis, http):
    for options in ([], ["--compress", "gzip", "--ack", "--in-flight", "4"]):
        sent = run_command("send", "--http", f"http://127.0.0.1:{port_of(http)}/", "--generate", "500", *options)
        assert sent.returncode == 0, sent.stderr
    http.wait_settled(1000)
    assert sum(len(kinesis.events(stream)) for stream in ("projects", "operations", "audit")) == 1000
