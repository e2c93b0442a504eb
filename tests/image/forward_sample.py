"""Sends OpenShift records through the penstock in the image to kinesalite, by third-party clients, and reads them back.

usage: forward_sample.py WORK ROOT, from tests/image/run, which exports run_inside().
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import boto3
from fluent import sender

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from harness.ports import free_port  # noqa: E402

STARTED = []
WORK, ROOT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = condition()
            if answer:
                return answer
        except OSError:
            pass
        if time.monotonic() > deadline:
            sys.exit(
                f"tests/image: FAILED: waited {seconds}s in vain for {what}\n"
                + (WORK / "penstock.log").read_text()[-3000:]
            )
        time.sleep(0.1)


def listening(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


def start(name, command, **kwargs):
    process = subprocess.Popen(
        command, stdout=open(WORK / f"{name}.log", "wb"), stderr=subprocess.STDOUT, start_new_session=True, **kwargs
    )
    STARTED.append(process)
    return process


def innermost(pid):
    """The program at the end of a chain of single children: bash, unshare, penstock."""
    while children := subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split():
        pid = int(children[0])
    return pid


def stored(kinesis, stream):
    records = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records += [json.loads(r["Data"]) for r in kinesis.get_records(ShardIterator=iterator, Limit=1000)["Records"]]
    return records


def main():
    kinesis_port, forward_port, admin_port = free_port(), free_port(), free_port()
    start(
        "kinesalite",
        [
            "node",
            str(ROOT / "tests/node_modules/kinesalite/cli.js"),
            "--port",
            str(kinesis_port),
            "--createStreamMs",
            "10",
        ],
    )
    until(lambda: listening(kinesis_port), "kinesalite")
    endpoint = f"http://127.0.0.1:{kinesis_port}"
    kinesis = boto3.client(
        "kinesis", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="y"
    )
    kinesis.create_stream(StreamName="sample", ShardCount=2)
    until(
        lambda: kinesis.describe_stream_summary(StreamName="sample")["StreamDescriptionSummary"]["StreamStatus"]
        == "ACTIVE",
        "the stream",
    )

    (WORK / "etc").mkdir(exist_ok=True)
    (WORK / "etc" / "penstock.yaml").write_text(f"""
sources: [{{forward: {{listen: "127.0.0.1:{forward_port}"}}}}]
routes: [{{stream: sample}}]
# kinesalite does not give back as bytes what came as CBOR.
streams: {{sample: {{name: sample, region: us-east-1, endpoint: "{endpoint}", protocol: json}}}}
spool: {{directory: /var/lib/penstock, max_size: 256MiB}}
admin: {{listen: "127.0.0.1:{admin_port}"}}
""")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    penstock = start("penstock", ["bash", "-c", "run_inside penstock penstock run"], env=env)

    def ready():
        assert penstock.poll() is None, (WORK / "penstock.log").read_text()
        return urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/readyz", timeout=2).status == 200

    until(ready, "penstock to be ready")
    records = [
        json.loads(line)
        for line in (ROOT / "tests/data/openshift/4.6/app.jsonl").read_text().splitlines()
        if line.strip()
    ][:50]
    client = sender.FluentSender("kubernetes.var.log.containers.app", host="127.0.0.1", port=forward_port, timeout=10)
    for number, record in enumerate(records):
        assert client.emit(None, {**record, "sample_number": number}), client.last_error
    client.close()
    until(lambda: len(stored(kinesis, "sample")) >= len(records), f"{len(records)} records in the stream")
    read = sorted(stored(kinesis, "sample"), key=lambda r: r["sample_number"])
    expected = [{**record, "sample_number": number} for number, record in enumerate(records)]
    assert read == expected, "what came out is not what went in"

    os.kill(innermost(penstock.pid), signal.SIGTERM)
    code = penstock.wait(60)
    assert code == 0, f"ended with {code}"
    print(
        f"tests/image: {len(records)} records went through the image unharmed; it ended with 0 on SIGTERM",
        file=sys.stderr,
    )


try:
    main()
finally:
    for process in STARTED:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
