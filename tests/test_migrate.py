"""penstock migrate: real-shaped Fluentd configurations become a penstock.yaml that passes check and forwards."""

import base64
import json
import shutil
from pathlib import Path

import boto3
import botocore.config
import pytest
import yaml

from harness.daemon import run_command
from harness.forward_client import ForwardClient, event_time, packed_forward
from harness.node import Emulator
from harness.ports import free_port
from harness.waiting import wait_until

DATA = Path(__file__).parent / "data/migration"
ENVIRONMENT = {"ENVIRONMENT": "test", "HOSTNAME": "node-1"}


@pytest.fixture
def migrate(tmp_path, certificates):
    """migrate(NAME) -> (the command's result, its YAML): of a copy whose paths exist here."""
    def run(name: str):
        folder = tmp_path / "fluentd"
        shutil.copytree(DATA, folder, dirs_exist_ok=True)
        keys = tmp_path / "keys"
        keys.mkdir(exist_ok=True)
        for file, source in {"tls.crt": certificates.server_cert, "tls.key": certificates.server_key,
                             "ca.crt": certificates.ca}.items():
            shutil.copy(source, keys / file)
        for secret in ("shared_key", "shared_key-1", "user-collector"):
            (keys / secret).write_text("a-long-enough-secret-1\n")
        file = folder / name
        file.write_text(file.read_text().replace("/etc/fluent/keys", str(keys)))
        result = run_command("migrate", file, "--secrets", keys, "--spool", tmp_path / "spool")
        return result, result.stdout
    return run


def section(report: str, title: str) -> str:
    """The lines of the report below a title."""
    return next((part for part in report.split("\n\n") if part.lstrip("\n").startswith(title + ":")), "")


@pytest.mark.parametrize("name", ["predecessor.conf", "firehose.conf", "minimal.conf", "three-types.conf"])
def test_what_is_migrated_passes_check(migrate, tmp_path, name):
    result, text = migrate(name)
    assert result.returncode in (0, 1), result.stderr
    file = tmp_path / "penstock.yaml"
    file.write_text(text)
    checked = run_command("check", "--config", file, environment=ENVIRONMENT)
    assert checked.returncode == 0, f"{checked.stderr}\n{text}"
    assert ("Not possible" in result.stderr) == (result.returncode == 1)


def test_the_predecessors_report_names_each_setting_with_its_line(migrate):
    result, _ = migrate("predecessor.conf")
    assert result.returncode == 1
    impossible = section(result.stderr, "Not possible")
    for setting in ("add_tag_prefix", "source_hostname_key", ": network", ": compression"):
        assert setting in impossible, impossible
    safer = section(result.stderr, "Taken over more safely")
    for setting in ("drop_failed_records_after_batch_request_retries", "retry_timeout", "<secondary"):
        assert setting in safer, safer
    to_do = section(result.stderr, "Taken over; action needed")
    for setting in (": shared_key", ": password", ": http_proxy"):
        assert setting in to_do, to_do
    lines = (DATA / "predecessor.conf").read_text().splitlines()
    for line in impossible.splitlines()[1:]:
        place = line.strip().split(": ")[0]
        number = int(place.rpartition(":")[2])
        assert 0 < number <= len(lines), line
    assert "other-key" not in result.stderr + result.stdout


def test_wrong_usage_ends_with_2_and_names_the_place(tmp_path):
    missing = run_command("migrate", tmp_path / "nothing.conf")
    assert missing.returncode == 2 and "nothing.conf" in missing.stderr and missing.stdout == ""
    broken = tmp_path / "broken.conf"
    broken.write_text("<source>\n  @type forward\n")
    result = run_command("migrate", broken)
    assert result.returncode == 2 and "broken.conf:1: <source> is not closed" in result.stderr


def started(start_penstock, kinesis, text: str):
    """The migrated configuration as it is, except for ports and where Kinesis is."""
    config = yaml.safe_load(text)
    port = free_port()
    config["sources"] = [{"forward": {**config["sources"][0]["forward"], "listen": f"127.0.0.1:{port}"}}]
    config["admin"] = {"listen": f"127.0.0.1:{free_port()}"}
    for stream in config["streams"].values():
        stream["endpoint"] = kinesis.endpoint
    return start_penstock(config, environment=ENVIRONMENT), port


