"""What others made: three Kinesis servers and a Forward client, each in its process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions

from .binary import PATIENCE
from .ports import free_port
from .waiting import wait_until

TESTS = Path(__file__).resolve().parents[1]
MODULES = TESTS / "node_modules"


def client_for(endpoint: str, verify=None):
    return boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE",
                        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", verify=verify,
                        config=botocore.config.Config(connect_timeout=20, read_timeout=30))


class Emulator:
    """kinesalite, kinesis-local (npm) or moto (PyPI), with streams made before anything is sent."""

    def __init__(self, name: str, directory: Path, streams: dict[str, int]):
        self.name = name
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        environment, folder = {**os.environ}, directory
        if name == "kinesalite":
            command = ["node", MODULES / "kinesalite/cli.js", "--port", port, "--createStreamMs", 0,
                       "--deleteStreamMs", 0, "--updateStreamMs", 0, "--shardLimit", 100]
        elif name == "moto":
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
        else:
            command = ["node", "main.js"]
            folder = MODULES / "kinesis-local"  # it reads its certificate from the working directory
            environment |= {"KINESIS_MOCK_PLAIN_PORT": str(port), "KINESIS_MOCK_TLS_PORT": str(free_port()),
                            "CREATE_STREAM_DURATION": "1ms", "LOG_LEVEL": "ERROR"}
        self._log = (directory / f"{name}.log").open("wb")
        self._process = subprocess.Popen([str(part) for part in command], env=environment, stdout=self._log,
                                         stderr=subprocess.STDOUT, cwd=folder,
                                         stdin=subprocess.DEVNULL, start_new_session=True)
        self.client = client_for(self.endpoint)
        # What kinesalite took as CBOR it hands to a JSON reader as a structure and not as base64, and its own CBOR
        # answers are cut off at 16 KiB: it is spoken to in JSON.
        self.stream_options = {"protocol": "json"} if name == "kinesalite" else {}
        for stream, shards in streams.items():
            self.create_stream(stream, shards)

    def create_stream(self, stream: str, shards: int) -> None:
        def created():
            assert self._process.poll() is None, f"{self.name} ended with {self._process.returncode}"
            try:
                self.client.create_stream(StreamName=stream, ShardCount=shards)
            except botocore.exceptions.ClientError as error:
                return error.response["Error"]["Code"] == "ResourceInUseException"
            except botocore.exceptions.BotoCoreError:
                return False  # not listening yet
            return True

        def active():
            summary = self.client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
            return summary["StreamStatus"] == "ACTIVE"
        wait_until(created, f"{self.name} made stream {stream}", 30)
        wait_until(active, f"{self.name}: stream {stream} is active", 30)

    def records(self, stream: str) -> list[bytes]:
        return read_stream(self.client, stream)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.kill()  # all it had was in memory
        self._process.wait()
        self._log.close()


def read_stream(client, stream: str) -> list[bytes]:
    """Everything in the stream at this moment, all shards."""
    found = []
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        iterator = client.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"],
                                             ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = client.get_records(ShardIterator=iterator, Limit=10000)
            found += [record["Data"] for record in page["Records"]]
            if not page["Records"] and not page.get("MillisBehindLatest"):
                break
            iterator = page.get("NextShardIterator")
    return found


def has_modules() -> bool:
    return shutil.which("node") is not None and (MODULES / "kinesalite").exists()


def send_with_fluent_logger(port: int, events: list[dict], *, mode: str, ca: Path | None = None,
                            shared_key: str | None = None, username: str | None = None, password: str | None = None,
                            cert: Path | None = None, key: Path | None = None, timeout_s: float = 60.0) -> dict:
    """Sends {"tag", "time": [s, ns], "record"} each with an ack awaited; returns its own counts."""
    options = {"port": port, "mode": mode, "ca": str(ca) if ca else None, "sharedKey": shared_key,
               "username": username, "password": password, "cert": str(cert) if cert else None,
               "key": str(key) if key else None}
    lines = [json.dumps(options), *(json.dumps(event) for event in events)]
    done = subprocess.run(["node", str(TESTS / "clients/fluent_logger.js")], input="\n".join(lines) + "\n", text=True,
                          capture_output=True, timeout=timeout_s * PATIENCE, cwd=TESTS)
    if done.returncode != 0:
        raise AssertionError(f"fluent_logger.js ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def deaggregate(ledger: list[dict], timeout_s: float = 60.0) -> list[list[dict]]:
    """What aws-kinesis-agg makes of each record of a ledger: its user records, with checksums verified."""
    done = subprocess.run(["node", str(TESTS / "clients/kpl_reader.js")], text=True, capture_output=True,
                          input="".join(json.dumps(record) + "\n" for record in ledger), timeout=timeout_s, cwd=TESTS)
    if done.returncode != 0:
        raise AssertionError(f"kpl_reader.js ended with {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]
