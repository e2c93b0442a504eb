"""Broken, hostile and endless input: the process stays up and in its memory, others lose nothing, and each
case leaves a counted reason."""

import gzip
import random
import socket
import ssl
import struct
import threading
import time
import zlib

import msgpack
import pytest
import zstandard

from fake_kinesis import KinesisProcess
from harness import forward_client as wire
from harness.binary import is_sanitized
from harness.daemon import Penstock, forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.http_client import http_source, post, source_port
from harness.waiting import wait_until

MEMORY_LIMIT = 256 * 1024 * 1024
MAX_MESSAGE = 64 * 1024 * 1024
TAG = "app.bad"
EVENT = [(1, {"message": "x"})]
GOOD = wire.entries([(1, {"n": i}) for i in range(5)])


def random_bytes(seed: int) -> bytes:
    """What starts like nothing Forward knows; a lucky start would be another of the cases below."""
    source = random.Random(seed)
    return bytes([source.choice([0x01, 0x41, 0x7F, 0xC1, 0xC3, 0xE0, 0xFF])]) + source.randbytes(20_000)


def str32(size: int) -> bytes:
    return b"\xdb" + struct.pack(">I", size)


def in_entry(value: bytes) -> bytes:
    """A PackedForward chunk of one entry whose record holds the value."""
    return wire.packed_frame(TAG, b"\x92\x01\x81\xa1k" + value)


def bomb(how: str) -> bytes:
    """400 MB of whole entries in a frame of less than 1 MB: nothing is wrong with it but its size."""
    piece = wire.entries([(1, {"k": "a" * 1_000_000})])
    packer = zlib.compressobj(9, wbits=31) if how == "gzip" else zstandard.ZstdCompressor().compressobj()
    return b"".join([*(packer.compress(piece) for _ in range(400)), packer.flush()])


def compressed(body: bytes, how: str = "gzip") -> bytes:
    return wire.packed_frame(TAG, body, {"compressed": how})


# Frames that cannot be taken apart are refused whole: nothing of them is received, the connection is closed. What is whole
# and no event is dead-lettered: see test_one_slip.py.
BROKEN = {
    "random bytes 1": lambda: random_bytes(1),
    "random bytes 2": lambda: random_bytes(2),
    "random bytes 3": lambda: random_bytes(3),
    "http": lambda: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls on the plain port": lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "half a frame": lambda: (f := wire.packed_forward(TAG, EVENT * 100))[:len(f) // 2],
    "half a message": lambda: wire.message(TAG, 1, {"k": "v" * 100})[:-3],
    "never-used byte": lambda: b"\xc1",
    "text of 4 GiB": lambda: b"\x92" + str32(0xFFFFFFFF) + b"x" * 1000,
    "chunk of 4 GiB": lambda: b"\x92" + wire.pack(TAG) + b"\xc6\xff\xff\xff\xff" + b"x" * 1000,
    "value of 4 GiB in a chunk": lambda: in_entry(str32(0xFFFFFFFF)),
    "ext of 4 GiB": lambda: b"\x92" + wire.pack(TAG) + b"\x91\x92\x01\x81\xa1k\xc9\xff\xff\xff\xff\x05",
    "array of 2^32-1 items": lambda: b"\xdd\xff\xff\xff\xff",
    "array of 2^32-1 entries": lambda: b"\x92" + wire.pack(TAG) + b"\xdd\xff\xff\xff\xff" + GOOD,
    "array of 2^32-1 in a record": lambda: in_entry(b"\xdd\xff\xff\xff\xff\x01\x01"),
    "map of 2^32-1 pairs": lambda: in_entry(b"\xdf\xff\xff\xff\xff\xa1a\x01"),
    "deep in an option": lambda: b"\x93" + wire.pack(TAG) + b"\x90" + b"\x81\xa1a" * 10_000 + b"\x01",
    "deep instead of a message": lambda: b"\x91" * 10_000,
    "gzip bomb": lambda: compressed(bomb("gzip")),
    "zstd bomb": lambda: compressed(bomb("zstd"), "zstd"),
    "gzip cut off": lambda: compressed(gzip.compress(GOOD)[:-10]),
    "gzip with a wrong sum": lambda: compressed(gzip.compress(GOOD)[:-8] + b"\0" * 8),
    "no gzip at all": lambda: compressed(b"this is not gzip"),
    "zstd cut off": lambda: compressed(zstandard.compress(GOOD * 100)[:-6], "zstd"),
    "unknown compression": lambda: compressed(GOOD, "lz77"),
    "an integer": lambda: wire.pack(5) * 3,
    "a map": lambda: wire.pack({"tag": 1}),
    "an empty array": lambda: wire.pack([]),
    "a tag alone": lambda: wire.pack([TAG]),
    "a tag that is a number": lambda: wire.pack([5, [[1, {}]]]),
    "entries that are a number": lambda: wire.pack([TAG, 5]),
    "five elements": lambda: wire.pack([TAG, 1, {}, {}, {}]),
    "an option that is no map": lambda: wire.pack([TAG, [[1, {"n": 1}]], 7]),
    "an entry cut off in a chunk": lambda: wire.packed_frame(TAG, GOOD + GOOD[:5]),
    "garbage after entries": lambda: wire.packed_frame(TAG, GOOD + b"\xc1"),
    "fluent bit metrics": lambda: wire.packed_frame(TAG, GOOD, {"fluent_signal": 1}),
    "fluent bit traces": lambda: wire.packed_frame(TAG, GOOD, {"fluent_signal": 2}),
}


