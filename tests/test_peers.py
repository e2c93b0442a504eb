"""Peers that are slow, broken off, greedy or gone: none of them keeps a polite one waiting, and what they sent is stored
once."""

import contextlib
import gzip
import http.client
import json
import math
import os
import socket
import ssl
import struct
import threading
import time

import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.http_client import http_source, post, source_port
from harness.ports import free_port
from harness.slow_peers import SlowPeers
from harness.waiting import PATIENCE, wait_until

MIB = 2**20
TAG = "app.peers"
EVENT = [(1, {"message": "x"})]


def packed_head(size: int) -> bytes:
    """A PackedForward message as far as the head of its entries."""
    return b"\x93" + wire.pack(TAG) + b"\xc6" + struct.pack(">I", size)


def http_head(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size


STARTS = {  # what a peer sends before it stalls
    "announced": {"forward": packed_head(8 * MIB) + bytes(1000), "http": http_head(8 * MIB) + b" " * 1000,
                  "syslog": b"1000000 <13>1 - h a p m - " + b"x" * 1000},
    "half": {"forward": packed_head(1000) + bytes(200), "http": http_head(1000) + b" " * 200,
             "syslog": b"<13>1 - h a p m - " + b"x" * 200},
    "a third of it": {"forward": packed_head(8 * MIB) + bytes(2 * MIB), "http": http_head(8 * MIB) + b" " * (2 * MIB),
                      "syslog": b"1000000 <13>1 - h a p m - " + b"x" * 300_000},
}


@contextlib.contextmanager
def connections(config: dict, kinds, count: int):
    peers = {kind: [socket.create_connection(("127.0.0.1", source_port(config, kind)), timeout=60)
                    for _ in range(count)] for kind in kinds}
    try:
        yield peers
    finally:
        for some in peers.values():
            for peer in some:
                peer.close()


def send_all(peers: dict, starts: dict[str, bytes]) -> None:
    """Not waited for longer than a moment: a server may not read on while it has no memory."""
    for kind, some in peers.items():
        for peer in some:
            peer.settimeout(0.2)
            with contextlib.suppress(TimeoutError, ConnectionError):
                peer.sendall(starts[kind])


def three_sources(kinesis, **top) -> dict:
    config = three_streams(kinesis.endpoint, **top)
    config["sources"] += [http_source(), {"syslog": {"listen": f"127.0.0.1:{free_port()}"}}]
    return config


def ack_times(config: dict, frame_of, seconds: float) -> list[float]:
    times = []
    end = time.monotonic() + seconds
    with ForwardClient(forward_port(config), timeout_s=60) as client:
        while time.monotonic() < end:
            began = time.monotonic()
            client.send_acked(frame_of, TAG, EVENT)
            times.append(time.monotonic() - began)
            time.sleep(0.01)
    return sorted(times)


@pytest.mark.parametrize("start", STARTS)
def test_with_twenty_slow_peers_on_each_source_a_polite_sender_is_acked_within_a_second(
        kinesis, start_penstock, tmp_path, start):
    config = three_sources(kinesis, spool=tmp_path / "spool")
    start_penstock(config)
    with connections(config, ("forward", "http", "syslog"), 20) as peers:
        send_all(peers, STARTS[start])
        times = ack_times(config, wire.packed_forward, 8)
        assert p99(times) < 1.0 * PATIENCE, times[-10:]
        # Chunks and bodies of a usual size, too.
        with ForwardClient(forward_port(config)) as client:
            for size in (100_000, 1_000_000) if start == "a third of it" else (100_000, 1_000_000, 5_000_000):
                began = time.monotonic()
                client.send_acked(wire.packed_forward, TAG, [(1, {"message": "y" * 1000})] * (size // 1000))
                assert time.monotonic() - began < 2.0 * PATIENCE, size
        assert post(source_port(config, "http"), b'{"message":"x"}').status == 200
        with socket.create_connection(("127.0.0.1", source_port(config, "syslog")), timeout=60) as line:
            line.sendall(b"<13>1 - h a p m - hello\n")


def p99(times: list[float]) -> float:
    return sorted(times)[math.ceil(len(times) * 0.99) - 1]


class PoliteSender(threading.Thread):
    """One message after the other; how long each answer took."""

    def __init__(self, send, end: float):
        super().__init__()
        self._send, self._end = send, end
        self.times: list[float] = []
        self.trouble: Exception | None = None

    def run(self) -> None:
        try:
            while time.monotonic() < self._end:
                began = time.monotonic()
                self._send()
                self.times.append(time.monotonic() - began)
                time.sleep(0.04)
        except Exception as trouble:  # whatever it was, the test fails with it
            self.trouble = trouble


def noise(size: int) -> str:
    """Text that gzip makes half as large, and no smaller."""
    return os.urandom(size // 2).hex()


def polite_senders(ports: dict[str, int], tls, seconds: float) -> dict[str, PoliteSender]:
    """Each keeps its connection, and sends messages of one kind."""
    end = time.monotonic() + seconds
    bodies = {"10 KB": wire.entries([(1, {"message": noise(1000)})] * 10),
              "gzip": wire.entries([(1, {"message": noise(1000)}) for _ in range(40)]),
              "256 KB": wire.entries([(1, {"message": noise(1000)})] * 256),
              "1 MB": wire.entries([(1, {"message": noise(1000)})] * 1000)}
    lines = {kind: b"".join(b'{"message":"%s"}\n' % noise(1000).encode() for _ in range(count))
             for kind, count in (("10 KB", 10), ("gzip", 40), ("256 KB", 256), ("1 MB", 1000))}
    senders = {}

    def forward(name: str, port: int, kind: str, context=None) -> None:
        client = ForwardClient(port, timeout_s=60, tls=context)
        option = {"compressed": "gzip"} if kind == "gzip" else {}
        body = gzip.compress(bodies[kind], 1) if kind == "gzip" else bodies[kind]

        def send() -> None:
            chunk = wire.new_chunk()
            client.send(wire.packed_frame(TAG, body, {**option, "chunk": chunk}))
            client.wait_ack(chunk)
        senders[f"{name}, {kind}"] = PoliteSender(send, end)

    def http_(port: int, kind: str) -> None:
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=60 * PATIENCE)
        headers = {"Content-Encoding": "gzip"} if kind == "gzip" else {}
        body = gzip.compress(lines[kind], 1) if kind == "gzip" else lines[kind]

        def send() -> None:
            kept.request("POST", "/", body, headers)
            answer = kept.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
        senders[f"http, {kind}"] = PoliteSender(send, end)
    for kind in bodies:
        forward("forward", ports["forward"], kind)
        http_(ports["http"], kind)
    for kind in ("10 KB", "256 KB"):
        forward("forward over TLS", ports["forward-tls"], kind, tls)
    return senders


def stay_polite_among_slow_peers(kinesis, start_penstock, certificates, tmp_path, seconds: float, **top) -> None:
    tls = {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}
    config = three_sources(kinesis, spool=tmp_path / "spool", **top)
    config["sources"] += [{"forward": {"name": "forward-tls", "listen": f"127.0.0.1:{free_port()}", "tls": tls}},
                          {"http": {"name": "http-tls", "listen": f"127.0.0.1:{free_port()}", "tls": tls}},
                          {"syslog": {"name": "syslog-tls", "listen": f"127.0.0.1:{free_port()}", "tls": tls}}]
    penstock = start_penstock(config)
    ports = {options.get("name", kind): int(options["listen"].rpartition(":")[2])
             for source in config["sources"] for kind, options in source.items()}
    kinds = [(port, "tls" if name.endswith("-tls") else name) for name, port in ports.items()]
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with SlowPeers(kinds, 20) as slow:
        wait_until(lambda: slow.connects >= 20 * len(kinds), "the slow peers are there")
        senders = polite_senders(ports, context, seconds)
        for sender in senders.values():
            sender.start()
        for sender in senders.values():
            sender.join()
        print(f"{slow.connects - 20 * len(kinds)} slow peers were cut off and came again")
    for name, sender in senders.items():
        assert sender.trouble is None, f"{name}: {sender.trouble!r}"
        print(f"{name}: {len(sender.times)} acks, p99 {p99(sender.times):.3f} s, longest {max(sender.times):.3f} s")
    print(f"peak {penstock.memory_peak_bytes() / MIB:.0f} MiB")
    for name, sender in senders.items():
        assert p99(sender.times) < 1.0 * PATIENCE, f"{name}: {sorted(sender.times)[-10:]}"


def test_with_slow_peers_of_every_kind_on_every_source_polite_senders_are_acked_within_a_second(
        kinesis, start_penstock, certificates, tmp_path):
    stay_polite_among_slow_peers(kinesis, start_penstock, certificates, tmp_path, 8)


def test_peers_that_hold_what_others_wait_for_are_ended_when_they_are_too_slow(kinesis, start_penstock):
    """They have ten seconds from when they stall; a byte inside a message has sixty."""
    config = three_sources(kinesis, memory_limit="176MiB")
    penstock = start_penstock(config)
    with connections(config, ("forward", "http"), 3) as peers:
        send_all(peers, STARTS["a third of it"])
        began = time.monotonic()
        with ForwardClient(forward_port(config), timeout_s=90) as polite:
            events = [(1, {"message": "y" * 1000})] * 7000
            polite.send_acked(wire.packed_forward, TAG, events)
            assert time.monotonic() - began < 45 * PATIENCE
        penstock.wait_metric("penstock_messages_refused_total", 1, reason="too_slow")


@pytest.mark.waits
def test_a_peer_that_keeps_the_rate_is_not_ended(kinesis, start_penstock):
    config = three_sources(kinesis, memory_limit="176MiB")
    penstock = start_penstock(config)
    body = wire.entries([(1, {"message": "z" * 1000})] * 2000)
    frame = wire.packed_frame(TAG, body, {"chunk": "steady"})
    with connections(config, ("http",), 40) as peers, ForwardClient(forward_port(config), timeout_s=90) as steady:
        send_all(peers, STARTS["a third of it"])
        for at in range(0, len(frame), 100_000):
            steady.send(frame[at:at + 100_000])
            time.sleep(0.75)
        steady.wait_ack("steady")
    assert penstock.metrics().sum("penstock_messages_refused_total", source="forward", reason="too_slow") == 0


def test_events_that_cost_more_than_their_bytes_are_limited_and_hold_up_nobody(kinesis, start_penstock, tmp_path):
    """61 KB of gzip, 21 million events of three bytes."""
    config = three_sources(kinesis, spool=tmp_path / "spool")
    penstock = start_penstock(config)
    bomb = gzip.compress(b"\x92\x00\x80" * 21_000_000, 9)
    frame = wire.packed_frame(TAG, bomb, {"compressed": "gzip", "chunk": "bomb"})
    with ForwardClient(forward_port(config)) as polite:
        polite.send_acked(wire.packed_forward, TAG, EVENT)
        bombers = [ForwardClient(forward_port(config), timeout_s=120) for _ in range(4)]
        for bomber in bombers:
            bomber.send(frame)
        times = ack_times(config, wire.packed_forward, 5)
        assert p99(times) < 1.0 * PATIENCE, times[-10:]
        for bomber in bombers:
            bomber.wait_closed(120)
            bomber.close()
    penstock.wait_metric("penstock_messages_refused_total", 4, reason="too_many_events")


def test_a_fast_peer_does_not_own_its_thread(kinesis, start_penstock, tmp_path):
    """Small messages without acks, as fast as they go: there is always something to read."""
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool",
                           routes=[{"where": {"kubernetes.namespace_name": "a-*"}, "stream": "audit"},
                                   {"stream": "projects"}])
    start_penstock(config)
    burst = b"".join(wire.forward("x", [(1, {"n": i})]) for i in range(2000))
    stop = threading.Event()

    def flood():
        with socket.create_connection(("127.0.0.1", forward_port(config)), timeout=60) as peer:
            while not stop.is_set():
                peer.sendall(burst)

    floods = [threading.Thread(target=flood, daemon=True) for _ in range(2)]
    for thread in floods:
        thread.start()
    try:
        times = ack_times(config, wire.packed_forward, 5)
    finally:
        stop.set()
        for thread in floods:
            thread.join()
    assert p99(times) < 1.0 * PATIENCE, times[-10:]


def test_a_sender_that_does_not_see_the_end_of_an_old_connection_is_cut_off_and_nothing_comes_twice(
        kinesis, start_penstock):
    """As Fluentd 1.16 to 1.18 with keepalive: it writes without looking whether the other side has ended."""
    config = three_streams(kinesis.endpoint, forward={"max_connection_age": "200ms"}, dedup={"window": "0s"})
    penstock = start_penstock(config)
    port, sent = forward_port(config), 0
    for _ in range(3):
        with ForwardClient(port) as client:
            with contextlib.suppress(OSError, EOFError):
                while True:
                    client.send_acked(wire.forward, TAG, EVENT)
                    sent += 1
            # The end has come. Chunks that are written all the same are not taken.
            with contextlib.suppress(OSError):
                for _ in range(10):
                    client.send(wire.forward(TAG, EVENT, {"chunk": wire.new_chunk()}))
                    time.sleep(0.05)
            client.wait_closed(10)
        with ForwardClient(port) as again:
            again.send_acked(wire.forward, TAG, EVENT)
            sent += 1
    assert penstock.wait_settled(sent).delivered == sent


def test_an_old_connection_that_its_sender_leaves_open_is_closed_after_a_while(kinesis, start_penstock):
    penstock = start_penstock(three_streams(kinesis.endpoint, forward={"max_connection_age": "200ms"}))
    with ForwardClient(forward_port(penstock.config)) as client:
        time.sleep(0.3)
        client.send_acked(wire.forward, TAG, EVENT)
        penstock.wait_connections(0, deadline_s=15)


def test_a_request_that_timed_out_and_is_sent_again_is_stored_once(kinesis, start_penstock):
    config = three_streams(kinesis.endpoint, sources=[http_source(ack_timeout="500ms")], ack="delivered")
    penstock = start_penstock(config)
    port = source_port(config, "http")
    fault = kinesis.add_fault("hang", operation="PutRecords")
    body = b'{"id":"a"}\n{"id":"b"}\n'
    for _ in range(4):
        assert post(port, body).status == 503
    kinesis.remove_fault(fault)
    kinesis.release()
    answer = wait_until(lambda: (a := post(port, body)).status == 200 and a, "the first copy is delivered")
    assert answer.json() == {"events": 2, "malformed": 0}
    metrics = penstock.wait_settled(2)
    assert metrics.received == 2
    assert kinesis.tally("projects", "id") == {"a": 1, "b": 1}
    assert post(port, body).status == 200  # answered before: another one
    penstock.wait_settled(4)
    assert kinesis.tally("projects", "id") == {"a": 2, "b": 2}


def test_a_request_whose_client_gave_up_and_sends_it_again_is_stored_once(kinesis, start_penstock):
    config = three_streams(kinesis.endpoint, sources=[http_source()], ack="delivered")
    penstock = start_penstock(config)
    port = source_port(config, "http")
    fault = kinesis.add_fault("hang", operation="PutRecords")
    body = b'{"id":"a"}\n'
    for _ in range(3):
        with pytest.raises(TimeoutError):
            post(port, body, timeout_s=1)
    kinesis.remove_fault(fault)
    kinesis.release()
    assert post(port, body).status == 200
    assert penstock.wait_settled(1).received == 1
    assert kinesis.tally("projects", "id") == {"a": 1}


def test_secrets_are_those_in_force_at_each_request(kinesis, start_penstock, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("old\n")
    config = three_streams(kinesis.endpoint, sources=[http_source(auth={"bearer_token_files": [str(secret)]})])
    penstock = start_penstock(config)
    open_one, other = (http.client.HTTPConnection("127.0.0.1", source_port(config, "http"), timeout=30)
                       for _ in range(2))

    def status(connection, token: str) -> int:
        connection.request("POST", "/", json.dumps({"n": 1}), {"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        response.read()
        return response.status

    assert [status(open_one, "old"), status(other, "old")] == [200, 200]
    replaced = tmp_path / "token.new"
    replaced.write_text("new\n")
    replaced.rename(secret)
    penstock.wait_metric("penstock_config_reloads_total", 1, result="ok")
    assert status(other, "new") == 200
    assert status(open_one, "old") == 401
