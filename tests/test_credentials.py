"""Where credentials come from, and that they are renewed before they expire: each provider in a running process.

Those that expire live four seconds here; the fake refuses them after that, so that whatever arrives later was signed
with renewed ones.
"""

import json
import time

import pytest

from harness import forward_client as wire
from harness.credential_services import MetadataService, Sts
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.waiting import wait_until

LIFE_S = 4.0
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def sts(kinesis):
    server = Sts(kinesis, LIFE_S)
    yield server
    server.stop()


@pytest.fixture
def metadata(kinesis):
    service = MetadataService(kinesis, LIFE_S)
    yield service
    service.stop()


def keys_of(kinesis) -> list[str]:
    """The access keys of the requests that were let in, each once, in the order they came."""
    return list(dict.fromkeys(request["key"] for request in kinesis.requests(operation="PutRecords")
                              if "key" in request and "error" not in request))


class Deliveries:
    """Sends one event after the other, each acked, and sees by which keys they got there."""

    def __init__(self, kinesis, start_penstock, environment: dict[str, str], **config):
        self.kinesis, self.sent = kinesis, 0
        self.penstock = start_penstock(three_streams(kinesis.endpoint, **config),
                                       environment={**NO_KEYS, **environment})

    def send(self) -> str:
        """The key the event was signed with."""
        with ForwardClient(forward_port(self.penstock.config), timeout_s=30) as client:
            client.send_acked(wire.forward, "t", [(1, {"id": self.sent})])
        self.sent += 1
        return keys_of(self.kinesis)[-1]

    def expect_renewed(self, deadline_s: float = 20.0) -> str:
        """Until a key comes that was not there when this was called; nothing is lost meanwhile."""
        before = set(keys_of(self.kinesis))
        found = wait_until(lambda: (key := self.send()) not in before and key, "another key is used", deadline_s)
        assert self.kinesis.tally("projects", "id") == {str(i): 1 for i in range(self.sent)}
        return found

    def expect_status(self, provider: str) -> None:
        """Status and metrics name the provider that won, and until when its credentials are good."""
        told = wait_until(lambda: (c := self.penstock.status()["credentials"])["provider"] and c, "credentials found")
        assert provider in told["provider"]
        assert told["expires"].endswith("Z")
        left = self.penstock.metrics().sum("penstock_credentials_expiry_seconds")
        assert left <= LIFE_S


def test_container_credentials_are_renewed_with_the_token_the_file_has_by_then(kinesis, start_penstock, metadata, tmp_path):
    """EKS Pod Identity: a full URI and a token file."""
    token = tmp_path / "eks-token"
    token.write_text("first-token\n")
    deliveries = Deliveries(kinesis, start_penstock, {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{metadata.url}/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)})
    assert deliveries.send() in metadata.issued
    deliveries.expect_status("container")
    token.write_text("second-token\n")
    wait_until(lambda: deliveries.expect_renewed() and metadata.authorizations[-1] == "second-token", "the new token", 30)
    assert metadata.authorizations[0] == "first-token"


