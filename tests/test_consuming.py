"""doc/consuming.md: each row of the readers' table names a test, or says "not tested"; and the readers that can be had."""

import base64
import gzip
import json
import re
from pathlib import Path

import pytest
import zstandard
from aws_lambda_powertools.utilities.data_classes import KinesisStreamEvent

from harness import forward_client as wire
from harness.daemon import forward_port, run_command, three_streams
from harness.forward_client import ForwardClient

ROOT = Path(__file__).resolve().parents[1]
FORMS = [(aggregation, compression) for aggregation in ("none", "kpl", "lines") for compression in ("none", "gzip", "zstd")]


def table():
    text = (ROOT / "doc/consuming.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \| [^|]* \| ([^|]*) \|$", text, re.M)
    return {reader: (aggregation, compression, tried) for reader, aggregation, compression, tried in rows}


READERS = ["channel_json", "channel_string", "channel_bytes", "firehose", "kcl", "lambda", "flink", "own"]


def allowed(cell, value):
    return cell == "any" or value in re.findall(r"`(\w+)`", cell)


def test_every_reader_has_a_row_and_every_row_a_test_that_is_there_or_says_not_tested():
    rows = table()
    assert list(rows) == READERS
    for reader, (_, _, tried) in rows.items():
        files = re.findall(r"`(test_\w+\.py)`", tried)
        assert files or "not tested" in tried, reader
        for file in files:
            assert (ROOT / "tests" / file).exists(), f"{reader}: {file}"


@pytest.mark.parametrize("reader", READERS)
def test_the_configuration_takes_the_forms_of_the_table_and_no_others(tmp_path, reader):
    aggregations, compressions, _ = table()[reader]
    for aggregation, compression in FORMS:
        file = tmp_path / "penstock.yaml"
        file.write_text(json.dumps(three_streams("http://127.0.0.1:1", streams={
            "aggregation": aggregation, "compression": compression, "readers": [reader]})))
        done = run_command("check", "--config", file)
        fits = allowed(aggregations, aggregation) and allowed(compressions, compression)
        assert done.returncode == (0 if fits else 2), f"{reader}: {aggregation}, {compression}: {done.stderr}"
        assert fits or f"does not fit the reader {reader}" in done.stderr


@pytest.mark.parametrize("aggregation, compression", [form for form in FORMS if form[0] != "kpl"])
def test_a_lambda_function_reads_what_its_event_holds(kinesis, start_penstock, aggregation, compression):
    penstock = start_penstock(three_streams(kinesis.endpoint, streams={
        "aggregation": aggregation, "compression": compression, "flush": {"interval": "50ms"}}))
    with ForwardClient(forward_port(penstock.config)) as client:
        client.send_acked(wire.packed_forward, "t", [(1, {"id": n, "text": "é" * 50}) for n in range(200)])
    penstock.wait_settled(200)
    # The shape that Lambda's event source mapping hands to a function.
    event = KinesisStreamEvent({"Records": [{
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
        "eventID": f"{record['shard']}:{record['sequence']}", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:111111111111:stream/projects",
        "invokeIdentityArn": "arn:aws:iam::111111111111:role/function",
        "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": record["key"], "sequenceNumber": record["sequence"],
                    "data": record["data"], "approximateArrivalTimestamp": record["at"]}}
        for record in kinesis.ledger("projects")]})
    ids = []
    for record in event.records:
        if aggregation == "none" and compression == "none":
            ids.append(record.kinesis.data_as_json()["id"])
        elif aggregation == "none" and compression == "gzip":
            ids.append(record.kinesis.data_zlib_compressed_as_json()["id"])
        else:
            data = record.kinesis.data_as_bytes()
            if compression == "gzip":
                data = gzip.decompress(data)
            elif compression == "zstd":
                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
            ids += [json.loads(line)["id"] for line in data.decode().splitlines()]
    assert sorted(ids) == list(range(200))


def test_what_lambda_would_get_of_an_aggregate_is_no_json():
    """Why kpl is rejected for it: nothing takes the aggregate apart."""
    magic = base64.b64encode(b"\xf3\x89\x9a\xc2" + b"\x00" * 20).decode()
    record = next(KinesisStreamEvent({"Records": [{"kinesis": {"data": magic}}]}).records)
    with pytest.raises(UnicodeDecodeError):
        record.kinesis.data_as_json()
