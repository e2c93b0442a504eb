"""`penstock check --online`: what AWS says to a configuration, before anything depends on it."""

import json

import pytest

from harness.daemon import run_command, three_streams
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