def test_container_credentials_are_renewed_with_the_token_of_the_environment(kinesis, start_penstock, metadata):
    """ECS: the token is in the environment. The agent's own address cannot be had on loopback."""
    deliveries = Deliveries(kinesis, start_penstock, {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{metadata.url}/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc"})
    assert deliveries.send() in metadata.issued
    assert deliveries.expect_renewed() in metadata.issued
    assert set(metadata.authorizations) == {"Basic abc"}


def test_an_instances_role_is_renewed_and_its_session_too(kinesis, start_penstock, metadata):
    deliveries = Deliveries(kinesis, start_penstock, {
        "AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url})
    assert deliveries.send() in metadata.issued
    deliveries.expect_status("instance metadata")
    metadata.forget_sessions()
    wait_until(lambda: deliveries.expect_renewed() and metadata.refused >= 1, "a void session is noticed", 30)
    assert len(metadata.session_tokens) >= 3


def test_web_identity_is_renewed_with_the_token_the_file_has_by_then(kinesis, start_penstock, sts, tmp_path):
    """IRSA, and STS on OpenShift."""
    token = tmp_path / "token"
    token.write_text("first.web.token")
    deliveries = Deliveries(kinesis, start_penstock, {
        **sts.environment, "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/logs",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_SESSION_NAME": "penstock-1"})
    assert deliveries.send() in sts.issued()
    deliveries.expect_status("web identity")
    token.write_text("second.web.token")
    wait_until(lambda: sts.call_for(deliveries.expect_renewed())["WebIdentityToken"] == "second.web.token",
               "a key for the new token", 30)
    assert sts.calls[0]["WebIdentityToken"] == "first.web.token"
    for call in sts.calls:
        assert call["Action"] == "AssumeRoleWithWebIdentity" and call["signer"] is None
        assert call["RoleSessionName"] == "penstock-1" and call["RoleArn"].endswith("role/logs")


def test_a_chain_of_roles_is_renewed_from_its_base(kinesis, start_penstock, sts):
    deliveries = Deliveries(kinesis, start_penstock, {
        **sts.environment, "AWS_ACCESS_KEY_ID": "AKIABASE", "AWS_SECRET_ACCESS_KEY": "base-secret"},
        aws={"assume_role": [{"role_arn": "arn:aws:iam::111122223333:role/hub", "external_id": "hub-id"},
                             {"role_arn": "arn:aws:iam::444455556666:role/logs", "external_id": "customer-7"}]})
    first = deliveries.send()
    deliveries.expect_status("role/logs")
    renewed = deliveries.expect_renewed()
    for key in (first, renewed):
        last = sts.call_for(key)
        hub = sts.call_for(last["signer"])
        assert last["RoleArn"].endswith(":role/logs") and last["ExternalId"] == "customer-7"
        assert hub["RoleArn"].endswith(":role/hub") and hub["ExternalId"] == "hub-id"
        assert hub["signer"] == "AKIABASE"


def write_profiles(tmp_path, config: str, credentials: str) -> dict[str, str]:
    (tmp_path / "config").write_text(config)
    replaced = tmp_path / "credentials.new"
    replaced.write_text(credentials)
    replaced.rename(tmp_path / "credentials")
    return {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}


def keys_text(number: int, profile: str = "default") -> str:
    return f"[{profile}]\naws_access_key_id = AKIAFILE{number}\naws_secret_access_key = file-secret-{number}\n"


def test_a_replaced_credentials_file_is_taken_up_when_its_keys_no_longer_are_good(kinesis, start_penstock, tmp_path):
    for number in range(2):
        kinesis.add_key(f"AKIAFILE{number}", f"file-secret-{number}")
    deliveries = Deliveries(kinesis, start_penstock, write_profiles(tmp_path, "", keys_text(0)))
    assert deliveries.send() == "AKIAFILE0"
    write_profiles(tmp_path, "", keys_text(1))
    kinesis.expire_key("AKIAFILE0")
    assert deliveries.expect_renewed() == "AKIAFILE1"
    assert "profile default" in deliveries.penstock.status()["credentials"]["provider"]


@pytest.mark.parametrize("source", ["source_profile", "credential_source"])
def test_the_role_of_a_profile_is_renewed_with_the_keys_its_source_has_by_then(kinesis, start_penstock, sts, tmp_path, source):
    named = "base" if source == "source_profile" else "Environment"
    config = (f"[profile logs]\nrole_arn = arn:aws:iam::111122223333:role/logs\n{source} = {named}\n"
              "external_id = customer-8\nregion = us-east-1\n")
    environment = write_profiles(tmp_path, config, keys_text(0, "base"))
    if source == "credential_source":
        environment |= {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env-secret"}
    # `aws.profile` comes before the environment's keys, which are the source here and not the answer.
    deliveries = Deliveries(kinesis, start_penstock, {**sts.environment, **environment}, aws={"profile": "logs"})
    assert deliveries.send() in sts.issued()
    deliveries.expect_status("profile logs, role")
    write_profiles(tmp_path, config, keys_text(1, "base"))
    signers = {"source_profile": ["AKIAFILE0", "AKIAFILE1"], "credential_source": ["AKIAENV", "AKIAENV"]}[source]
    wait_until(lambda: sts.call_for(deliveries.expect_renewed())["signer"] == signers[1], "the new keys sign", 30)
    assert sts.calls[0]["signer"] == signers[0]
    assert {call["ExternalId"] for call in sts.calls} == {"customer-8"}


def test_a_credential_process_is_run_again_before_its_keys_expire(kinesis, start_penstock, tmp_path):
    script = tmp_path / "hand out"
    script.write_text("""#!/bin/sh
cd "$(dirname "$0")"
read number < number
echo $((number + 1)) > number
sed -e "s/NUMBER/$number/g" -e "s/WHEN/$(date -u -d "+4 seconds" +%Y-%m-%dT%H:%M:%SZ)/" answer
""")
    script.chmod(0o755)
    (tmp_path / "number").write_text("0\n")
    (tmp_path / "answer").write_text(json.dumps({
        "Version": 1, "AccessKeyId": "ASIAPROCESSNUMBER", "SecretAccessKey": "process-NUMBER",
        "SessionToken": "token-NUMBER", "Expiration": "WHEN"}))
    for number in range(100):
        kinesis.add_key(f"ASIAPROCESS{number}", f"process-{number}", f"token-{number}")
    environment = write_profiles(tmp_path, f'[default]\ncredential_process = "{script}"\n', "")
    deliveries = Deliveries(kinesis, start_penstock, environment)
    first = deliveries.send()
    deliveries.expect_status("profile default, process")
    assert {first, deliveries.expect_renewed()} <= {f"ASIAPROCESS{number}" for number in range(100)}


def test_keys_of_the_environment_that_expired_hold_the_stream_until_it_is_started_with_others(kinesis, start_penstock, tmp_path):
    """The environment of a process does not change: rotation is a restart, and what came meanwhile is kept for it."""
    kinesis.add_key("ASIAOLD", "old-secret", "old-token", time.time() + 3600)
    kinesis.add_key("ASIANEW", "new-secret", "new-token", time.time() + 3600)
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    old = start_penstock(config, environment={"AWS_ACCESS_KEY_ID": "ASIAOLD", "AWS_SECRET_ACCESS_KEY": "old-secret",
                                              "AWS_SESSION_TOKEN": "old-token"})
    assert "environment" in old.status()["credentials"]["provider"]
    with ForwardClient(forward_port(config), timeout_s=30) as client:
        client.send_acked(wire.forward, "t", [(1, {"id": 0})])
        old.wait_settled(1)
        kinesis.expire_key("ASIAOLD")
        client.send_acked(wire.forward, "t", [(1, {"id": 1})])
    wait_until(lambda: any("ExpiredToken" in error["message"] for error in old.status()["last_errors"]),
               "it says why the stream is paused")
    assert old.metrics().pending == 1 and old.get("/healthz")[0] == 200
    old.kill()
    new = start_penstock(config, environment={"AWS_ACCESS_KEY_ID": "ASIANEW", "AWS_SECRET_ACCESS_KEY": "new-secret",
                                              "AWS_SESSION_TOKEN": "new-token"})
    new.wait_settled(1)
    assert set(kinesis.tally("projects", "id")) == {"0", "1"}
    assert keys_of(kinesis) == ["ASIAOLD", "ASIANEW"]
