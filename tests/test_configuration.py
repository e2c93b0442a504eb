"""What `check` says of a configuration, and that `run` agrees: what is good starts, what is not does not."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from harness import forward_client as wire
from harness.binary import PATIENCE, binary_path
from harness.credential_services import Sts
from harness.daemon import ACCESS_KEY, forward_port, run_command, three_streams
from harness.forward_client import ForwardClient
from harness.ports import free_port
from harness.waiting import wait_until


def smallest(**changes) -> dict:
    config = {
        "sources": [{"forward": {"listen": f"127.0.0.1:{free_port()}"}}],
        "routes": [{"stream": "logs"}],
        "streams": {"logs": {"name": "logs", "region": "us-east-1", "endpoint": "http://127.0.0.1:9"}},
        "admin": {"listen": f"127.0.0.1:{free_port()}"},
    }
    config.update(changes)
    return config


def stream(**options) -> dict:
    return {"logs": {"name": "logs", "region": "us-east-1", "endpoint": "http://127.0.0.1:9", **options}}


def forward(**options) -> list:
    return [{"forward": {"listen": f"127.0.0.1:{free_port()}", **options}}]


def check(tmp_path, config: dict | str, **options) -> subprocess.CompletedProcess:
    file = tmp_path / "penstock.yaml"
    file.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
    return run_command("check", file, **options)


# --- check and run agree


def configurations(certificates, tmp_path) -> dict[str, dict]:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    marked = tmp_path / "marked"
    marked.write_bytes(b"\xef\xbb\xbfs3cret\r\n")
    wide = tmp_path / "wide"
    wide.write_text("s3cret\n", encoding="utf-16")
    missing = tmp_path / "missing"
    file = tmp_path / "file"
    file.write_text("")
    chain = tmp_path / "chain.pem"
    chain.write_text(certificates.server_cert.read_text() + certificates.ca.read_text())
    turned = tmp_path / "turned.pem"
    turned.write_text(certificates.ca.read_text() + certificates.server_cert.read_text())
    pair = {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}
    port = free_port()
    return {
        "the smallest": smallest(),
        "every address by star": smallest(sources=[{"forward": {"listen": f"*:{free_port()}"}}]),
        "every address by brackets": smallest(admin={"listen": f"[::]:{free_port()}"}),
        "every address by nothing": smallest(sources=[{"syslog": {"listen": f":{free_port()}", "udp": True}}]),
        "a host name": smallest(sources=[{"http": {"listen": f"localhost:{free_port()}"}}]),
        "a host that is none": smallest(sources=[{"http": {"listen": "no-such-host.invalid:8443"}}]),
        "an address of another machine": smallest(sources=[{"forward": {"listen": f"203.0.113.7:{free_port()}"}}]),
        "one port twice": smallest(sources=[{"forward": {"listen": f"*:{port}"}}, {"http": {"listen": f"127.0.0.1:{port}"}}]),
        "TLS": smallest(sources=forward(tls=pair)),
        "TLS with its chain and authorities": smallest(
            sources=forward(tls={**pair, "cert": str(chain), "client_ca": str(certificates.ca)})),
        "TLS with the authority first": smallest(sources=forward(tls={**pair, "cert": str(turned)})),
        "TLS with another's key": smallest(sources=forward(tls={**pair, "key": str(certificates.client_key)})),
        "TLS without the file": smallest(sources=forward(tls={**pair, "cert": str(missing)})),
        "a shared key": smallest(sources=forward(shared_key_file=str(secret))),
        "a shared key with a byte order mark": smallest(sources=forward(shared_key_file=str(marked))),
        "a shared key in UTF-16": smallest(sources=forward(shared_key_file=str(wide))),
        "a shared key that is missing": smallest(sources=forward(shared_key_file=str(missing))),
        "a spool": smallest(spool={"directory": str(tmp_path / "spool")}),
        "a spool with its dead letters elsewhere": smallest(
            spool={"directory": str(tmp_path / "spool2")}, dead_letters={"directory": str(tmp_path / "letters")}),
        "a spool below a file": smallest(spool={"directory": f"{file}/spool"}),
        "a spool that is a file": smallest(spool={"directory": str(file)}),
        "a spool two levels down": smallest(spool={"directory": str(missing / "deep" / "spool")}),
        "a region with blanks around": smallest(streams=stream(region=" us-east-1\n")),
        "a region in upper case": smallest(streams=stream(region="US-EAST-1")),
        "a region in quotes": smallest(streams=stream(region="'us-east-1'")),
        "a name with a blank": smallest(streams=stream(name="my stream")),
        "a name that is too long": smallest(streams=stream(name="n" * 129)),
        "an endpoint with a password": smallest(streams=stream(endpoint="http://me:hunter2@127.0.0.1:9")),
        "an endpoint without a scheme": smallest(streams=stream(endpoint="127.0.0.1:9")),
        "the account's endpoint without an account": smallest(
            streams={"logs": {"name": "logs", "region": "us-east-1", "endpoint_mode": "account"}}),
        "a profile that is not there": smallest(aws={"profile": "nobody"}),
        "a stream's profile that is not there": smallest(streams=stream(aws={"profile": "nobody"})),
        "a role that is none": smallest(streams=stream(aws={"assume_role": [{"role_arn": "me"}]})),
        "sizes as Fluentd writes them": smallest(memory_limit="1g", streams=stream(max_record="1m", flush={"size": "4m"})),
    }


STARTS = {
    "the smallest", "every address by star", "every address by brackets", "every address by nothing", "a host name", "TLS",
    "TLS with its chain and authorities", "a shared key", "a shared key with a byte order mark", "a spool",
    "a spool with its dead letters elsewhere", "a region with blanks around", "sizes as Fluentd writes them",
}
# What the machine may come to have: `check` says so by 2, `run` tries and ends by 1.
LACKING = {"an address of another machine", "a spool below a file", "a spool that is a file", "a spool two levels down"}


def test_check_and_run_agree_on_every_configuration(certificates, tmp_path, start_penstock):
    """What check calls good becomes ready and ends by 0; what it does not never becomes ready."""
    cases = configurations(certificates, tmp_path)
    assert STARTS <= set(cases) and LACKING <= set(cases)
    for name, config in cases.items():
        said = check(tmp_path, config)
        assert said.returncode == (0 if name in STARTS else 2), f"{name}: {said.stdout}{said.stderr}"
        assert "hunter2" not in said.stdout + said.stderr
        running = start_penstock(config, ready=False)
        if name in STARTS:
            running.wait_ready()
            assert running.stop_quickly() == 0, name
        else:
            assert running.wait() == (1 if name in LACKING else 2), f"{name}: {running.log()}"
        assert "hunter2" not in running.log()


def test_every_address_is_both_families(start_penstock):
    """The port that the other family does not reach looks free to half of the senders, and to the probes."""
    port = free_port()
    penstock = start_penstock(smallest(sources=[{"forward": {"listen": f"*:{port}"}}], admin={"listen": f"*:{free_port()}"}))
    families = [(socket.AF_INET, "127.0.0.1")]
    if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
        families.append((socket.AF_INET6, "::1"))
    for family, address in families:
        for number in (port, penstock.admin_port):
            with socket.socket(family) as client:
                client.settimeout(20)
                client.connect((address, number))


def test_check_takes_the_file_as_its_argument(tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(smallest()))
    assert run_command("check", tmp_path / "a.yaml").returncode == 0
    assert run_command("check", "--config", tmp_path / "a.yaml").returncode == 0
    assert run_command("check", tmp_path / "none.yaml").returncode == 2


def test_nothing_is_started_with_a_certificate_that_cannot_be_used(certificates, tmp_path, start_penstock):
    """Exit 2 means that not even the spool's directory was made."""
    tls = {"cert": str(certificates.server_cert), "key": str(certificates.client_key)}
    config = smallest(sources=forward(tls=tls), spool={"directory": str(tmp_path / "spool")})
    assert start_penstock(config, ready=False).wait() == 2
    assert not (tmp_path / "spool").exists()


