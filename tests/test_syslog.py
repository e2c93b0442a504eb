"""The syslog source: TCP, TLS, UDP; our own bytes, rsyslog's and logger's."""

import json
import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from harness.binary import is_sanitized
from harness.daemon import run_command, three_streams
from harness.http_client import source_port
from harness.ports import free_port
from harness.samples import FOLDER, missing_and_unexpected
from harness.waiting import wait_until

LINES = (FOLDER / "6.6-syslog/rfc5424.txt").read_bytes().splitlines()


def syslog_source(**options) -> dict:
    return {"syslog": {"listen": f"127.0.0.1:{free_port()}", **options}}


@pytest.fixture
def start_syslog(kinesis, start_penstock):
    def start(spool=None, **options):
        return start_penstock(three_streams(kinesis.endpoint, spool=spool, sources=[syslog_source(**options)]))
    return start


def port_of(penstock) -> int:
    return source_port(penstock.config, "syslog")


def connect(penstock) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(penstock)), timeout=60)


def send(penstock, data: bytes) -> None:
    with connect(penstock) as peer:
        peer.sendall(data)


def counted(message: bytes) -> bytes:
    return b"%d %b" % (len(message), message)


FRAMINGS = {"lines": lambda lines: b"\n".join(lines) + b"\n", "crlf": lambda lines: b"\r\n".join(lines) + b"\r\n",
            "counted": lambda lines: b"".join(map(counted, lines)), "no last newline": lambda lines: b"\n".join(lines),
            "lines, then counted": lambda lines: b"\n".join(lines[:9]) + b"\n" + b"".join(map(counted, lines[9:]))}


def stream_of(record: dict) -> str:
    return {"application": "projects", "infrastructure": "operations", "audit": "audit"}[record["log_type"]]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_collectors_records_unwrapped_land_in_their_streams_unharmed(kinesis, start_syslog, storage, framing):
    penstock = start_syslog(spool=storage, unwrap_json=True)
    send(penstock, FRAMINGS[framing](LINES))
    penstock.wait_settled(len(LINES))
    payloads = [line[line.index(b"{"):].decode() for line in LINES]
    for stream in ("projects", "operations", "audit"):
        expected = [payload for payload in payloads if stream_of(json.loads(payload)) == stream]
        missing, unexpected = missing_and_unexpected(expected, kinesis.events(stream))
        assert expected and not missing and not unexpected, (stream, missing[:1], unexpected[:1])


def test_without_unwrapping_what_stands_in_a_message_decides_nothing(kinesis, start_syslog):
    penstock = start_syslog()
    send(penstock, FRAMINGS["lines"](LINES))
    penstock.wait_settled(len(LINES))
    records = {json.loads(event)["message"]: json.loads(event) for event in kinesis.events("projects")}
    assert len(records) == len(LINES)
    for line in LINES:
        head, payload = line.decode().split(" - {", 1)
        priority, time_, host, app, process, kind = head.split(" ")
        record = records["{" + payload]
        assert (record["timestamp"], record["hostname"], record["appname"]) == (time_, host, app)
        assert record["msgid"] == kind and record.get("procid", "-") == process


def test_old_syslog_and_what_is_hardly_syslog(kinesis, start_syslog):
    penstock = start_syslog()
    send(penstock, b"<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed\n<13>no header\nplain text\n\n\xff\xfe\n"
                   b"<165>1 2003-10-11T22:14:15.003Z host app 77 ID47 [x@1 a=\"b\\\"c\"][y@1] \xef\xbb\xbftext\n")
    penstock.wait_settled(5)
    records = sorted((json.loads(event) for event in kinesis.events("projects")), key=lambda r: r["message"])
    assert [r["message"] for r in records] == ["'su root' failed", "no header", "plain text", "text", "\ufffd\ufffd"]
    assert records[0]["appname"] == "su" and records[0]["procid"] == "12" and records[0]["facility"] == "auth"
    assert records[3]["structured_data"] == {"x@1": {"a": 'b"c'}, "y@1": {}}


def test_a_message_that_is_too_large_is_counted_and_the_next_one_taken(kinesis, start_syslog):
    penstock = start_syslog(max_message="10KiB")
    large = b"<13>" + b"x" * 200_000
    send(penstock, b"<13>one\n" + large + b"\n<13>two\n" + counted(large) + counted(b"<13>three") + counted(b"<13>four"))
    penstock.wait_settled(4)
    assert sorted(json.loads(e)["message"] for e in kinesis.events("projects")) == ["four", "one", "three", "two"]
    assert penstock.metrics().sum("penstock_messages_refused_total", reason="too_large") == 2


def test_messages_that_grow_most_keep_within_memory(kinesis, start_syslog):
    penstock = start_syslog()
    send(penstock, (b"<13>" + b"\x01" * 1_000_000 + b"\n") * 8 + b"a\n" * 200_000)
    penstock.wait_settled(200_008, 60)
    if not is_sanitized():
        assert penstock.memory_peak_bytes() < 256 * 2**20


