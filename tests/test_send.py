"""penstock send, the client, against penstock run: what it sends arrives, and its ledger says what was acked."""

import json
import time

import pytest

from harness.binary import PATIENCE
from harness.daemon import forward_port, run_command, three_streams
from harness.ports import free_port

KEY = "Shared_key-1"


def address(penstock) -> str:
    return f"127.0.0.1:{forward_port(penstock.config)}"


def send(penstock, *arguments, **options):
    return run_command("send", "--to", address(penstock), *arguments, **options)


def stored(kinesis, stream="projects"):
    return [json.loads(event) for event in kinesis.events(stream)]


def read_ledger(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_made_up_records_arrive_as_the_ledger_says(kinesis, start_penstock, certificates, tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    penstock = start_penstock(three_streams(kinesis.endpoint, forward={
        "shared_key_file": str(key),
        "tls": {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}}))
    ledger = tmp_path / "ledger"
    done = send(penstock, "--ca", certificates.ca, "--shared-key-file", key, "--ack", "--ledger", ledger,
                "--generate", 250, "--run", "first", "--in-flight", 3)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "250 events acked\n"
    lines = read_ledger(ledger)
    assert [line["id"] for line in lines] == [f"first-{n}" for n in range(250)]
    assert [line["seq"] for line in lines] == list(range(250))
    assert all(line["sent_ns"] < line["acked_ns"] for line in lines)
    records = stored(kinesis)
    assert sorted(record["penstock_id"] for record in records) == sorted(line["id"] for line in lines)
    assert 1000 < sum(len(event) for event in kinesis.events("projects")) / 250 < 1500

    again = send(penstock, "--ca", certificates.ca, "--shared-key-file", key, "--ack", "--ledger", ledger,
                 "--generate", 2)
    assert again.returncode == 0, again.stderr
    assert len(read_ledger(ledger)) == 252


@pytest.mark.parametrize("compression", ["text", "gzip", "zstd"])
def test_lines_of_stdin_become_records(kinesis, penstock, compression):
    lines = '{"b": 1, "a": [18446744073709551615, -0.5, null, {"é": "\\u00e9"}]}\nplain line\n\n{"b": 2}'
    done = send(penstock, "--tag", "app.x", "--ack", "--compress", compression, "--chunk-events", 2, stdin=lines)
    assert done.returncode == 0, done.stderr
    assert sorted(kinesis.events("projects")) == sorted([
        '{"b":1,"a":[18446744073709551615,-0.5,null,{"é":"é"}]}', '{"message":"plain line"}', '{"b":2}'])


def test_without_acks_everything_sent_arrives(kinesis, penstock):
    done = send(penstock, "--generate", 3000, "--chunk-size", "50k")
    assert (done.returncode, done.stdout) == (0, "3000 events sent\n")
    penstock.wait_settled(3000)
    assert len(stored(kinesis)) == 3000


def test_a_refusal_says_why(kinesis, start_penstock, certificates, tmp_path):
    key, wrong = tmp_path / "key", tmp_path / "wrong"
    key.write_text(KEY)
    wrong.write_text("another")
    penstock = start_penstock(three_streams(kinesis.endpoint, forward={"shared_key_file": str(key)}))
    refused = send(penstock, "--shared-key-file", wrong, "--ack", stdin="x\n")
    assert refused.returncode == 1
    assert "shared_key mismatch" in refused.stderr and refused.stderr.count("\n") == 1
    assert KEY not in refused.stderr and "another" not in refused.stderr


def test_a_certificate_nobody_vouches_for_is_refused_and_taken_when_told_to(kinesis, start_penstock, certificates):
    penstock = start_penstock(three_streams(kinesis.endpoint, forward={
        "tls": {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}}))
    refused = send(penstock, "--tls", "--ack", stdin="x\n")
    assert refused.returncode == 1 and "certificate" in refused.stderr and "--ca" in refused.stderr
    assert send(penstock, "--insecure", "--ack", stdin="x\n").returncode == 0


@pytest.mark.parametrize("arguments, cure", [
    (["--shared-key-file", "/nonexistent"], "/nonexistent"),
    (["--ca", "/nonexistent"], "/nonexistent"),
    (["--ledger", "/tmp/x"], "--ack"),
    (["--to", "nowhere"], "--to nowhere"),
    (["--http", "http://x", "--syslog", "x:1"], "--syslog"),
    (["--ledger", "/nonexistent/x", "--ack"], "/nonexistent/x"),
    (["--generate", "0"], "--generate"),
    (["--compress", "lzma"], "--compress"),
])
def test_wrong_flags_end_with_2_before_anything_is_sent(arguments, cure):
    done = run_command("send", *arguments)
    assert done.returncode == 2, done.stderr
    assert cure in done.stderr and done.stderr.count("\n") == 1


def test_a_daemon_that_goes_away_and_comes_back_gets_what_it_did_not_ack(kinesis, start_penstock, tmp_path):
    import subprocess

    from harness.binary import PATIENCE, binary_path
    from harness.daemon import ACCESS_KEY
    from harness.waiting import wait_until
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"))
    ledger = tmp_path / "ledger"
    with subprocess.Popen([binary_path(), "send", "--to", address(penstock), "--ack", "--ledger", ledger, "--run", "r",
                           "--generate", "3000", "--chunk-events", "10", "--rate", "1500"], env=ACCESS_KEY,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as sender:
        wait_until(lambda: ledger.exists() and len(ledger.read_bytes()) > 10_000, "some are acked")
        penstock.kill()
        penstock.start()
        out, errors = sender.communicate(timeout=100 * PATIENCE)
    assert sender.returncode == 0, errors
    assert {line["id"] for line in read_ledger(ledger)} == {f"r-{n}" for n in range(3000)}
    wait_until(lambda: penstock.metrics().pending == 0, "nothing is pending")
    assert {record["penstock_id"] for record in stored(kinesis)} == {f"r-{n}" for n in range(3000)}


@pytest.mark.parametrize("way", [["--to", "127.0.0.1:{}", "--ack"], ["--to", "127.0.0.1:{}"], ["--http", "http://127.0.0.1:{}/"],
                                 ["--syslog", "127.0.0.1:{}"]], ids=lambda way: " ".join(way))
def test_an_address_where_nobody_listens_says_what_to_do(way):
    done = run_command("send", *(word.format(free_port()) for word in way), stdin="x\n")
    assert done.returncode == 1 and "check the address" in done.stderr, done.stderr


def test_a_port_that_expects_tls_or_a_key_is_said_so_at_once(kinesis, start_penstock, certificates, tmp_path):
    tls = {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}
    (tmp_path / "key").write_text(KEY + "\n")
    with_tls = start_penstock(three_streams(kinesis.endpoint, forward={"tls": tls}))
    with_key = start_penstock(three_streams(kinesis.endpoint, forward={"shared_key_file": str(tmp_path / "key")}))
    for arguments in ([], ["--ack"]):
        began = time.monotonic()
        done = send(with_tls, *arguments, "--generate", 5)
        assert done.returncode == 1 and done.stdout == "" and "TLS" in done.stderr and "--ca" in done.stderr, done
        done = send(with_key, *arguments, "--generate", 5)
        assert done.returncode == 1 and done.stdout == "", done
        assert "the server asks for a shared key; use --shared-key-file" in done.stderr
        assert time.monotonic() - began < 20 * PATIENCE


def test_without_acks_a_server_that_understands_is_not_doubted(penstock):
    done = send(penstock, "--generate", 5)
    assert (done.returncode, done.stdout) == (0, "5 events sent\n")


def test_an_http_error_is_shown_with_what_to_do(kinesis, start_penstock, tmp_path):
    (tmp_path / "token").write_text("t\n")
    config = three_streams(kinesis.endpoint)
    config["sources"] = [{"http": {"listen": f"127.0.0.1:{free_port()}",
                                   "auth": {"bearer_token_files": [str(tmp_path / "token")]}}}]
    penstock = start_penstock(config)
    port = config["sources"][0]["http"]["listen"].rpartition(":")[2]
    done = run_command("send", "--http", f"http://127.0.0.1:{port}/", "--generate", "1")
    assert done.returncode == 1
    assert "401: Authorization is missing. Use --bearer-token-file or --user" in done.stderr
    assert penstock.is_running
