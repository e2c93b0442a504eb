"""admin.secure: metrics and status over HTTPS, for those that have a token or a password; health for everybody."""

import base64
import json
import shutil
import signal
import socket
import ssl
import urllib.error
import urllib.request

import pytest

from harness.api_server import ApiServer
from harness.daemon import run_command, three_streams
from harness.ports import free_port
from harness.waiting import wait_until

TOKEN = "token-of-the-monitoring"


@pytest.fixture
def secrets(tmp_path):
    for name, text in {"token": TOKEN, "password": "p:ss", "next": "another-token"}.items():
        (tmp_path / name).write_text(text + "\n")
    return tmp_path


@pytest.fixture
def secured(kinesis, start_penstock, certificates, secrets):
    """secured(**auth) -> (penstock, ask): with that auth in admin.secure."""
    def make(auth=None, tls=None, **options):
        port = free_port()
        config = three_streams(kinesis.endpoint)
        config["admin"]["secure"] = {
            "listen": f"127.0.0.1:{port}",
            "tls": tls or {"cert": str(certificates.server_cert), "key": str(certificates.server_key)},
            "auth": auth or {"bearer_token_files": [str(secrets / "token")],
                             "basic": [{"name": "anna", "password_file": str(secrets / "password")}]}}
        penstock = start_penstock(config, **options)
        return penstock, asker(port, certificates)
    return make


def asker(port, certificates):
    context = ssl.create_default_context(cafile=str(certificates.ca))

    def ask(path, authorization=None):
        request = urllib.request.Request(f"https://127.0.0.1:{port}{path}")
        if authorization:
            request.add_header("Authorization", authorization)
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
    ask.port, ask.context = port, context
    return ask


def refused(penstock):
    return {reason: count for reason, count in penstock.metrics().by("penstock_admin_refused_total", "reason").items()
            if count}


def test_a_token_or_a_password_opens_everything(secured):
    penstock, ask = secured()
    for authorization in (f"Bearer {TOKEN}", f"bearer {TOKEN}", "Basic " + base64.b64encode(b"anna:p:ss").decode()):
        assert "penstock_events_received_total" in ask("/metrics", authorization)[1]
        assert json.loads(ask("/api/status", authorization)[1])["streams"]
        assert json.loads(ask("/api/history", authorization)[1])
        assert ask("/", authorization)[1].startswith("<!doctype html>")
        assert ask("/none", authorization)[0] == 404
    assert refused(penstock) == {}


@pytest.mark.parametrize("path", ["/metrics", "/api/status", "/api/history", "/", "/none", "/healthz/", "//healthz",
                                  "/metrics?/healthz", "/healthz%2f..%2fmetrics"])