def test_a_connection_may_send_byte_by_byte_and_a_thousand_may_idle(kinesis, start_syslog):
    penstock = start_syslog()
    idle = [connect(penstock) for _ in range(1000)]
    with connect(penstock) as peer:
        for byte in counted(b"<13>slow") + counted(b"<13>line"):
            peer.sendall(bytes([byte]))
        penstock.wait_settled(2)
        penstock.wait_connections(1001, "syslog")
    for each in idle:
        each.close()
    penstock.wait_connections(0, "syslog")


def test_half_a_counted_message_is_not_one(start_syslog):
    penstock = start_syslog()
    send(penstock, counted(b"<13>whole") + b"100 <13>half")
    penstock.wait_metric("penstock_messages_refused_total", 1, reason="truncated")
    penstock.wait_settled(1)


def test_random_bytes_harm_nobody(kinesis, start_syslog):
    penstock = start_syslog()
    with connect(penstock) as bystander:
        for _ in range(20):
            send(penstock, os.urandom(5000))
        bystander.sendall(b"<13>still here\n")
        wait_until(lambda: any("still here" in e for e in kinesis.events("projects")), "the bystander is heard")
    for event in kinesis.events("projects"):
        json.loads(event)


def test_datagrams(kinesis, start_syslog):
    penstock = start_syslog(udp=True, max_message="4KiB")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for n in range(200):
            peer.sendto(b"<13>datagram %d\n" % n, ("127.0.0.1", port_of(penstock)))
        peer.sendto(b"<13>" + b"x" * 10_000, ("127.0.0.1", port_of(penstock)))
        peer.sendto(b"", ("127.0.0.1", port_of(penstock)))
    penstock.wait_settled(200)
    assert {json.loads(e)["message"] for e in kinesis.events("projects")} == {f"datagram {n}" for n in range(200)}
    penstock.wait_metric("penstock_messages_refused_total", 1, reason="too_large")


def test_datagrams_that_the_kernel_drops_are_counted(kinesis, start_syslog):
    penstock = start_syslog(udp=True)
    address = ("127.0.0.1", port_of(penstock))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        penstock.signal(signal.SIGSTOP)  # more than its socket holds, which is at most twice what it asks for
        for _ in range(5_000):
            peer.sendto(b"<13>burst " + b"x" * 4_000, address)
        penstock.signal(signal.SIGCONT)
        wait_until(lambda: penstock.metrics().sum("penstock_events_received_total") > 0, "some of the burst arrives")
        sent = 5_000

        def arrives() -> bool:
            nonlocal sent
            peer.sendto(b"<13>marker", address)
            sent += 1
            return any("marker" in event for event in kinesis.events("projects"))
        wait_until(arrives, "the socket has room again, and tells with what comes next how many it dropped")

    def counted_in_all() -> int:
        metrics = penstock.metrics()
        return metrics.sum("penstock_events_received_total") + metrics.sum("penstock_messages_refused_total", reason="udp_overflow")
    wait_until(lambda: counted_in_all() == sent, "every datagram is received or counted as dropped")
    assert penstock.metrics().sum("penstock_messages_refused_total", reason="udp_overflow") > 0
    assert "datagrams lost" in penstock.log()


def test_pushing_back_is_not_reading_and_nothing_is_lost(kinesis, start_syslog, tmp_path):
    config_spool = tmp_path / "spool"
    penstock = start_syslog(spool=config_spool)
    fault = kinesis.add_fault("hang", operation="PutRecords")
    with connect(penstock) as peer:
        for n in range(20_000):
            peer.sendall(b"<13>%d %b\n" % (n, b"x" * 200))
        kinesis.remove_fault(fault)
        kinesis.release()
    penstock.wait_settled(20_000, 60)
    assert {int(json.loads(e)["message"].split()[0]) for e in kinesis.events("projects")} == set(range(20_000))


def test_a_drain_reads_on_while_there_are_connections(kinesis, start_syslog, tmp_path):
    penstock = start_syslog(spool=tmp_path / "spool")
    with connect(penstock) as peer:
        peer.sendall(b"<13>before\n")
        penstock.wait_settled(1)
        penstock.signal(signal.SIGTERM)
        wait_until(lambda: penstock.get("/readyz")[0] == 503, "it is not ready")
        time.sleep(0.2)
        peer.sendall(b"<13>while\n<13>last, without its newline")
    assert penstock.wait() == 0
    assert sorted(json.loads(e)["message"] for e in kinesis.events("projects")) == [
        "before", "last, without its newline", "while"]


def test_tls_with_client_certificates(kinesis, start_syslog, certificates):
    penstock = start_syslog(tls={"cert": str(certificates.server_cert), "key": str(certificates.server_key),
                                 "client_ca": str(certificates.ca)})
    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(certificates.client_cert, certificates.client_key)
    with context.wrap_socket(connect(penstock), server_hostname="localhost") as peer:
        peer.sendall(counted(b"<13>over TLS"))
        penstock.wait_settled(1)
    with connect(penstock) as plain:
        plain.sendall(b"<13>plain\n")
        try:
            plain.recv(100)
        except ConnectionError:
            pass  # refused without reading all of it
    penstock.wait_metric("penstock_messages_refused_total", 1, reason="tls_handshake")
    assert penstock.metrics().received == 1
    wait_until(lambda: 'detail="wrong version number"' in penstock.log(), "the log says what was wrong with it")


