"""What comes out of the stream again for years: archived objects, `penstock unpack`, `penstock verify --archive`, and
what consumers made with the Kinesis Client Library would drop."""

import base64
import gzip
import json
import os
import pty
import re
import subprocess
import sys

import boto3
import botocore.config
import pytest
import zstandard

from harness import forward_client as wire
from harness.binary import PATIENCE, binary_path, is_sanitized
from harness.daemon import ACCESS_KEY, forward_port, run_command, three_streams
from harness.forward_client import ForwardClient
from harness.node import Emulator, client_for
from harness.waiting import wait_until

RUN = "r"


def event(n, text="x"):
    return json.dumps({"penstock_id": f"{RUN}-{n}", "message": text}, separators=(",", ":"))


def ledger_line(n):
    return f'{{"id":"{RUN}-{n}","seq":{n},"tag":"t","sent_ns":{n + 1},"acked_ns":{n + 2}}}\n'


def write_ledger(path, count):
    path.write_text("".join(map(ledger_line, range(count))))
    return path


def unpacked(*files, expect=0):
    done = run_command("unpack", *files)
    assert done.returncode == expect, done.stderr
    return done.stdout.splitlines()


# A process inherits the peak of the one that starts it (here pytest, which is large), so a small one starts penstock.
MEASURED = """import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024))
sys.exit(code)
"""


