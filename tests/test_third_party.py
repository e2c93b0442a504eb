"""Clients and servers of others on both ends: @fluent-org/logger and fluent-logger in, kinesalite, kinesis-local
and moto out, boto3 and awscli to read back."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import fluent.asyncsender
import fluent.sender
import pytest

from harness.daemon import forward_port, run_command, three_streams
from harness.go_programs import build as build_go_program
from harness.node import Emulator, send_with_fluent_logger
from harness.quickstart import compare, expected_by_stream
from harness.samples import all_samples, missing_and_unexpected

pytestmark = pytest.mark.outside

STREAMS = {"projects": 2, "operations": 2, "audit": 1}
MODES = ["Message", "Forward", "PackedForward", "CompressedPackedForward"]


@pytest.fixture(scope="module", params=["kinesalite", "kinesis-local", "moto"])
def emulator(request, tmp_path_factory):
    """One server for all tests of it; each test makes streams of its own names."""
    server = Emulator(request.param, tmp_path_factory.mktemp(request.param), {})
    yield server
    server.stop()


@pytest.fixture
def deployment(emulator, start_penstock, certificates, tmp_path, request):
    """penstock with TLS and a shared key in front of the emulator, with streams nobody else writes to."""
    prefix = f"s{abs(hash(request.node.name)) % 10**8}-"
    key = tmp_path / "shared_key"
    key.write_text("third-party-key\n")
    config = three_streams(emulator.endpoint, spool=tmp_path / "spool", streams=emulator.stream_options, forward={
        "tls": {"cert": str(certificates.server_cert), "key": str(certificates.server_key)},
        "shared_key_file": str(key)})
    for name, shards in STREAMS.items():
        emulator.create_stream(prefix + name, shards)
        config["streams"][name]["name"] = prefix + name
    penstock = start_penstock(config)
    penstock.prefix = prefix
    return penstock


def read_all(emulator, penstock) -> dict[str, list[str]]:
    return {name: [record.decode() for record in emulator.records(penstock.prefix + name)] for name in STREAMS}


@pytest.mark.parametrize("mode", MODES)
def test_every_sample_from_a_javascript_client_in_every_mode(emulator, deployment, certificates, mode):
    samples = all_samples()
    events = [{"tag": s.tag, "time": [1718093700, i], "record": json.loads(s.text)} for i, s in enumerate(samples)]
    counts = send_with_fluent_logger(forward_port(deployment.config), events, mode=mode, ca=certificates.ca,
                                     shared_key="third-party-key")
    assert counts == {"acked": len(samples), "failed": 0}
    deployment.wait_settled(len(samples), deadline_s=60)
    problems = compare(expected_by_stream(samples), read_all(emulator, deployment))
    assert not problems, problems[:3]


def test_a_lost_record_and_a_changed_one_do_not_pass_the_comparison():
    sent = expected_by_stream(all_samples())
    stored = {stream: list(texts) for stream, texts in sent.items()}
    assert compare(sent, stored) == []
    lost = stored["audit"].pop()
    assert compare(sent, stored) == [f"audit: MISSING  {lost[:400]}"]
    stored["projects"].append(lost)
    assert len(compare(sent, stored)) == 2
    stored["operations"][0] = stored["operations"][0].replace("infrastructure", "application").replace("message", "massage")
    assert len(compare(sent, stored)) == 4


@pytest.mark.parametrize("kind", [fluent.sender.FluentSender, fluent.asyncsender.FluentSender])
def test_a_python_client_sends_plain_messages(emulator, start_penstock, kind):
    emulator.create_stream(f"python-{kind.__module__}", 1)
    config = three_streams(emulator.endpoint, streams=emulator.stream_options)
    config["streams"]["projects"]["name"] = f"python-{kind.__module__}"
    penstock = start_penstock(config)
    sender = kind("app", host="127.0.0.1", port=forward_port(config), nanosecond_precision=True)
    records = [{"n": i, "message": f"line {i}", "nested": {"list": [1, 2.5, None, "é"]}} for i in range(50)]
    for record in records:
        assert sender.emit("label", record)
    sender.close()
    penstock.wait_settled(50)
    stored = [record.decode() for record in emulator.records(f"python-{kind.__module__}")]
    assert missing_and_unexpected([json.dumps(record) for record in records], stored) == ([], [])


@pytest.mark.long  # its cold build takes a while
@pytest.mark.timeout(600)
def test_fluentds_go_client_gets_its_acks(kinesis, start_penstock):
    sender = build_go_program(Path(__file__).parent / "clients/fluent_go")
    penstock = start_penstock(three_streams(kinesis.endpoint))
    records = [json.dumps({"n": i, "message": f"line {i}", "nested": {"list": [1, 2.5, None, "é"]}}, ensure_ascii=False)
               for i in range(50)]
    done = subprocess.run([sender, str(forward_port(penstock.config)), "app.label"], input="\n".join(records),
                          capture_output=True, text=True, timeout=90)
    assert done.returncode == 0 and done.stdout == "50\n", done.stderr
    penstock.wait_settled(50)
    # Its JSON reader makes every number a float.
    stored = [json.loads(event) for event in kinesis.events("projects")]
    assert sorted(stored, key=lambda record: record["n"]) == [json.loads(record) for record in records]


def test_awscli_and_tail_read_the_records_back(emulator, deployment, certificates):
    events = [{"tag": "t", "time": [1718093700, i], "record": {"n": i, "log_type": "audit"}} for i in range(25)]
    send_with_fluent_logger(forward_port(deployment.config), events, mode="Forward", ca=certificates.ca,
                            shared_key="third-party-key")
    deployment.wait_settled(25)
    stream = deployment.prefix + "audit"
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x",
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": emulator.endpoint, "HOME": "/nonexistent"}

    def aws(*arguments):
        done = subprocess.run([str(Path(sys.executable).parent / "aws"), "kinesis", *arguments, "--output", "json"],
                              env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    iterator = aws("get-shard-iterator", "--stream-name", stream, "--shard-id", "shardId-000000000000",
                   "--shard-iterator-type", "TRIM_HORIZON")["ShardIterator"]
    records = aws("get-records", "--shard-iterator", iterator)["Records"]
    assert sorted(json.loads(base64.b64decode(record["Data"]))["n"] for record in records) == list(range(25))

    done = run_command("tail", "--stream", stream, "--region", "us-east-1", "--endpoint", emulator.endpoint)
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(line)["n"] for line in done.stdout.splitlines()) == list(range(25))


def test_user_password_and_client_certificate_from_a_javascript_client(emulator, start_penstock, certificates, tmp_path):
    for name, text in [("key", "k1"), ("alice", "wonderland")]:
        (tmp_path / name).write_text(text)
    emulator.create_stream("with-users", 1)
    config = three_streams(emulator.endpoint, streams=emulator.stream_options, forward={
        "tls": {"cert": str(certificates.server_cert), "key": str(certificates.server_key),
                "client_ca": str(certificates.ca)},
        "shared_key_file": str(tmp_path / "key"),
        "users": [{"name": "alice", "password_file": str(tmp_path / "alice")}]})
    config["streams"]["projects"]["name"] = "with-users"
    penstock = start_penstock(config)
    options = {"mode": "PackedForward", "ca": certificates.ca, "shared_key": "k1", "username": "alice",
               "cert": certificates.client_cert, "key": certificates.client_key}
    events = [{"tag": "t", "time": [1718093700, 0], "record": {"n": i}} for i in range(5)]
    assert send_with_fluent_logger(forward_port(config), events, password="wonderland", **options)["acked"] == 5
    with pytest.raises(AssertionError, match="fluent_logger.js ended with 1"):
        send_with_fluent_logger(forward_port(config), events, password="wrong", **options)
    penstock.wait_settled(5)
    assert len(emulator.records("with-users")) == 5


def test_what_was_stored_under_a_mistaken_name_is_redirected_and_arrives_once(emulator, start_penstock, tmp_path):
    name = f"redirected-{emulator.name}"
    emulator.create_stream(name, 2)
    config = three_streams(emulator.endpoint, spool=tmp_path / "spool", streams=emulator.stream_options,
                           routes=[{"stream": "projects"}])
    config["streams"] = {"projects": {**config["streams"]["projects"], "name": "not-there"}}
    penstock = start_penstock(config)
    texts = [json.dumps({"id": i}) for i in range(200)]
    events = [{"tag": "t", "time": [1718093700, i], "record": {"id": i}} for i in range(len(texts))]
    assert send_with_fluent_logger(forward_port(config), events, mode="PackedForward")["acked"] == len(texts)
    penstock.wait_metric("penstock_stream_paused", 1)
    config["streams"]["projects"]["name"] = name
    penstock.write_config(config)
    penstock.wait_metric("penstock_config_reloads_total", 1, result="ok")
    assert penstock.stop_quickly() == 0
    done = run_command("spool", "redirect", tmp_path / "spool", "--from", "not-there", "--to", "projects", "--config",
                       penstock.config_file)
    assert done.returncode == 0, done.stderr
    start_penstock(config).wait_settled(len(texts), deadline_s=60)
    stored = [json.dumps(json.loads(record)) for record in emulator.records(name)]
    assert sorted(stored) == sorted(texts)
