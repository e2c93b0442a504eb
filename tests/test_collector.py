"""The OpenTelemetry Collector, built from its Go modules, sends to penstock by its otlphttp exporter."""

import json

import pytest

from harness.daemon import three_streams
from harness.go_programs import Collector
from harness.http_client import http_source, post, source_port
from harness.otlp import expected_records, protobuf_of
from harness.samples import FOLDER, STREAM_OF_KIND, missing_and_unexpected
from harness.waiting import wait_until

PROTOBUF = "application/x-protobuf"

# Its cold build takes minutes.
pytestmark = [pytest.mark.outside, pytest.mark.long, pytest.mark.timeout(1500)]


def endpoint_of(penstock) -> str:
    return f"http://127.0.0.1:{source_port(penstock.config, 'http')}/v1/logs"


def export(collector: Collector, body: bytes, content_type: str = PROTOBUF) -> None:
    assert post(collector.port, body, "/v1/logs", Content_Type=content_type).status == 200


def request(number: int, records: int, text: str = "") -> bytes:
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"body": {"stringValue": json.dumps([number, i]) + text}} for i in range(records)]}]}]}
    return protobuf_of(json.dumps(body))


@pytest.mark.parametrize("encoding", ["proto", "json"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_every_sample_comes_through_the_collector_field_by_field(kinesis, start_penstock, tmp_path, encoding, compression):
    penstock = start_penstock(three_streams(kinesis.endpoint, sources=[http_source()]))
    expected: dict[str, list[str]] = {"projects": [], "operations": [], "audit": []}
    with Collector(tmp_path, endpoint_of(penstock), encoding=encoding, compression=compression) as collector:
        for path in sorted((FOLDER / "6.6-otlp").glob("*.jsonl")):
            for body in path.read_text().splitlines():
                export(collector, protobuf_of(body))
                expected[STREAM_OF_KIND[path.stem]] += expected_records(body)
        penstock.wait_settled(sum(map(len, expected.values())), 60)
    for stream, records in expected.items():
        missing, unexpected = missing_and_unexpected(records, kinesis.events(stream))
        assert not missing and not unexpected, (stream, missing[:1], unexpected[:1])


def test_pushed_back_by_a_slow_kinesis_it_sends_again_and_nothing_is_lost(kinesis, start_penstock, tmp_path):
    penstock = start_penstock(three_streams(kinesis.endpoint, sources=[http_source(ack_timeout="500ms")],
                                            ack="delivered"))
    fault = kinesis.add_fault("hang", operation="PutRecords")
    with Collector(tmp_path, endpoint_of(penstock)) as collector:
        for number in range(20):
            export(collector, request(number, 5))
        penstock.wait_metric("penstock_messages_refused_total", 20, reason="ack_timeout")
        kinesis.remove_fault(fault)
        kinesis.release()
        sent = {json.dumps([number, i]) for number in range(20) for i in range(5)}
        wait_until(lambda: {json.loads(event)["body"] for event in kinesis.events("projects")} == sent,
                   "each record arrived", 60)


def test_a_full_spool_pushes_it_back_and_nothing_is_lost_or_repeated(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool",
                           sources=[http_source(ack_timeout="5s", max_body="4MiB")])
    config["spool"]["max_size"] = "64MiB"  # a third of it for each stream
    penstock = start_penstock(config)
    fault = kinesis.add_fault("hang", operation="PutRecords")
    with Collector(tmp_path, endpoint_of(penstock)) as collector:
        for number in range(60):
            export(collector, request(number, 10, "x" * 100_000))
        penstock.wait_metric("penstock_messages_refused_total", 1, reason="no_room")
        kinesis.remove_fault(fault)
        kinesis.release()
        sent = {json.dumps([number, i]) for number in range(60) for i in range(10)}
        wait_until(lambda: {json.loads(event)["body"].rstrip("x") for event in kinesis.events("projects")} == sent,
                   "each record arrived", 120)
        metrics = penstock.wait_settled(600, 60)
    # Only a request that had been admitted when its time was up may have come in twice.
    late = metrics.sum("penstock_messages_refused_total", reason="ack_timeout")
    assert metrics.received <= 600 + 10 * late
