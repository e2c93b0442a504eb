"""doc/openshift.md, as it stands there: the recipes for AWS, and from "Install" to "Uninstall"."""

import json
import pathlib
import re
import subprocess
import sys
import urllib.request

import pytest

from api import wait_until
from cluster import LOGGING, free_port
from conftest import ROOT
from test_generations import NAME, assert_same


def blocks(heading, language):
    guide = (ROOT / "doc" / "openshift.md").read_text()
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^## |\Z)", guide, re.M | re.S).group(1)
    return re.findall(rf"```{language}\n(.*?)```", section, re.S)


def test_the_guide_works_as_written(cluster, scripts):
    cluster.openshift("6.6")
    before = cluster.api.snapshot()
    install = blocks("Install", "sh")[0]
    env = dict(re.findall(r'^export (\w+)="?([^"\n]+?)"?$', install, re.M))
    assert {"LOGGINGNAMES", "KINESIS_STREAM_NAME", "KINESIS_REGION"} <= set(env)
    env["SHARED_KEY"] = None
    for line in re.findall(r"^\./scripts/(.*?)(?: +#.*)?$", install, re.M):
        script, *arguments = line.split()
        assert scripts.run(script, *arguments, "--skip-stream-check", **env) == 0

    values = scripts.folder / "my-values.yaml"
    values.write_text(blocks("Customize", "yaml")[0])
    command = blocks("Customize", "sh")[0].split()
    assert scripts.run(command[0].removeprefix("./scripts/"), command[1], str(values), "--skip-stream-check", **env) == 0
    config = cluster.core("configmaps", f"{NAME}-config")["data"]["penstock.yaml"]
    assert "pay-*" in config and "aggregation: kpl" in config
    assert cluster.api.get(f"/apis/autoscaling/v2/namespaces/{LOGGING}/horizontalpodautoscalers/{NAME}")["spec"]["maxReplicas"] == 12

    update = blocks("Change the shared key", "sh")[0].splitlines()[0].split()[0]
    assert scripts.run(update.removeprefix("./scripts/"), "--settle", "1s", **env) == 0
    uninstall = blocks("Uninstall", "sh")[0].strip()
    assert scripts.run(uninstall.removeprefix("./scripts/"), **env) == 0
    cluster.settle()
    assert_same(before, cluster.api.snapshot())


@pytest.fixture
def aws(tmp_path):
    """A third party's AWS, and the environment in which the AWS CLI finds it."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=60).status == 200
        except OSError:
            return False

    wait_until(answers, what="the stand-in for AWS")
    oc = tmp_path / "oc"  # asked for the cluster's token issuer only
    oc.write_text("#!/bin/sh\necho https://rh-oidc.s3.us-east-1.amazonaws.com/abc\n")
    oc.chmod(0o755)
    yield {
        "PATH": f"{tmp_path}:{pathlib.Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_PAGER": "",
    }
    server.kill()
    server.wait(60)


def follow(block, environment):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    print(f"{block}{done.stdout}{done.stderr}")
    assert done.returncode == 0
    return done.stdout


def forget_everything(environment):
    url = f"{environment['AWS_ENDPOINT_URL']}/moto-api/reset"
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60)


STREAMS = {"my-stream-projects", "my-stream-operations", "my-stream-audit"}


def test_the_recipes_for_aws_work_as_written(aws):
    cloudformation, by_hand, role, user = blocks("Streams and identity in AWS", "sh")
    reading = next(b for b in blocks("Generate traffic and inspect", "sh") if "get-shard-iterator" in b)
    remove = re.search(r"`(aws cloudformation delete-stack [^`]*)`", (ROOT / "doc" / "openshift.md").read_text()).group(1)
    template = (ROOT / "deploy" / "cloudformation" / "streams.yaml").read_text()
    list_streams = "aws kinesis list-streams --query StreamNames --output text"

    aws.update(re.findall(r"^export (\w+)=(\S+)$", cloudformation, re.M))
    follow(by_hand, aws)
    assert set(follow(list_streams, aws).split()) == STREAMS
    forget_everything(aws)
    follow(cloudformation, aws)
    assert set(follow(list_streams, aws).split()) == STREAMS
    delete_streams = blocks("Uninstall", "sh")[-1]
    for block, kind in ((role, "Role"), (user, "User")):
        forget_everything(aws)
        # moto gives no outputs of a stack that `deploy` has made: they are looked up in the template, and by kind.
        # Nor does it make the secret.
        output = re.search(r"OutputKey==`(\w+)`", block).group(1)
        assert re.search(rf"^  {output}:\n    Condition: With{kind}\n", template.split("\nOutputs:\n")[1], re.M)
        made = f"$(aws iam list-{kind.lower()}s --query '{kind}s[0].{kind}Name' --output text)"
        stands_for = made
        if kind == "User":
            stands_for = "the-secret"
            follow("aws secretsmanager create-secret --name the-secret --secret-string '{}'", aws)
        follow(re.sub(r"\$\(aws cloudformation describe-stacks .*\)$", stands_for, block, flags=re.M), aws)
        assert follow(f"echo {made}", aws).startswith("cluster-logs-")

    record = '{"hello":"from the guide"}'
    follow(f"aws kinesis put-record --stream-name my-stream-projects --partition-key k --data '{record}'", aws)
    shards = follow("aws kinesis list-shards --stream-name my-stream-projects --query 'Shards[].ShardId' --output text", aws)
    read = [follow(reading.replace("Shards[0]", f"Shards[{n}]"), aws) for n in range(len(shards.split()))]
    assert "".join(read).count(record) == 1

    follow(remove, aws)
    follow("aws cloudformation wait stack-delete-complete --stack-name cluster-logs", aws)
    assert set(follow(list_streams, aws).split()) == STREAMS, "they hold the logs"
    follow(delete_streams, aws)
    assert follow(list_streams, aws).split() == []