def test_values_of_the_environment_never_show(tmp_path):
    config = smallest(streams=stream(name="${SECRET}", region="x${SECRET}y"))
    done = check(tmp_path, config, environment={"SECRET": "hunter2 hunter3"})
    assert done.returncode == 2
    assert "${SECRET}" in done.stderr and "hunter" not in done.stdout + done.stderr


def test_a_region_of_a_secret_that_ends_in_a_line_break_is_delivered_to(kinesis, start_penstock):
    config = three_streams(kinesis.endpoint)
    for options in config["streams"].values():
        del options["region"]
    penstock = start_penstock(config, environment={name: value + "\n" for name, value in ACCESS_KEY.items()})
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.forward, "t", [(1, {"id": 1})])
    penstock.wait_settled(1)
    assert kinesis.tally("projects", "id") == {"1": 1}


# --- the first moments


def blocks(pid: int, number: int) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigBlk:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def start_raw(tmp_path, config: dict) -> subprocess.Popen:
    file = tmp_path / "penstock.yaml"
    file.write_text(yaml.safe_dump(config))
    return subprocess.Popen([binary_path(), "run", "--config", file], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **ACCESS_KEY})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_start_is_a_clean_end(tmp_path, number):
    """Sent the moment the process has come so far as to block it, which is before its main()."""
    process = start_raw(tmp_path, smallest(spool={"directory": str(tmp_path / "spool")}))
    while not blocks(process.pid, number):  # the process is on its way there, and takes milliseconds
        assert process.poll() is None
    process.send_signal(number)
    stderr = process.communicate(timeout=30 * PATIENCE)[1].decode()
    assert process.returncode == 0, stderr


