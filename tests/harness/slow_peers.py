"""Peers that begin something large and send a byte now and then; who is cut off comes back."""

import contextlib
import gzip
import itertools
import os
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass

from . import forward_client as wire

MIB = 2**20
TICK_S = 0.05


def _client_hello() -> bytes:
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def _forward(body: bytes, size: int) -> bytes:
    return b"\x93" + wire.pack("app.slow") + b"\xc6" + struct.pack(">I", size) + body


def _http(path: str, size: int, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {size}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _zeros_gzip(size: int) -> bytes:
    """A beginning of it inflates to a thousand times as much."""
    return gzip.compress(bytes(size), 9)


_EVENTS = wire.entries([(1, {"message": "s" * 1000})] * 2000)
_LINES = b'{"message":"slow"}\n' * 100_000
_NOISE = gzip.compress(os.urandom(2 * MIB), 1)

KINDS: dict[str, list[bytes]] = {  # by source: what its peers begin with, in turns
    "forward": [
        _forward(b"", 8 * MIB),
        _forward(_EVENTS, 8 * MIB),
        _forward(_NOISE, 8 * MIB),
        _forward(_zeros_gzip(30 * MIB), 8 * MIB),
        wire.pack("app.slow")[:1],
        b"\x92" + wire.pack("app.slow") + b"\xdd\x00\x0f\x42\x40" + _EVENTS[:300_000],  # a million entries are to come
    ],
    "http": [
        _http("/", 8 * MIB, b""),
        _http("/", 8 * MIB, _LINES),
        _http("/v1/logs", 8 * MIB, b'{"resourceLogs":[', "Content-Type: application/json"),
        _http("/v1/logs", 8 * MIB, b"\x0a\x80\x80\x80\x04" + bytes(MIB), "Content-Type: application/x-protobuf"),
        _http("/", 8 * MIB, _zeros_gzip(30 * MIB), "Content-Encoding: gzip"),
        _http("/", 8 * MIB, _NOISE, "Content-Encoding: gzip"),
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" + b" " * 500_000,
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    ],
    "syslog": [
        b"<13>1 - h a p m - " + b"x" * 200,
        b"1000000 <13>1 - h a p m - " + b"x" * 700_000,
        b"<13>1 - h a p m - " + b"y" * 900_000,
        b"9",
    ],
    "tls": [_client_hello()[:1], _client_hello()[:100], _client_hello()[:-1]],
}


@dataclass
class _Peer:
    port: int
    start: bytes
    connection: socket.socket | None = None
    unsent: bytes = b""
    next_byte: float = 0.0


class SlowPeers:
    """count peers at each of these (port, kind), each sending a byte every pause_s."""

    def __init__(self, sources: list[tuple[int, str]], count: int, pause_s: float = 1.0):
        self._peers = [_Peer(port, start) for port, kind in sources
                       for start in itertools.islice(itertools.cycle(KINDS[kind]), count)]
        self._pause_s = pause_s
        self.connects = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "SlowPeers":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(TICK_S):
            for peer in self._peers:
                with contextlib.suppress(OSError):
                    self._turn(peer, time.monotonic())
        for peer in self._peers:
            self._close(peer)

    def _turn(self, peer: _Peer, now: float) -> None:
        if peer.connection is None:
            peer.connection = socket.create_connection(("127.0.0.1", peer.port), timeout=10)
            peer.connection.setblocking(False)
            peer.unsent, peer.next_byte = peer.start, now + self._pause_s
            self.connects += 1
        try:
            if peer.unsent:
                peer.unsent = peer.unsent[peer.connection.send(peer.unsent):]
            elif now >= peer.next_byte:
                peer.connection.send(b"x")
                peer.next_byte = now + self._pause_s
            if not peer.connection.recv(65536):
                self._close(peer)
        except BlockingIOError:
            pass
        except OSError:
            self._close(peer)

    @staticmethod
    def _close(peer: _Peer) -> None:
        if peer.connection is not None:
            peer.connection.close()
        peer.connection = None
