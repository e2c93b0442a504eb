"""`penstock check --online`: what AWS says to a configuration, before anything depends on it."""

import json

import pytest

from harness.daemon import run_command, three_streams
from harness.node import Emulator
from harness.ports import free_port

NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def check(tmp_path):
    def run(config, **options):
        file = tmp_path / "penstock.yaml"
        file.write_text(json.dumps(config))
        return run_command("check", "--config", file, "--online", **options)

    return run


def test_it_says_whose_keys_which_streams_and_what_they_take(kinesis, check):
    done = check(three_streams(kinesis.endpoint))
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "credentials environment, do not expire" in said
    assert "clock agrees with the service" in said
    for stream in ("projects", "operations", "audit"):
        assert f"{stream} = {stream} at 127.0.0.1" in said
    assert said.count("ACTIVE, account 111111111111, provisioned, 2 open shards") == 3
    assert "records up to 1MiB" in said
    assert kinesis.events("projects") == []


def test_a_stream_that_is_missing_is_named_and_the_others_are_told(kinesis, check):
    kinesis.remove_stream("audit")
    done = check(three_streams(kinesis.endpoint))
    assert done.returncode == 1
    assert "stream audit" in done.stderr and "ResourceNotFoundException" in done.stderr
    assert done.stdout.count("ACTIVE") == 2


def test_a_missing_permission_to_describe_is_no_error(kinesis, check):
    for operation in ("DescribeStreamSummary", "DescribeStream"):
        kinesis.add_fault("error", operation=operation, code="AccessDeniedException")
    done = check(three_streams(kinesis.endpoint))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("may not be described, limits stay as configured") == 3


def test_without_credentials_it_says_where_they_may_come_from(kinesis, check):
    done = check(three_streams(kinesis.endpoint), environment=NO_KEYS)
    assert done.returncode == 1
    assert "no credentials: set AWS_ACCESS_KEY_ID" in done.stderr


def test_an_endpoint_that_is_not_there_is_named(check):
    port = free_port()
    config = three_streams(f"http://127.0.0.1:{port}", routes=[{"stream": "projects"}])
    config["streams"] = {"projects": config["streams"]["projects"]}  # each is given 5 s
    done = check(config)
    assert done.returncode == 1
    assert "connect" in done.stderr.lower() and str(port) in done.stderr


def one_stream(endpoint, **options):
    config = three_streams(endpoint, routes=[{"stream": "projects"}], streams=options)
    config["streams"] = {"projects": config["streams"]["projects"]}
    return config


def dry_runs(kinesis):
    return [request for request in kinesis.requests(operation="PutRecords")]


def test_the_right_to_write_is_proved_and_nothing_written(kinesis, check):
    done = check(three_streams(kinesis.endpoint))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("write allowed (dry run)") == 3
    assert len(dry_runs(kinesis)) == 3
    assert sum(kinesis.stats()["accepted"].values()) == 0


@pytest.mark.parametrize("code, cure", [
    ("AccessDeniedException", "allow kinesis:PutRecords"),
    ("KMSAccessDeniedException", "kms:GenerateDataKey"),
    ("KMSDisabledException", "key is enabled"),
    ("ResourceNotFoundException", "create the stream"),
])
def test_what_stands_in_the_way_of_writing_is_named_with_its_cure(kinesis, check, code, cure):
    kinesis.set_stream("projects", kms_key="arn:aws:kms:us-east-1:111111111111:key/1234")
    kinesis.add_fault("error", operation="PutRecords", code=code, status=400)
    done = check(one_stream(kinesis.endpoint))
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]  # no directory is one
    assert code in error and cure in error


def test_rights_on_a_key_are_said_not_to_be_tried(kinesis, check):
    kinesis.set_stream("projects", kms_key="arn:aws:kms:us-east-1:111111111111:key/1234")
    done = check(one_stream(kinesis.endpoint))
    assert done.returncode == 0, done.stderr
    assert "key/1234 (kms:GenerateDataKey) were not tried" in done.stdout


def test_a_service_that_would_write_is_not_asked(kinesis, check):
    kinesis.set_server(dry_run=False)
    done = check(three_streams(kinesis.endpoint))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("write not tested") == 3
    assert dry_runs(kinesis) == [] and sum(kinesis.stats()["accepted"].values()) == 0


@pytest.mark.outside
@pytest.mark.parametrize("name", ["kinesalite", "kinesis-local", "moto"])
def test_nothing_is_written_to_anybodys_emulator(check, tmp_path, name):
    emulator = Emulator(name, tmp_path, {"projects": 1})
    try:
        done = check(one_stream(emulator.endpoint, **emulator.stream_options))
        assert done.returncode == 0, done.stderr
        assert "write not tested" in done.stdout
        assert emulator.records("projects") == []
    finally:
        emulator.stop()


@pytest.mark.parametrize("options, says", [
    ({"order": "per_key", "partition_key": "tag"}, "order per_key cannot be kept"),
    ({"aggregation": "kpl"}, None),
    ({}, None),
])
def test_a_stream_whose_keys_mean_nothing_is_told(kinesis, check, options, says):
    kinesis.set_stream("projects", mode="ON_DEMAND", strategy="AUTO")
    done = check(one_stream(kinesis.endpoint, **options))
    assert "distributed by the service (AUTO)" in done.stdout
    assert ("aggregation kpl is not used" in done.stdout) == ("aggregation" in options)
    assert done.returncode == (1 if says else 0)
    assert says is None or (says in done.stderr and "USER_PARTITION_KEY" in done.stderr)


@pytest.mark.parametrize("stream, says", [
    ({"mode": "PROVISIONED"}, "on-demand streams only"),
    ({"mode": "ON_DEMAND", "kms_key": "alias/aws/kinesis"}, "can have no channel"),
    ({"mode": "ON_DEMAND", "kms_key": "arn:aws:kms:us-east-1:111111111111:key/1234"}, None),
    ({"mode": "ON_DEMAND"}, None),
])
def test_a_channel_needs_a_stream_that_can_have_one(kinesis, check, stream, says):
    kinesis.set_stream("projects", **stream)
    done = check(one_stream(kinesis.endpoint, readers=["channel_json"]))
    assert done.returncode == (1 if says else 0), done.stderr
    assert says is None or says in done.stderr