def refused(penstock) -> dict[str, float]:
    return penstock.metrics().by("penstock_messages_refused_total", "reason")


def assert_within_memory(penstock) -> None:
    assert penstock.is_running
    if not is_sanitized():  # a sanitizer's shadow is not ours to account for
        peak = penstock.memory_peak_bytes()
        assert peak <= MEMORY_LIMIT, f"{peak / 2**20:.0f} MiB"


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """One process for all broken input, as in life; it must be the same one at the end."""
    with KinesisProcess(streams={"projects": 1, "operations": 1, "audit": 1}) as kinesis:
        config = three_streams(kinesis.endpoint, memory_limit="256MiB")
        penstock = Penstock(tmp_path_factory.mktemp("victim"), config).start()
        penstock.kinesis = kinesis
        with ForwardClient(forward_port(config), timeout_s=30) as bystander:
            penstock.bystander = bystander
            yield penstock
            bystander.send_acked(wire.forward, "app.good", EVENT)
        assert_within_memory(penstock)
        print(penstock.log()[-4000:])
        penstock.close()


@pytest.mark.parametrize("case", BROKEN)
def test_broken_input_is_refused_counted_and_harms_nobody(victim, case):
    before, received = refused(victim), victim.metrics().received
    with ForwardClient(forward_port(victim.config), timeout_s=30) as client:
        try:
            client.send(BROKEN[case]())
            client.half_close()
        except OSError:
            pass  # it has hung up already
        rest = client.wait_closed()
    assert rest == b"", "nothing is acked"
    after = wait_until(lambda: (now := refused(victim)) != before and now, f"a reason is counted for {case}")
    changed = {reason: count - before.get(reason, 0) for reason, count in after.items()
               if count != before.get(reason, 0)}
    assert len(changed) == 1 and "" not in changed and sum(changed.values()) == 1, changed
    if case.startswith("fluent bit"):
        assert not any(reason in before for reason in changed) or case.endswith("traces"), "a reason of its own"
    assert victim.metrics().received == received
    victim.bystander.send_acked(wire.forward, "app.good", EVENT)
    assert_within_memory(victim)


def test_what_came_whole_before_the_broken_frame_still_counts(victim):
    received = victim.metrics().received
    with ForwardClient(forward_port(victim.config)) as client:
        client.send(wire.packed_forward(TAG, EVENT * 3, {"chunk": "good"}) + b"\xc1\xc1\xc1")
        client.wait_ack("good")
        client.wait_closed()
    assert victim.metrics().received == received + 3
    victim.wait_settled(received + 3)