@pytest.mark.parametrize("options", [["--tcp"], ["--tcp", "--octet-count"], ["--udp"], ["--tcp", "--rfc3164"],
                                     ["--tcp", "--rfc5424=notq"]])
def test_logger(kinesis, start_syslog, options):
    penstock = start_syslog(udp=True)
    for n in range(5):
        subprocess.run(["logger", "--server", "127.0.0.1", "--port", str(port_of(penstock)), *options, "--tag", "shop",
                        "--priority", "local3.warning", "--id=42", f"order {n} grüß"], check=True, timeout=60)
    penstock.wait_settled(5)
    records = [json.loads(event) for event in kinesis.events("projects")]
    assert sorted(r["message"] for r in records) == [f"order {n} grüß" for n in range(5)]
    assert {(r["facility"], r["severity"], r["appname"], r["procid"]) for r in records} == {("local3", "warning", "shop", "42")}
    assert all("hostname" in r and "timestamp" in r for r in records)


RSYSLOG = """
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{input}")
global(workDirectory="{folder}" {global_options})
template(name="t" type="string" string="{template}")
action(type="omfwd" target="localhost" port="{port}" protocol="tcp" template="t" TCP_Framing="{framing}"
       queue.type="LinkedList" action.resumeRetryCount="-1" action.resumeInterval="1" {action_options})
"""
TEMPLATES = {"5424": "<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% %MSGID% %STRUCTURED-DATA% %msg%\\n",
             "3164": "<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag%%msg%\\n"}


class Rsyslog:
    """rsyslogd with one TCP input that forwards all it gets."""

    def __init__(self, folder: Path, port: int, *, template: str, framing: str, global_options: str = "",
                 action_options: str = ""):
        folder.mkdir()
        self.input = free_port()
        config = folder / "rsyslog.conf"
        config.write_text(RSYSLOG.format(input=self.input, folder=folder, port=port, template=TEMPLATES[template],
                                         framing=framing, global_options=global_options, action_options=action_options))
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(["rsyslogd", "-n", "-f", config, "-i", folder / "pid"], stdout=self._log,
                                        stderr=subprocess.STDOUT, start_new_session=True)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.mark.outside
@pytest.mark.parametrize("template,framing,tls", [("5424", "traditional", False), ("5424", "octet-counted", True),
                                                  ("3164", "traditional", False)])
def test_rsyslog(kinesis, start_syslog, certificates, tmp_path, template, framing, tls):
    options, global_options, action_options = {}, "", ""
    if tls:
        options = {"tls": {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}}
        global_options = f'defaultNetstreamDriverCAFile="{certificates.ca}" DefaultNetstreamDriver="ossl"'
        action_options = ('StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name" '
                          'StreamDriverPermittedPeers="localhost"')
    penstock = start_syslog(**options)
    rsyslog = Rsyslog(tmp_path / "rsyslog", port_of(penstock), template=template, framing=framing,
                      global_options=global_options, action_options=action_options)
    try:
        def heard():
            try:
                with socket.create_connection(("127.0.0.1", rsyslog.input), timeout=20) as peer:
                    peer.sendall(b"<13>Oct 11 22:14:15 somehost probe: are you there\n")
            except OSError:
                return False
            return penstock.metrics().received > 0
        wait_until(heard, "rsyslog forwards")
        with socket.create_connection(("127.0.0.1", rsyslog.input), timeout=60) as peer:
            for n in range(300):
                peer.sendall(b"<140>Oct 11 22:14:15 shop-1 order[77]: number %d gr\xc3\xbc\xc3\x9f\n" % n)

        def numbers():
            records = [json.loads(event) for event in kinesis.events("projects")]
            return {r["message"].strip(): r for r in records if "number" in r["message"]}
        records = wait_until(lambda: len(found := numbers()) == 300 and found, "all are forwarded", 30)
        for n in range(300):
            record = records[f"number {n} grüß"]
            assert (record["facility"], record["severity"], record["hostname"]) == ("local1", "warning", "shop-1")
            assert (record["appname"], record["procid"]) == ("order", "77")
    finally:
        rsyslog.stop()


def test_penstock_send_by_syslog(kinesis, start_syslog):
    penstock = start_syslog(unwrap_json=True)
    sent = run_command("send", "--syslog", f"127.0.0.1:{port_of(penstock)}", "--generate", "500")
    assert sent.returncode == 0, sent.stderr
    penstock.wait_settled(500)
    records = [json.loads(e) for stream in ("projects", "operations", "audit") for e in kinesis.events(stream)]
    assert len(records) == 500
    assert all("kubernetes" in record and "facility" not in record for record in records), "unwrapped"