def verify(archive, ledger, *arguments):
    """Its JSON, its exit code, and the most memory it took."""
    peak = ledger.with_name("peak")
    command = [binary_path(), "verify", "--archive", archive, "--ledger", ledger, "--format", "json", *map(str, arguments)]
    done = subprocess.run([sys.executable, "-c", MEASURED, peak, *command], capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode, int(peak.read_text()), done.stderr


# --- objects and events


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("between", ["", "\n"])
def test_objects_of_all_kinds_become_one_event_a_line(tmp_path, compress, between):
    events = [event(n, "}{ \" é") for n in range(50)]
    folder = tmp_path / "2026" / "11" / "30"
    folder.mkdir(parents=True)
    for hour in range(5):
        (folder / f"{hour:02}").write_bytes(compress(between.join(events[hour * 10:hour * 10 + 10]).encode()))
    assert unpacked(tmp_path) == events
    assert unpacked(folder / "03", folder / "01") == events[30:40] + events[10:20]


def test_an_object_may_come_from_stdin_and_what_is_no_json_is_kept(tmp_path):
    done = run_command("unpack", stdin='{"a":1}{"b":\n2}plain text\n')
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ['{"a":1}', '{"b": 2}']
    assert base64.b64decode(json.loads(lines[2])["base64"]) == b"plain text"


def test_a_damaged_object_is_named_and_the_others_are_unpacked(tmp_path):
    good, bad = event(1), gzip.compress("".join(event(n) for n in range(1000)).encode())
    (tmp_path / "a").write_bytes(bad[:len(bad) // 2])
    (tmp_path / "b").write_text(good)
    done = run_command("unpack", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/a: its compressed data ends early" in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout.splitlines()[-1] == good


def test_what_is_not_there_is_wrong_usage():
    for arguments in (["unpack", "/nonexistent"], ["verify", "--ledger", "/nonexistent", "--archive", "/tmp"],
                      ["verify", "--ledger", "/dev/null", "--archive", "/nonexistent"],
                      ["verify", "--ledger", "/dev/null"]):
        done = run_command(*arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("aggregation", ["none", "kpl", "lines"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_records_put_one_behind_the_other_as_channels_do_are_told_apart(kinesis, start_penstock, tmp_path, aggregation,
                                                                        compression):
    """An object of a BYTE_ARRAY channel: the records' bytes, and nothing that says where one ends. One event is larger
    than a record and comes in parts."""
    penstock = start_penstock(three_streams(kinesis.endpoint, streams={
        "aggregation": aggregation, "compression": compression, "flush": {"interval": "50ms"}}))
    with ForwardClient(forward_port(penstock.config)) as client:
        for chunk in range(5):
            client.send_acked(wire.packed_forward, "t", [(1, {"id": chunk * 100 + i, "fill": "y" * 300})
                                                         for i in range(100)])
        client.send_acked(wire.forward, "t", [(1, {"id": 500, "text": os.urandom(1_500_000).hex()})])
    penstock.wait_settled(501)
    records = [base64.b64decode(record["data"]) for record in kinesis.ledger("projects")]
    for name, compress in (("plain", bytes), ("whole.gz", gzip.compress)):
        (tmp_path / name).write_bytes(compress(b"".join(records)))
        assert sorted(json.loads(line)["id"] for line in unpacked(tmp_path / name)) == list(range(501))


# --- compared with what was acked


@pytest.mark.timeout(300)
def test_one_removed_and_one_doubled_among_a_million_are_found_in_bounded_memory(tmp_path):
    count, removed, doubled = 1_000_000, 123_456, 765_432
    archive = tmp_path / "archive"
    archive.mkdir()
    for first in range(0, count, 50_000):
        numbers = [n for n in range(first, first + 50_000) if n != removed]
        if first <= doubled < first + 50_000:
            numbers.append(doubled)
        (archive / f"{first:07}.gz").write_bytes(gzip.compress("".join(map(event, numbers)).encode(), 1))
    ledger = write_ledger(tmp_path / "ledger", count)
    for memory, passes in (("256MiB", 1), ("24MiB", 3)):
        report, code, peak, _ = verify(archive, ledger, "--memory", memory)
        assert code == 1
        assert (report["acked"], report["found"]) == (count, count - 1)
        assert (report["gaps"], report["repeats"], report["foreign"]) == (1, 1, 0)
        assert [gap["id"] for gap in report["missing"]] == [f"{RUN}-{removed}"]
        assert [more["id"] for more in report["repeated"]] == [f"{RUN}-{doubled}"]
        assert report["disorder"] == (0 if passes == 1 else None)
        print(f"--memory {memory}: {peak / 2**20:.0f} MiB resident at most")
        assert is_sanitized() or peak < {1: 110, 3: 60}[passes] * 2**20


def test_a_whole_archive_is_good_and_disorder_and_damage_are_counted(tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    ledger = write_ledger(tmp_path / "ledger", 100)
    (archive / "1").write_text("".join(event(n) for n in range(50)))
    (archive / "2").write_text("".join(event(n) for n in range(50, 100)))
    report, code, _, _ = verify(archive, ledger)
    assert code == 0 and report["good"] and report["read"] == [
        {"archive": str(archive), "events": 100, "objects": 2, "damaged": 0}]
    (archive / "2").write_text("".join(event(n) for n in reversed(range(50, 100))) + '{"penstock_id":"other-1"}')
    report, code, _, _ = verify(archive, ledger)
    assert code == 0 and report["disorder"] == 49 and report["foreign"] == 1
    (archive / "3").write_bytes(gzip.compress(b"{}" * 1000)[:-8])
    report, code, _, errors = verify(archive, ledger)
    assert code == 1 and not report["good"] and report["read"][0]["damaged"] == 1
    assert f"{archive}/3" in errors


@pytest.mark.outside
def on_a_terminal(*command):
    """What a command whose stderr is a terminal writes there."""
    ours, its = pty.openpty()
    with subprocess.Popen([binary_path(), *map(str, command)], stdout=subprocess.DEVNULL, stderr=its) as process:
        os.close(its)
        written = b""
        while True:
            try:
                written += os.read(ours, 65536)
            except OSError:  # EIO: the other side is closed
                break
        process.wait(timeout=60)
    os.close(ours)
    return written.decode()


def test_a_long_comparison_shows_how_far_it_is_where_somebody_watches(tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    object_ = archive / "object-000"
    object_.write_text("\n".join(event(n) for n in range(20_000)))
    for copy in range(1, 300):
        os.link(object_, archive / f"object-{copy:03}")
    ledger = write_ledger(tmp_path / "ledger", 10)
    written = on_a_terminal("verify", "--archive", archive, "--ledger", ledger)
    shown = re.findall(r"\r\x1b\[Kpass 1 of 1: (\d+) objects with ([\d,]+) events read, now at (\S+)", written)
    assert shown, written
    for objects, events, place in shown:
        assert int(events.replace(",", "")) == int(objects) * 20_000
        assert place == str(archive / f"object-{int(objects) - 1:03}")
    assert written.endswith("\r\x1b[K"), "the line is taken away at the end"


def test_what_firehose_wrote_to_s3_is_verified_and_unpacked(start_penstock, tmp_path):
    """penstock → moto's Firehose → moto's S3 → files, as `aws s3 sync` brings them."""
    moto = Emulator("moto", tmp_path, {})
    try:
        options = {"endpoint_url": moto.endpoint, "region_name": "us-east-1", "aws_access_key_id": "test",
                   "aws_secret_access_key": "test"}
        s3 = boto3.client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}), **options)
        wait_until(lambda: _answers(s3), "moto answers", 30)
        s3.create_bucket(Bucket="archive")
        boto3.client("firehose", **options).create_delivery_stream(
            DeliveryStreamName="projects", ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::123456789012:role/archive", "BucketARN": "arn:aws:s3:::archive",
                "Prefix": "projects/", "CompressionFormat": "GZIP"})
        config = three_streams(moto.endpoint, routes=[{"stream": "projects"}])
        config["streams"] = {"projects": {"firehose": "projects", "region": "us-east-1", "endpoint": moto.endpoint,
                                          "aggregation": "lines", "flush": {"interval": "50ms"}}}
        penstock = start_penstock(config)
        ledger = tmp_path / "ledger"
        sent = run_command("send", "--to", f"127.0.0.1:{forward_port(config)}", "--ack", "--ledger", ledger,
                           "--generate", 2000, "--run", RUN)
        assert sent.returncode == 0, sent.stderr
        penstock.wait_settled(2000)
        archive = tmp_path / "archive"
        keys = [found["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="archive")
                for found in page["Contents"]]
        for key in keys:
            target = archive / key
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(s3.get_object(Bucket="archive", Key=key)["Body"].read())
        report, code, _, errors = verify(archive, ledger)
        assert code == 0, errors
        assert (report["found"], report["gaps"], report["repeats"]) == (2000, 0, 0)
        assert sum(f'"{RUN}-1234"' in line for line in unpacked(archive)) == 1
        largest = max((file for file in archive.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
        largest.unlink()
        assert verify(archive, ledger)[1] == 1
    finally:
        moto.stop()


def _answers(s3):
    try:
        s3.list_buckets()
    except botocore.exceptions.EndpointConnectionError:
        return False
    return True


# --- streams whose keys mean nothing


KPL = {"aggregation": "kpl", "flush": {"interval": "20ms"}}


def send_numbered(client, first, count):
    events = [(1, {"id": n, "fill": "z" * 200}) for n in range(first, first + count)]
    client.send_acked(wire.packed_forward, "t", events)


def read_back(kinesis, command, *arguments):
    return run_command(command, *arguments, "--stream", "projects", "--region", "us-east-1", "--endpoint",
                       kinesis.endpoint)


def test_aggregates_on_a_stream_that_distributes_by_itself_are_told_as_dropped_by_the_kcl(kinesis, start_penstock,
                                                                                         tmp_path):
    """Keys mean nothing from the middle on: every consumer but those made with the KCL still gets everything."""
    kinesis.set_stream("projects", mode="ON_DEMAND")
    penstock = start_penstock(three_streams(kinesis.endpoint, streams=KPL))
    with ForwardClient(forward_port(penstock.config)) as client:
        for chunk in range(10):
            send_numbered(client, chunk * 100, 100)
        penstock.wait_settled(1000)
        assert len(kinesis.kcl_events("projects")) == 1000
        kinesis.set_stream("projects", strategy="AUTO")
        # As long as its aggregates do not happen to fall onto their own shards.
        sent = 1000
        while kinesis.misplaced("projects") == 0 and sent < 5000:
            send_numbered(client, sent, 100)
            sent += 100
            penstock.wait_settled(sent)
    dropped = kinesis.misplaced("projects")
    if dropped == 0:
        pytest.skip("delivery sends no aggregates any more while the service distributes records")
    ledger = tmp_path / "ledger"
    ledger.write_text("")
    done = read_back(kinesis, "verify", "--ledger", ledger)
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if "dropped by KCL consumers" in line)
    assert int(line.split()[1]) == dropped
    assert len(kinesis.kcl_events("projects")) == sent, "what is dropped was sent again"
    events = [json.loads(line) for line in read_back(kinesis, "tail", "--meta").stdout.splitlines()]
    assert len(events) == sent + dropped and sum(item.get("dropped_by_kcl", False) for item in events) == dropped


def test_a_stream_that_goes_by_keys_has_nothing_that_is_dropped(kinesis, start_penstock, tmp_path):
    penstock = start_penstock(three_streams(kinesis.endpoint, streams=KPL))
    with ForwardClient(forward_port(penstock.config)) as client:
        send_numbered(client, 0, 500)
    penstock.wait_settled(500)
    ledger = tmp_path / "ledger"
    ledger.write_text("")
    done = read_back(kinesis, "verify", "--ledger", ledger)
    assert done.returncode == 0 and "dropped" not in done.stdout, done.stdout


def test_a_record_written_without_a_key_is_read(kinesis):
    kinesis.set_stream("projects", mode="ON_DEMAND", strategy="AUTO")
    client = client_for(kinesis.endpoint)
    answer = client.put_records(StreamName="projects", Records=[
        {"Data": b'{"a":1}'}, {"Data": b'{"a":2}', "PartitionKey": "k"}])
    assert answer["FailedRecordCount"] == 0
    events = [json.loads(line) for line in read_back(kinesis, "tail", "--meta").stdout.splitlines()]
    assert {(item["event"]["a"], item["partition_key"]) for item in events} == {(1, None), (2, "k")}
    assert len(read_back(kinesis, "tail").stdout.splitlines()) == 2


def test_a_ledger_without_events_is_said(tmp_path):
    (tmp_path / "object").write_text('{"a":1}')
    done = run_command("verify", "--ledger", "/dev/null", "--archive", tmp_path)
    assert done.returncode == 0 and "nothing was compared" in done.stderr