def test_sixty_deep_is_deep_enough_for_anybody(victim):
    record = {"k": 1}
    for _ in range(55):
        record = {"k": record}
    victim.bystander.send_acked(wire.forward, "app.good", [(1, record)])


def test_the_log_stays_readable_when_everything_is_broken(victim):
    """Ten thousand bad peers must not become ten thousand lines, and no line quotes what they sent."""
    lines = len(victim.log().splitlines())
    port = forward_port(victim.config)
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
            peer.sendall(wire.pack([5, "SECRET-CONTENT"]))
            peer.settimeout(60)
            try:
                peer.recv(1)
            except ConnectionError:
                pass
    assert len(victim.log().splitlines()) - lines < 100
    assert "SECRET-CONTENT" not in victim.log()


def test_a_client_that_reads_no_acks_holds_up_nobody(victim):
    """It asks for an ack for each of many small chunks and never reads one."""
    port = forward_port(victim.config)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        deaf.setblocking(False)
        chunk = "c" * 1000
        frames = b"".join(wire.forward(TAG, [(1, {"n": i})], {"chunk": chunk + str(i)}) for i in range(2000))
        end = time.monotonic() + 5
        sent = 0
        while time.monotonic() < end and sent < 20 * len(frames):
            try:
                sent += deaf.send(frames[sent % len(frames):])
            except BlockingIOError:
                victim.bystander.send_acked(wire.forward, "app.good", EVENT)
            except ConnectionError:
                break
        victim.bystander.send_acked(wire.forward, "app.good", EVENT)
        assert_within_memory(victim)


@pytest.mark.long
@pytest.mark.timeout(200)
def test_unread_acks_and_unfinished_messages_are_ended_after_a_minute(victim):
    port = forward_port(victim.config)
    unfinished = ForwardClient(port, timeout_s=100)
    unfinished.send(wire.packed_forward(TAG, EVENT * 10)[:-1])
    idle = ForwardClient(port)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", port))
    deaf.settimeout(100)
    began = time.monotonic()
    with pytest.raises(OSError):
        while True:
            deaf.sendall(wire.forward(TAG, [(1, {})], {"chunk": "c" * 60_000}))
    assert time.monotonic() - began < 90
    unfinished.wait_closed(100)
    assert 50 < time.monotonic() - began < 100
    idle.send_acked(wire.forward, TAG, EVENT)  # between messages there is no deadline
    deaf.close()


def test_two_thousand_connections_are_a_thousand_and_the_rest_is_turned_away(victim):
    port = forward_port(victim.config)
    before = sum(refused(victim).values())
    peers = []
    try:
        for _ in range(2000):
            peers.append(socket.create_connection(("127.0.0.1", port), timeout=60))
        victim.bystander.send_acked(wire.forward, "app.good", EVENT)
        wait_until(lambda: 1000 <= victim.metrics().sum("penstock_connections", source="forward") <= 1024,
                   "as many as max_connections are held")
        wait_until(lambda: sum(refused(victim).values()) >= before + 2000 - 1024, "the others are counted")
        assert_within_memory(victim)
    finally:
        for peer in peers:
            peer.close()
    victim.wait_connections(1)  # the bystander's
    with ForwardClient(port) as client:
        client.send_acked(wire.forward, "app.good", EVENT)


def test_large_messages_at_once_wait_for_memory_and_all_go_through(victim):
    """Each is below max_message, together they are several times the limit: taken one after the other."""
    port = forward_port(victim.config)
    record = {"message": "y" * 1_000_000}
    events = 30
    clients = [ForwardClient(port, timeout_s=90) for _ in range(12)]
    received = victim.metrics().received
    frames = [wire.packed_forward("app.large", [(1, {**record, "n": f"{i}-{j}"}) for j in range(events)],
                                  {"chunk": str(i)}) for i in range(len(clients))]
    senders = [threading.Thread(target=client.send, args=(frame,), daemon=True) for client, frame in zip(clients, frames)]
    for sender in senders:
        sender.start()
    for i, client in enumerate(clients):
        client.wait_ack(str(i))
    for sender in senders:
        sender.join()
    for client in clients:
        client.close()
    assert victim.metrics().received == received + len(clients) * events
    assert_within_memory(victim)


