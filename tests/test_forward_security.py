"""Who may send: TLS versions, client certificates, shared keys, users; and what is replaced while it runs."""

import json
import os
import shutil
import socket
import ssl
import time

import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, run_command, three_streams
from harness.forward_client import ForwardClient, Refused
from harness.waiting import wait_until

EVENT = [(1, {"message": "x"})]
KEY = "Shared_key-1"


@pytest.fixture
def secure(kinesis, start_penstock, tmp_path):
    """secure(forward options) -> penstock with them."""
    def start(**forward):
        return start_penstock(three_streams(kinesis.endpoint, forward=forward))
    return start


def key_file(tmp_path, name="key", text=KEY):
    path = tmp_path / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def server_tls(certificates, **more):
    return {"cert": str(certificates.server_cert), "key": str(certificates.server_key), **more}


def client_tls(certificates, version=None, with_cert=False):
    context = ssl.create_default_context(cafile=certificates.ca)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if with_cert:
        context.load_cert_chain(certificates.client_cert, certificates.client_key)
    return context


def send_one(penstock, **options):
    with ForwardClient(forward_port(penstock.config), **options) as client:
        client.send_acked(wire.forward, "t", EVENT)
        return client


def expect_refused(penstock, **options):
    with pytest.raises((Refused, EOFError, OSError)):
        send_one(penstock, **options)