def test_a_reload_before_the_start_does_not_end_it(tmp_path):
    config = smallest()
    process = start_raw(tmp_path, config)
    try:
        while not blocks(process.pid, signal.SIGHUP):
            assert process.poll() is None
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.005)  # through all of the start
        def is_up():
            assert process.poll() is None
            try:
                socket.create_connection(("127.0.0.1", forward_port(config)), timeout=5).close()
                return True
            except OSError:
                return False
        wait_until(is_up, "penstock listens", 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30 * PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()


def test_affinity_bounds_the_threads(start_penstock):
    cpus = os.sched_getaffinity(0)
    config = smallest()
    pinned = start_penstock(config, under=["taskset", "-c", str(min(cpus))])
    names = [Path(task, "comm").read_text() for task in Path(f"/proc/{pinned.pid}/task").iterdir()]
    assert pinned.status()["ready"], names
    assert f"cpus=1" in pinned.log()


# --- identities


@pytest.fixture
def sts(kinesis):
    server = Sts(kinesis, 3600.0)
    yield server
    server.stop()


def signers(kinesis) -> dict[str, set[str]]:
    """By stream, the access keys of the requests that were accepted."""
    found: dict[str, set[str]] = {}
    for request in kinesis.requests(operation="PutRecords"):
        if "key" in request and "error" not in request:
            found.setdefault(request["stream"], set()).add(request["key"])
    return found


def test_each_stream_is_signed_by_its_own_identity(kinesis, start_penstock, sts, tmp_path):
    """Two accounts, as the predecessor had them for each match."""
    (tmp_path / "credentials").write_text("[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n")
    kinesis.add_key("AKIAOTHER", "other")
    role = {"role_arn": "arn:aws:iam::444455556666:role/audit", "external_id": "x-1"}
    config = three_streams(kinesis.endpoint)
    config["streams"]["operations"]["aws"] = {"profile": "other"}
    config["streams"]["audit"]["aws"] = {"assume_role": [role]}
    penstock = start_penstock(config, environment={
        **sts.environment, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")})
    with ForwardClient(forward_port(config), timeout_s=30) as client:
        client.send_acked(wire.forward, "anything", [(1, {"id": 1})])
        client.send_acked(wire.forward, "journal.system", [(1, {"id": 2})])
        client.send_acked(wire.forward, "k8s-audit.log", [(1, {"id": 3})])
    penstock.wait_settled(3)
    by_stream = signers(kinesis)
    assert by_stream["projects"] == {ACCESS_KEY["AWS_ACCESS_KEY_ID"]}
    assert by_stream["operations"] == {"AKIAOTHER"}
    (audit,) = by_stream["audit"]
    assert sts.call_for(audit)["RoleArn"].endswith("role/audit") and sts.call_for(audit)["ExternalId"] == "x-1"
    identities = {each["identity"]: each for each in penstock.status()["identities"]}
    assert set(identities) == {"default", "profile other", "default > arn:aws:iam::444455556666:role/audit"}
    assert identities["default"]["provider"] == "environment"
    # They live for seconds: at the moment they expire and are renewed the gauge is 0.
    wait_until(lambda: set(penstock.metrics().by("penstock_credentials_expiry_seconds", "identity"))
               == {"default > arn:aws:iam::444455556666:role/audit"}, "the role's credentials expire some time", 30)

    # A reload gives a stream another identity; the one nobody has any more ends.
    config["streams"]["operations"].pop("aws")
    penstock.write_config(config)
    penstock.signal(signal.SIGHUP)
    wait_until(lambda: {each["identity"] for each in penstock.status()["identities"]} ==
               {"default", "default > arn:aws:iam::444455556666:role/audit"}, "the identity is gone", 30)
    with ForwardClient(forward_port(config), timeout_s=30) as client:
        client.send_acked(wire.forward, "journal.system", [(1, {"id": 4})])
    penstock.wait_settled(4)
    assert signers(kinesis)["operations"] == {"AKIAOTHER", ACCESS_KEY["AWS_ACCESS_KEY_ID"]}


def test_a_stream_without_credentials_does_not_hold_up_the_others(kinesis, start_penstock, tmp_path):
    (tmp_path / "config").write_text("[profile empty]\nregion = us-east-1\n")
    config = three_streams(kinesis.endpoint, ack="stored", spool=tmp_path / "spool")
    config["streams"]["audit"]["aws"] = {"profile": "empty"}
    penstock = start_penstock(config, environment={"AWS_CONFIG_FILE": str(tmp_path / "config"),
                                                   "AWS_EC2_METADATA_DISABLED": "true"})
    with ForwardClient(forward_port(config), timeout_s=30) as client:
        client.send_acked(wire.forward, "k8s-audit.log", [(1, {"id": 1})])
        client.send_acked(wire.forward, "anything", [(1, {"id": 2})])
    wait_until(lambda: kinesis.tally("projects", "id") == {"2": 1}, "the others are delivered", 30)
    said = {each["identity"]: each["last_error"] for each in penstock.status()["identities"]}
    assert said["profile empty"] != ""
    # The keys come: what waited is delivered.
    (tmp_path / "config").write_text("[profile empty]\naws_access_key_id = AKIDEXAMPLE\n"
                                     f"aws_secret_access_key = {ACCESS_KEY['AWS_SECRET_ACCESS_KEY']}\n")
    wait_until(lambda: kinesis.tally("audit", "id") == {"1": 1}, "the stream's keys are taken up", 60)


def test_check_online_and_iam_policy_speak_of_each_identity(kinesis, sts, tmp_path):
    (tmp_path / "credentials").write_text("[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n")
    kinesis.add_key("AKIAOTHER", "other")
    config = three_streams(kinesis.endpoint)
    config["streams"]["operations"]["aws"] = {"profile": "other"}
    file = tmp_path / "penstock.yaml"
    file.write_text(yaml.safe_dump(config))
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    done = run_command("check", file, "--online", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "credentials of profile other profile other" in " ".join(done.stdout.split())
    assert done.stdout.count("ACTIVE") == 3
    policies = json.loads(run_command("iam-policy", "--config", file, environment=environment).stdout)
    assert [(each["identity"], each["streams"]) for each in policies] == [
        ("default", ["audit", "projects"]), ("profile other", ["operations"])]


def test_iam_policy_is_printed_before_the_certificates_exist(tmp_path):
    config = smallest(sources=forward(tls={"cert": "/none.crt", "key": "/none.key"}), memory_limit="1MiB")
    file = tmp_path / "penstock.yaml"
    file.write_text(yaml.safe_dump(config))
    done = run_command("iam-policy", "--config", file)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Statement"][0]["Action"] == ["kinesis:PutRecords"]
    assert "warning" in done.stderr and "/none.crt" in done.stderr and "optional" in done.stderr
    file.write_text(yaml.safe_dump(smallest(streams=stream(name="a b"))))
    assert run_command("iam-policy", "--config", file).returncode == 2


# --- environment alone


def test_the_predecessors_names_for_its_keys_are_taken_without_a_file(kinesis, start_penstock, tmp_path):
    for port in (24224, 9880):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                pytest.skip(f"port {port} is in use on this machine")
    kinesis.create_stream("p-stream", 1)
    penstock = start_penstock(None, admin_port=9880, environment={
        "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_KEY_ID": ACCESS_KEY["AWS_ACCESS_KEY_ID"] + "\n", "AWS_SEC_KEY": ACCESS_KEY["AWS_SECRET_ACCESS_KEY"],
        "LOGGINGNAMES": "projects", "KINESIS_STREAM_NAME": "p-stream\n", "KINESIS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_KINESIS": kinesis.endpoint})
    with ForwardClient(24224) as client:
        client.send_acked(wire.forward, "anything", [(1, {"id": 1})])
    penstock.wait_settled(1)
    assert kinesis.stats()["accepted"]["p-stream"] == 1


def test_the_predecessors_names_do_not_count_beside_a_file(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint), environment={
        "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_KEY_ID": "AKIDEXAMPLE", "AWS_SEC_KEY": ACCESS_KEY["AWS_SECRET_ACCESS_KEY"]})
    wait_until(lambda: penstock.status()["credentials"]["last_error"], "there are no credentials", 20)
    assert penstock.status()["credentials"]["provider"] == ""