def test_without_one_only_health_is_told(secured, path):
    penstock, ask = secured()
    assert ask("/healthz") == (200, "ok\n") and ask("/readyz?verbose") == (200, "ok\n")
    assert ask(path) == (401, "Authorization is missing: send a bearer token\n")
    for wrong in (f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", "Basic " + base64.b64encode(b"anna:p").decode()):
        assert ask(path, wrong) == (401, "Authorization is wrong\n")
    assert refused(penstock) == {"missing_credentials": 1, "wrong_credentials": 4}
    assert TOKEN not in penstock.log()


def test_the_plain_port_stays_as_it_is(secured):
    penstock, _ = secured()
    assert penstock.metrics().sum("penstock_admin_refused_total") == 0


def test_plain_text_on_the_tls_port_is_refused_and_counted_and_others_go_on(secured):
    penstock, ask = secured()
    with socket.create_connection(("127.0.0.1", ask.port), timeout=60) as plain:
        plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = plain.recv(4096)
        assert b"penstock_events" not in answer
    assert ask("/healthz")[0] == 200
    assert refused(penstock) == {"tls_handshake": 1}


def test_silent_clients_do_not_lock_the_others_out(secured):
    _, ask = secured()
    silent = [socket.create_connection(("127.0.0.1", ask.port), timeout=60) for _ in range(200)]
    try:
        assert ask("/healthz")[0] == 200
        assert ask("/metrics", f"Bearer {TOKEN}")[0] == 200
    finally:
        for connection in silent:
            connection.close()


def test_a_new_token_and_a_renewed_certificate_are_taken_up_without_a_restart(secured, certificates, secrets, tmp_path):
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    shutil.copy(certificates.server_cert, cert)
    shutil.copy(certificates.server_key, key)
    penstock, ask = secured(tls={"cert": str(cert), "key": str(key)})

    def serial():
        with socket.create_connection(("127.0.0.1", ask.port), timeout=60) as plain:
            with ask.context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
                return tls.getpeercert()["serialNumber"]
    before = serial()
    for new, file in zip(certificates.issue("renewed"), (cert, key)):
        shutil.copy(new, file)
    (secrets / "token").write_text("another-token\n")
    penstock.signal(signal.SIGHUP)
    wait_until(lambda: ask("/metrics", "Bearer another-token")[0] == 200, "the new token is taken up")
    assert serial() != before
    assert ask("/metrics", f"Bearer {TOKEN}")[0] == 401


def test_service_accounts_are_those_that_the_cluster_confirms(secured, certificates, tmp_path):
    cluster = ApiServer(tmp_path, certificates, {"good": "system:serviceaccount:openshift-monitoring:prometheus-k8s",
                                                 "other": "system:serviceaccount:shop:default"})
    try:
        penstock, ask = secured(auth={"service_accounts": ["openshift-monitoring/prometheus-k8s"]},
                                environment=cluster.environment)
        assert ask("/metrics", "Bearer good")[0] == 200
        assert ask("/metrics", "Bearer other") == (403, "this service account may not read this\n")
        assert ask("/metrics", "Bearer unknown") == (401, "Authorization is wrong\n")
        cluster.is_broken = True
        assert ask("/metrics", "Bearer good")[0] == 200, "the last answer serves while the API server is away"
        assert ask("/metrics", "Bearer new") == (503, "the token cannot be checked now: try again\n")
    finally:
        cluster.stop()
    assert refused(penstock) == {"service_account": 1, "wrong_credentials": 1, "token_review": 1}


def test_top_reads_a_page_by_the_plain_port(secured):
    penstock, _ = secured()
    admin = penstock.config["admin"]["listen"]
    done = run_command("top", "--admin", f"http://{admin}", "--page", "metrics")
    assert done.returncode == 0 and "penstock_events_received_total" in done.stdout
    done = run_command("top", "--admin", f"http://{admin}", "--page", "api/status")
    assert done.returncode == 0 and json.loads(done.stdout)["streams"]
    assert run_command("top", "--page", "etc/passwd").returncode == 2


def test_top_reads_a_page_by_the_secure_port(secured, certificates, secrets):
    penstock, ask = secured()

    def top(*arguments):
        done = run_command("top", "--admin", f"https://127.0.0.1:{ask.port}", "--page", "api/status", *arguments)
        return done.returncode, done.stdout, done.stderr
    ca, token = ("--ca", certificates.ca), ("--bearer-token-file", secrets / "token")
    code, page, _ = top(*ca, *token)
    assert code == 0 and json.loads(page)["streams"]
    assert top("--insecure", *token)[0] == 0
    for arguments, status, cure in ((token, 1, "--ca"), (ca, 1, "wants a token; give it with --bearer-token-file"),
                                    ((*ca, "--bearer-token-file", secrets / "next"), 1, "does not accept the token"),
                                    ((*ca, "--bearer-token-file", secrets / "none"), 2, "--bearer-token-file"),
                                    ((*token, "--ca", secrets / "none"), 2, "name a PEM file")):
        code, page, errors = top(*arguments)
        assert code == status and not page and cure in errors and TOKEN not in errors


def test_top_says_what_it_needs_when_nothing_answers():
    done = run_command("top", "--admin", "http://127.0.0.1:1", "--page", "metrics")
    assert done.returncode == 1 and "--admin" in done.stderr