@pytest.mark.parametrize("announced", [60 << 20, 20 << 20])
def test_senders_that_stall_inside_large_messages_hold_up_no_small_ones(kinesis, start_penstock, announced):
    config = three_streams(kinesis.endpoint)
    config["sources"].append(http_source())
    penstock = start_penstock(config)
    port = forward_port(config)
    start = b"\x93" + wire.pack(TAG) + b"\xc6" + struct.pack(">I", announced) + bytes(1000)
    with ForwardClient(port) as bystander:
        stalled = [ForwardClient(port) for _ in range(6)]
        try:
            for sender in stalled:
                sender.send(start)
            penstock.wait_metric("penstock_bytes_received_total", 3 * len(start), source="forward")
            bystander.send_acked(wire.forward, TAG, EVENT)
            assert post(source_port(config, "http"), b'{"message":"x"}').status == 200
            with ForwardClient(port) as late:
                late.send_acked(wire.packed_forward, TAG, EVENT)
        finally:
            for sender in stalled:
                sender.close()
        bystander.send_acked(wire.compressed_forward, TAG, EVENT)


def test_a_message_over_max_message_is_refused_before_it_is_read(victim):
    with ForwardClient(forward_port(victim.config), timeout_s=30) as client:
        client.send(b"\x92" + wire.pack(TAG) + b"\xc6" + struct.pack(">I", MAX_MESSAGE + 1000) + b"x" * 1000)
        client.wait_closed()
    # One that has no size up front is cut off when it has grown past the limit.
    with ForwardClient(forward_port(victim.config), timeout_s=60) as client:
        client.send(b"\x92" + wire.pack(TAG) + b"\xdd\x00\x00\x10\x00")
        piece = msgpack.packb([1, {"m": "z" * 1_000_000}])
        with pytest.raises(OSError):
            for _ in range(150):
                client.send(piece)
        client.wait_closed()
    assert_within_memory(victim)
    victim.bystander.send_acked(wire.forward, "app.good", EVENT)


def test_plain_bytes_on_the_tls_port_are_refused(kinesis, start_penstock, certificates):
    tls = {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}
    penstock = start_penstock(three_streams(kinesis.endpoint, forward={"tls": tls}))
    port = forward_port(penstock.config)
    context = ssl.create_default_context(cafile=certificates.ca)
    with ForwardClient(port, tls=context) as bystander:
        for data in (wire.forward(TAG, EVENT), b"GET / HTTP/1.0\r\n\r\n", random_bytes(4), b"\x16\x03\x01\xff\xff" * 10):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
                plain.sendall(data)
                try:
                    plain.shutdown(socket.SHUT_WR)  # may find the connection already reset: then it was refused
                    while plain.recv(1000):
                        pass
                except OSError as ended:
                    assert not isinstance(ended, TimeoutError), "the refused connection was kept open"
        metrics = wait_until(
            lambda: (m := penstock.metrics()) and m.sum("penstock_messages_refused_total")
            + m.sum("penstock_auth_failures_total") >= 4 and m, "each is counted")
        assert metrics.received == 0
        bystander.send_acked(wire.forward, TAG, EVENT)


def test_one_connection_sending_junk_over_tls_leaves_the_others_alone(kinesis, start_penstock, certificates):
    tls = {"cert": str(certificates.server_cert), "key": str(certificates.server_key)}
    penstock = start_penstock(three_streams(kinesis.endpoint, forward={"tls": tls}))
    context = ssl.create_default_context(cafile=certificates.ca)
    with ForwardClient(forward_port(penstock.config), tls=context) as bystander:
        for seed in range(10):
            junk = ForwardClient(forward_port(penstock.config), tls=context)
            try:
                junk.send(random_bytes(seed))
            except OSError:
                pass  # refused by the first byte, and ended before the last was written
            junk.wait_closed()
            junk.close()
            bystander.send_acked(wire.forward, TAG, EVENT)
    wait_until(lambda: sum(refused(penstock).values()) == 10, "each is counted")
