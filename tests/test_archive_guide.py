"""doc/archive.md, command by command, against moto: its CloudFormation, Firehose and S3."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.config
import pytest

from harness.binary import PATIENCE, binary_path
from harness.daemon import forward_port, run_command, three_streams
from harness.node import Emulator
from harness.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.outside, pytest.mark.timeout(300)]


def blocks(section):
    text = (ROOT / "doc/archive.md").read_text()
    body = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    return re.findall(r"```sh\n(.*?)```", body, re.S)


@pytest.fixture
def moto(tmp_path):
    server = Emulator("moto", tmp_path, {})

    def answers():
        try:
            server.client.list_streams()
        except botocore.exceptions.EndpointConnectionError:
            return False
        return True

    wait_until(answers, "moto answers", 60)
    yield server
    server.stop()


@pytest.fixture
def shell(moto, tmp_path):
    """Runs a block as somebody would who has penstock, the AWS CLI and this checkout."""
    folder = tmp_path / "somebody"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "penstock").symlink_to(binary_path())
    (folder / "deploy").symlink_to(ROOT / "deploy")
    environment = {"PATH": f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder),
                   "AWS_ENDPOINT_URL": moto.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "", "BUCKET": "archive"}

    def run(block):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=environment, text=True,
                              capture_output=True, timeout=200 * PATIENCE)
        print(f"{block}{done.stdout}{done.stderr}")
        assert done.returncode == 0
        return done.stdout

    return run


def s3_of(moto):
    return boto3.client("s3", endpoint_url=moto.endpoint, region_name="us-east-1", aws_access_key_id="test",
                        aws_secret_access_key="test", config=botocore.config.Config(s3={"addressing_style": "path"}))


def test_the_streams_and_the_archive_are_made_as_written(moto, shell):
    (deploy,) = blocks("1. Streams and archive")
    # moto gives no outputs of a stack that `deploy` has made.
    shell(re.sub(r"\$\(aws cloudformation describe-stacks .*\)$", "looked-up", deploy, flags=re.M))
    assert set(moto.client.list_streams()["StreamNames"]) == {
        f"my-stream-{name}" for name in ("projects", "operations", "audit")}
    assert len(s3_of(moto).list_buckets()["Buckets"]) == 1


def test_from_a_record_that_is_sent_to_a_line_that_is_found(moto, shell, start_penstock):
    s3 = s3_of(moto)
    s3.create_bucket(Bucket="archive")
    boto3.client("firehose", endpoint_url=moto.endpoint, region_name="us-east-1", aws_access_key_id="test",
                 aws_secret_access_key="test").create_delivery_stream(
        DeliveryStreamName="projects", ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/archive", "BucketARN": "arn:aws:s3:::archive",
            "Prefix": "projects/", "CompressionFormat": "GZIP"})
    config = three_streams(moto.endpoint, routes=[{"stream": "projects"}])
    config["streams"] = {"projects": {"firehose": "projects", "region": "us-east-1", "endpoint": moto.endpoint,
                                      "aggregation": "lines", "flush": {"interval": "50ms"}}}
    penstock = start_penstock(config)
    address = f"127.0.0.1:{forward_port(config)}"

    (check,) = blocks("3. Verify the archive")
    secret, forward, send, sync, verify = check.splitlines()
    assert secret.startswith("oc ") and forward.startswith("oc ")
    shell(send.replace("localhost:24224 --insecure --shared-key-file shared_key", address).replace("--generate 100000", "--generate 1000"))
    line = {"message": "order 4711 paid", "level": "error", "kubernetes": {"namespace_name": "shop"}}
    assert run_command("send", "--to", address, "--ack", stdin=json.dumps(line)).returncode == 0
    penstock.wait_settled(1001)
    shell(sync)
    assert re.search(r"^gaps +0 ", shell(verify), re.M)

    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="archive")["Contents"]]
    hour = keys[0].rpartition("/")[0]
    assert re.fullmatch(r"projects/\d{4}/\d\d/\d\d/\d\d", hour)
    grep, query, restore = (block.replace("projects/2025/03/17/14", hour) for block in blocks("4. Find a log line of last year"))
    assert [json.loads(found)["message"] for found in shell(grep).splitlines()[-1:]] == ["order 4711 paid"]
    assert [json.loads(found) for found in shell(query).splitlines()] == [line]
    for key in keys:
        s3.copy_object(Bucket="archive", Key=key, CopySource={"Bucket": "archive", "Key": key}, StorageClass="GLACIER")
    shell(restore)
    assert "ongoing-request" in s3.head_object(Bucket="archive", Key=keys[0])["Restore"]