@pytest.mark.parametrize("version, name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_tls_1_2_and_1_3_are_spoken(secure, certificates, version, name):
    penstock = secure(tls=server_tls(certificates))
    with ForwardClient(forward_port(penstock.config), tls=client_tls(certificates, version)) as client:
        assert client.tls_version == name
        client.send_acked(wire.forward, "t", EVENT)


def test_min_version_refuses_what_is_below_it(secure, certificates):
    penstock = secure(tls=server_tls(certificates, min_version="1.3"))
    expect_refused(penstock, tls=client_tls(certificates, ssl.TLSVersion.TLSv1_2))
    send_one(penstock, tls=client_tls(certificates, ssl.TLSVersion.TLSv1_3))


TLS12 = ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("ciphers", [["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"],
                                     "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"])
def test_a_client_that_offers_only_excluded_ciphers_is_rejected(secure, certificates, ciphers):
    penstock = secure(tls=server_tls(certificates, ciphers=ciphers))
    excluded, included = client_tls(certificates, TLS12), client_tls(certificates, TLS12)
    excluded.set_ciphers("ECDHE+AES128+AESGCM:ECDHE+CHACHA20")
    included.set_ciphers("ECDHE+AES256+AESGCM")
    expect_refused(penstock, tls=excluded)
    send_one(penstock, tls=included)
    send_one(penstock, tls=client_tls(certificates, ssl.TLSVersion.TLSv1_3))
    assert penstock.metrics().received == 2


def test_ciphers_of_tls_1_3_are_chosen_by_their_own_names(secure, certificates):
    penstock = secure(tls=server_tls(certificates, ciphers=["TLS_CHACHA20_POLY1305_SHA256"]))
    context = client_tls(certificates, ssl.TLSVersion.TLSv1_3)
    with socket.create_connection(("127.0.0.1", forward_port(penstock.config)), timeout=60) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            # Without ChaCha20 (tests/image/fips) the name is left out, and the usual suites serve.
            fips = "PENSTOCK_FIPS" in os.environ
            assert connection.cipher()[0] == ("TLS_AES_256_GCM_SHA384" if fips else "TLS_CHACHA20_POLY1305_SHA256")
    send_one(penstock, tls=client_tls(certificates, TLS12))


@pytest.mark.parametrize("ciphers, words", [
    ("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES257", "'ECDHE-RSA-AES257' is no cipher"),
    (["TLS_AES_129_GCM_SHA256"], "'TLS_AES_129_GCM_SHA256' is no cipher"),
    ("!aNULL", "leaves no cipher"),
    ([], "names no cipher"),
])
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_bad_cipher_list_is_wrong_usage(kinesis, certificates, tmp_path, command, ciphers, words):
    config = three_streams(kinesis.endpoint, forward={"tls": server_tls(certificates, ciphers=ciphers)})
    (tmp_path / "penstock.yaml").write_text(json.dumps(config))  # JSON is YAML
    done = run_command(command, "--config", str(tmp_path / "penstock.yaml"))
    said = done.stderr + done.stdout
    assert done.returncode == 2 and "ciphers" in said and words in said


def test_a_client_that_names_no_server_is_served(secure, certificates):
    """Fluentd with tls_verify_hostname false sends no server name."""
    penstock = secure(tls=server_tls(certificates))
    context = client_tls(certificates, ssl.TLSVersion.TLSv1_2)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", forward_port(penstock.config)), timeout=60) as plain:
        with context.wrap_socket(plain) as connection:
            connection.sendall(wire.forward("t", EVENT, {"chunk": "c"}))
            assert connection.recv(100).endswith(b"\xa1c")


def test_client_certificates_are_required_where_an_authority_is_given(secure, certificates):
    penstock = secure(tls=server_tls(certificates, client_ca=str(certificates.ca)))
    expect_refused(penstock, tls=client_tls(certificates))
    send_one(penstock, tls=client_tls(certificates, with_cert=True))
    assert penstock.metrics().received == 1


def test_a_key_shared_by_both_opens_the_door_and_another_does_not(secure, tmp_path):
    penstock = secure(shared_key_file=key_file(tmp_path))
    send_one(penstock, shared_key=KEY)
    with pytest.raises(Refused):
        send_one(penstock, shared_key="another")
    penstock.wait_metric("penstock_auth_failures_total", 1, source="forward")
    # A client that skips the handshake and just sends is not heard.
    with ForwardClient(forward_port(penstock.config), handshake=False) as rude:
        rude.send(wire.forward("t", EVENT, {"chunk": "c"}))
        assert b"ack" not in rude.wait_closed()
    send_one(penstock, shared_key=KEY)
    assert penstock.metrics().received == 2
    assert KEY not in penstock.log() and "another" not in penstock.log()


def test_two_keys_hold_during_a_rotation(secure, tmp_path):
    penstock = secure(shared_key_files=[key_file(tmp_path, "new", "new-key"), key_file(tmp_path, "old", "old-key")])
    send_one(penstock, shared_key="new-key")
    send_one(penstock, shared_key="old-key")
    expect_refused(penstock, shared_key="older-key")


def test_users_need_their_password(secure, tmp_path):
    users = [{"name": "alice", "password_file": key_file(tmp_path, "alice", "wonderland")},
             {"name": "bob", "password_file": key_file(tmp_path, "bob", "builder")}]
    penstock = secure(shared_key_file=key_file(tmp_path), users=users)
    send_one(penstock, shared_key=KEY, username="alice", password="wonderland")
    send_one(penstock, shared_key=KEY, username="bob", password="builder")
    for name, password in [("alice", "builder"), ("alice", ""), ("carol", "wonderland"), ("", "")]:
        with pytest.raises(Refused):
            send_one(penstock, shared_key=KEY, username=name, password=password)
    wait_until(lambda: penstock.metrics().sum("penstock_auth_failures_total") == 4, "each is counted")
    assert "wonderland" not in penstock.log()


def test_key_and_tls_together_are_what_openshift_uses(secure, certificates, tmp_path):
    penstock = secure(tls=server_tls(certificates), shared_key_file=key_file(tmp_path))
    send_one(penstock, tls=client_tls(certificates, ssl.TLSVersion.TLSv1_2), shared_key=KEY)
    with pytest.raises(Refused):
        send_one(penstock, tls=client_tls(certificates), shared_key="wrong")


def test_a_client_of_the_servers_own_name_is_still_told_apart(secure, tmp_path):
    """The handshake forbids equal names; the server answers with one that differs."""
    penstock = secure(shared_key_file=key_file(tmp_path))
    with ForwardClient(forward_port(penstock.config), shared_key=KEY, hostname=socket.gethostname()) as client:
        client.send_acked(wire.forward, "t", EVENT)


def test_a_new_key_in_the_file_is_taken_up_without_a_restart(secure, tmp_path):
    path = key_file(tmp_path)
    penstock = secure(shared_key_file=path)
    kept = ForwardClient(forward_port(penstock.config), shared_key=KEY)
    key_file(tmp_path, text="Rotated-key")

    def new_key_is_known():
        try:
            return send_one(penstock, shared_key="Rotated-key")
        except Refused:
            return None
    wait_until(new_key_is_known, "the new key is accepted")
    expect_refused(penstock, shared_key=KEY)
    kept.send_acked(wire.forward, "t", EVENT)  # who is in stays in
    kept.close()


def test_a_new_certificate_is_taken_up_without_a_restart(secure, certificates, tmp_path):
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    shutil.copy(certificates.server_cert, cert)
    shutil.copy(certificates.server_key, key)
    penstock = secure(tls={"cert": str(cert), "key": str(key)})
    before = penstock.metrics().sum("penstock_certificate_expiry_seconds")

    def serial():
        with ForwardClient(forward_port(penstock.config), tls=client_tls(certificates)) as client:
            client.send_acked(wire.forward, "t", EVENT)
            return client._socket.getpeercert()["serialNumber"]
    first = serial()
    new_cert, new_key = certificates.issue("rotated", days=20)
    shutil.copy(new_key, key)
    shutil.copy(new_cert, cert)
    wait_until(lambda: serial() != first, "the new certificate is shown")
    wait_until(lambda: penstock.metrics().sum("penstock_certificate_expiry_seconds") < before - 86400,
               "its expiry is in the metrics")


def test_a_handshake_not_done_in_ten_seconds_is_ended(secure, certificates, tmp_path):
    """A peer that never starts TLS, one that stops after HELO: both are gone in time, and others are served."""
    penstock = secure(tls=server_tls(certificates), shared_key_file=key_file(tmp_path))
    port = forward_port(penstock.config)
    silent = socket.create_connection(("127.0.0.1", port), timeout=60)
    after_hello = ForwardClient(port, tls=client_tls(certificates))
    assert after_hello.read_value()[0] == "HELO"
    began = time.monotonic()
    send_one(penstock, tls=client_tls(certificates), shared_key=KEY)
    after_hello.wait_closed(60)
    assert silent.recv(1) == b""
    assert 5 < time.monotonic() - began < 40  # 10 s, and what a busy machine adds
    silent.close()
    after_hello.close()