def test_a_minimal_configuration_forwards_what_the_plugin_wrote(migrate, start_penstock, kinesis):
    kinesis.create_stream("all-logs", 1)
    result, text = migrate("minimal.conf")
    assert result.returncode == 0, result.stderr
    _, port = started(start_penstock, kinesis, text)
    with ForwardClient(port) as client:
        client.send_acked(packed_forward, "app", [(event_time(1), {"a": 1})])
    events = wait_until(lambda: kinesis.events("all-logs"), "the event is in the stream")
    assert events == ['{"a":1}']


def data_of(kinesis, stream):
    """The bytes of the stream's first record, as a consumer gets them."""
    return base64.b64decode(wait_until(lambda: kinesis.ledger(stream), f"a record is in {stream}")[0]["data"])


def test_the_predecessors_consumers_read_the_bytes_that_the_plugin_wrote(migrate, start_penstock, kinesis):
    kinesis.create_stream("ocp-projects", 1)
    kinesis.create_stream("ocp-audit", 1)
    _, text = migrate("predecessor.conf")
    config = yaml.safe_load(text)
    for secret in ("tls", "shared_key_files", "users"):
        config["sources"][0]["forward"].pop(secret)
    for stream in config["streams"].values():
        stream["region"] = "us-east-1"
        stream.pop("aws")       # roles of STS, which is not there
        stream.pop("compression", None)
    _, port = started(start_penstock, kinesis, yaml.safe_dump(config, sort_keys=False))
    with ForwardClient(port) as client:
        client.send_acked(packed_forward, "audit.log", [(event_time(1), {"hostname": "n", "message": "who did it"})])
        client.send_acked(packed_forward, "kubernetes.pod", [(event_time(1718093700), {"message": "hello"})])
    assert data_of(kinesis, "ocp-audit") == b"who did it"
    # An aggregate of one event is the event.
    assert data_of(kinesis, "ocp-projects") == (
        b'{"message":"hello","cluster":"prod-1","time":1718093700,"tag":"kubernetes.pod"}\n')


@pytest.mark.outside
def test_a_firehose_output_writes_lines_with_the_time_of_the_event(migrate, start_penstock, tmp_path):
    """By moto's Firehose into its S3."""
    moto = Emulator("moto", tmp_path, {})
    try:
        options = {"endpoint_url": moto.endpoint, "region_name": "us-east-1", "aws_access_key_id": "test",
                   "aws_secret_access_key": "test"}
        s3 = boto3.client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}), **options)
        wait_until(lambda: answers(s3), "moto answers", 60)
        s3.create_bucket(Bucket="archive")
        boto3.client("firehose", **options).create_delivery_stream(
            DeliveryStreamName="archive", ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::123456789012:role/archive", "BucketARN": "arn:aws:s3:::archive"})
        _, text = migrate("firehose.conf")
        config = yaml.safe_load(text)
        config["sources"][0]["forward"].pop("shared_key_file")
        penstock, port = started(start_penstock, moto, yaml.safe_dump(config, sort_keys=False))
        with ForwardClient(port) as client:
            client.send_acked(packed_forward, "kubernetes.pod", [(event_time(1718093700), {"message": "hello"})])
        penstock.wait_metric("penstock_events_delivered_total", 1)
        (found,) = s3.list_objects_v2(Bucket="archive")["Contents"]
        assert s3.get_object(Bucket="archive", Key=found["Key"])["Body"].read() == (
            b'{"message":"hello","@timestamp":"2024-06-11T08:15:00Z"}\n')
    finally:
        moto.stop()


def answers(s3):
    try:
        return bool(s3.list_buckets())
    except botocore.exceptions.EndpointConnectionError:
        return False


def test_three_types_go_to_their_streams_with_a_line_feed_and_the_fixed_fields(migrate, start_penstock, kinesis):
    _, text = migrate("three-types.conf")
    config = yaml.safe_load(text)
    forward = config["sources"][0]["forward"]
    forward.pop("tls"), forward.pop("shared_key_file")
    _, port = started(start_penstock, kinesis, yaml.safe_dump(config, sort_keys=False))
    with ForwardClient(port) as client:
        for tag in ("audit.k8s", "kubernetes.var.log.x", "journal.system"):
            client.send_acked(packed_forward, tag, [(event_time(1), {"hostname": "n", "t": tag})])
    def arrived(stream):
        return wait_until(lambda: kinesis.events(stream), f"the event is in {stream}")
    assert json.loads(arrived("audit")[0]) == {"hostname": "n", "t": "audit.k8s"}
    assert json.loads(arrived("projects")[0]) == {"hostname": "n", "t": "kubernetes.var.log.x",
                                                  "cluster": "prod-2", "environment": "test"}
    assert data_of(kinesis, "operations") == b'{"hostname":"n","t":"journal.system"}\n'
