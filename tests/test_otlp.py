"""OTLP/HTTP: what OpenShift's collector sends, and what OpenTelemetry's own exporters do."""

import gzip
import json
import subprocess
import threading
from pathlib import Path

import pytest

from harness.binary import PATIENCE
from harness.daemon import three_streams
from harness.http_client import http_source, post, source_port
from harness.otlp import expected_records, protobuf_of
from harness.samples import FOLDER, STREAM_OF_KIND, missing_and_unexpected
from harness.waiting import wait_until

PROTOBUF, JSON = "application/x-protobuf", "application/json"
CLIENT = Path(__file__).parent / "clients/otlp_logger.js"


@pytest.fixture
def otlp(kinesis, start_penstock):
    return start_penstock(three_streams(kinesis.endpoint, sources=[http_source(max_body="8MiB")]))


def port_of(penstock) -> int:
    return source_port(penstock.config, "http")


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
@pytest.mark.parametrize("compression", ["gzip", None])
def test_every_body_of_the_collector_lands_in_its_stream_field_by_field(kinesis, otlp, encoding, compression):
    expected: dict[str, list[str]] = {"projects": [], "operations": [], "audit": []}
    for path in sorted((FOLDER / "6.6-otlp").glob("*.jsonl")):
        for body in path.read_text().splitlines():
            data = body.encode() if encoding == "json" else protobuf_of(body)
            headers = {"Content_Type": JSON if encoding == "json" else PROTOBUF}
            if compression:
                data, headers["Content_Encoding"] = gzip.compress(data), compression
            answer = post(port_of(otlp), data, "/v1/logs", **headers)
            assert answer.status == 200 and answer.headers["content-type"] == headers["Content_Type"]
            assert answer.body == (b"{}" if encoding == "json" else b"")
            expected[STREAM_OF_KIND[path.stem]] += expected_records(body)
    otlp.wait_settled(sum(map(len, expected.values())))
    for stream, records in expected.items():
        missing, unexpected = missing_and_unexpected(records, kinesis.events(stream))
        assert not missing and not unexpected, (stream, missing[:1], unexpected[:1])


def test_a_broken_record_is_a_partial_success_and_its_neighbours_stay(kinesis, otlp):
    deep = b'{"stringValue":"x"}'
    for _ in range(70):
        deep = b'{"arrayValue":{"values":[' + deep + b"]}}"
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"good"}},{"body":' + deep + b"}]}]}]}"
    answer = post(port_of(otlp), body, "/v1/logs", Content_Type=JSON)
    assert answer.status == 200
    assert int(answer.json()["partialSuccess"]["rejectedLogRecords"]) == 1
    otlp.wait_settled(2)
    assert kinesis.events("projects") == ['{"body":"good"}']


@pytest.mark.parametrize("content_type,body", [(JSON, b"nonsense"), (JSON, b'{"resourceLogs":5}'), (JSON, b'{"resourceLogs":['),
                                               (PROTOBUF, b"\x0a\xff\xff\xff\xff\x0f"), (PROTOBUF, b"\x0b\x0b\x0b"),
                                               (PROTOBUF, b"\x0a\x05abc")])
def test_a_body_that_is_no_request_is_400_with_a_status(otlp, content_type, body):
    answer = post(port_of(otlp), body, "/v1/logs", Content_Type=content_type)
    assert answer.status == 400 and answer.headers["content-type"] == content_type
    assert b"does not parse" in answer.body
    assert otlp.metrics().sum("penstock_messages_refused_total", reason="not_otlp") == 1
    assert otlp.metrics().received == 0


def test_other_signals_and_grpc_are_told_so(otlp):
    assert post(port_of(otlp), b"{}", "/v1/traces", Content_Type=JSON).status == 404
    assert post(port_of(otlp), b"", "/v1/metrics", Content_Type=PROTOBUF).status == 404
    assert post(port_of(otlp), b"", "/v1/logs", Content_Type="application/grpc").status == 415
    assert post(port_of(otlp), b"{}", "/v1/logs", Content_Type=JSON).status == 200, "an empty request"
    assert post(port_of(otlp), b"", "/v1/logs", Content_Type=PROTOBUF).status == 200
    assert post(port_of(otlp), b'{"resourceLogs":[]}', "/otlp/v1/logs?x=y", Content_Type="text/plain").status == 200


def export(url: str, timeout_s: float = 90.0, **options) -> subprocess.CompletedProcess:
    return subprocess.run(["node", CLIENT], input=json.dumps({"url": url, **options}), capture_output=True, text=True,
                          timeout=timeout_s * PATIENCE)


@pytest.mark.outside
@pytest.mark.parametrize("encoding", ["json", "protobuf"])
@pytest.mark.parametrize("compressed", [False, True])
def test_opentelemetrys_own_exporters(kinesis, otlp, encoding, compressed):
    sent = export(f"http://127.0.0.1:{port_of(otlp)}/v1/logs", encoding=encoding, gzip=compressed, count=120)
    assert sent.returncode == 0, sent.stderr
    otlp.wait_settled(120)
    records = [json.loads(event) for event in kinesis.events("operations")]
    assert sorted(record["body"]["n"] for record in records) == list(range(120))
    for record in records:
        n = record["body"]["n"]
        assert record["body"] == {"n": n, "text": "grüß 👋", "list": [1, 2.5, True, None]}
        assert record["attributes"] == {"request.id": f"r-{n}", "big": 10**15, "flag": True}
        assert record["resource"]["service.name"] == "checkout" and record["severity_text"] == "INFO"
        assert record["scope"]["name"] == "penstock.tests"


@pytest.mark.outside
def test_an_exporter_that_is_pushed_back_sends_again_and_nothing_is_lost(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint, sources=[http_source(ack_timeout="500ms")], ack="delivered"))
    fault = kinesis.add_fault("hang", operation="PutRecords")

    def recover():
        penstock.wait_metric("penstock_messages_refused_total", 2, reason="ack_timeout")
        kinesis.remove_fault(fault)
        kinesis.release()

    recovery = threading.Thread(target=recover, daemon=True)
    recovery.start()
    sent = export(f"http://127.0.0.1:{port_of(penstock)}/v1/logs", encoding="protobuf", count=40)
    recovery.join()
    assert sent.returncode == 0, sent.stderr
    wait_until(lambda: {json.loads(e)["body"]["n"] for e in kinesis.events("operations")} == set(range(40)), "all arrived")
