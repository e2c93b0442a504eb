"""What `helm test` runs in its pod, run for real: the pod's own command, against a penstock with the chart's own
configuration and a Kinesis.
"""

import os
import pathlib
import subprocess

import pytest
import yaml

from harness.binary import binary_path
from harness.certificates import Certificates
from harness.daemon import ACCESS_KEY, Penstock
from harness.ports import free_port
from fake_kinesis import KinesisProcess
from test_chart import EXAMPLES, config_of, objects

STREAMS = ("my-stream-projects", "my-stream-operations", "my-stream-audit")
# No pod, so no token to ask the API server with.
SETTINGS = "listenAddress=127.0.0.1,tls.existingSecret=,sources.http.serviceAccounts=null,collector.create=false"


class Release:
    """A release of the chart on this machine: its configuration in a penstock, its test pod as a process."""

    def __init__(self, folder: pathlib.Path, kinesis: KinesisProcess, takes: slice):
        self.folder = folder
        found = objects("--set", SETTINGS)
        self.pod = found[("Pod", "log-forwarding-kinesis-test")]
        certificates = Certificates(folder / "ca")
        mounted = {
            "tls/tls.crt": certificates.server_cert.read_text(),
            "tls/tls.key": certificates.server_key.read_text(),
            "service-ca.crt": certificates.ca.read_text(),
        }
        for key in ("shared_key", "shared_key_previous", "http_token", "http_token_previous"):
            mounted[f"auth/{key}"] = "theSameInBoth"
        for name, text in mounted.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        config = yaml.safe_load(self.here(yaml.safe_dump(config_of(found))))
        for stream in config["streams"].values():
            stream["endpoint"] = kinesis.endpoint
        config["routes"] = config["routes"][takes]
        # The chart's own ports may be in use: by the stand-in for pods, for one.
        for source in config["sources"]:
            for options in source.values():
                options["listen"] = f"127.0.0.1:{free_port()}"
        config["admin"]["listen"] = f"127.0.0.1:{free_port()}"
        self.forward = next(s["forward"]["listen"] for s in config["sources"] if "forward" in s)
        self.penstock = Penstock(folder / "penstock", config)
        self.extra: dict[str, str] = {}  # variables of the test's container

    def here(self, text: str) -> str:
        """`text` with the pod's paths as paths of this machine."""
        for mount in ("/var/run/secrets/penstock", "/etc/penstock-ca"):
            text = text.replace(mount, str(self.folder))
        return text.replace("/var/lib/penstock", str(self.folder / "spool"))

    def test(self) -> subprocess.CompletedProcess:
        container = self.pod["spec"]["containers"][0]
        env = {e["name"]: e["value"] for e in container["env"]}
        assert env["ADMIN_PORT"] == "9880"
        env |= {"SERVICE": self.forward, "PODS": "127.0.0.1", "ADMIN_PORT": str(self.penstock.admin_port),
                "DEADLINE_SECONDS": "5", **self.extra}
        program = self.folder / "bin"
        program.mkdir(exist_ok=True)
        (program / "penstock").symlink_to(binary_path().resolve())
        command = [*container["command"], *(self.here(a) for a in container["args"])]
        done = subprocess.run(
            command,
            env={**env, **ACCESS_KEY, "PATH": f"{program}:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
        print(f"{done.stdout}{done.stderr}-> {done.returncode}\n{self.penstock.log()}")
        return done


@pytest.fixture
def kinesis():
    with KinesisProcess(streams=dict.fromkeys(STREAMS, 1)) as server:
        yield server


@pytest.fixture
def release(kinesis, tmp_path):
    """release(slice of the routes that it has) -> one that runs"""
    if not os.access(binary_path(), os.X_OK):
        pytest.skip(f"{binary_path()} has not been built")
    started = []

    def start(takes=slice(None)):
        started.append(Release(tmp_path, kinesis, takes))
        started[-1].penstock.start()
        return started[-1]

    yield start
    for one in started:
        one.penstock.close()


def test_it_sends_one_event_and_sees_it_delivered(release, kinesis):
    done = release().test()

    assert done.returncode == 0 and "the event was acked and delivered" in done.stdout
    assert kinesis.stats()["accepted"] == {**dict.fromkeys(STREAMS, 0), STREAMS[0]: 1}


def test_with_admin_secure_it_says_that_it_sees_the_ack_only(release, kinesis):
    one = release()
    one.extra = {"ADMIN_SECURE": "yes"}
    done = one.test()
    assert done.returncode == 0 and "the event was acked; admin.secure keeps" in done.stdout
    one.penstock.wait_settled(1)
    assert kinesis.stats()["accepted"][STREAMS[0]] == 1


def test_it_fails_while_kinesis_takes_nothing(release, kinesis):
    kinesis.add_fault(operation="PutRecords", effect="error", code="InternalFailure")

    done = release().test()

    assert done.returncode == 1 and "acked, but is not delivered after 5 s" in done.stdout


def test_it_fails_when_the_event_becomes_a_dead_letter(release):
    done = release(slice(1, None)).test()

    assert done.returncode == 1 and "an event became a dead letter" in done.stdout


def test_it_fails_when_nobody_listens(release):
    running = release()
    running.penstock.kill()

    done = running.test()

    assert done.returncode != 0 and "delivered" not in done.stdout
