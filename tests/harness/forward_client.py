"""A Forward client that can say anything, right or wrong. Frames are made here, byte by byte where it matters."""

import base64
import gzip
import hashlib
import os
import socket
import ssl
import struct
import time

import msgpack
import zstandard

from .binary import PATIENCE

CLIENT_HOSTNAME = "node-1.example"


def event_time(seconds: int, nanoseconds: int = 0) -> msgpack.ExtType:
    return msgpack.ExtType(0, struct.pack(">II", seconds, nanoseconds))


def pack(value) -> bytes:
    """bytes become bin, str becomes str, dicts keep their order."""
    return msgpack.packb(value, use_bin_type=True)


def entries(events: list[tuple[object, dict]]) -> bytes:
    return b"".join(pack([time_, record]) for time_, record in events)


def new_chunk() -> str:
    return base64.b64encode(os.urandom(16)).decode()


def message(tag: str, time_, record: dict, option: dict | None = None) -> bytes:
    return pack([tag, time_, record] if option is None else [tag, time_, record, option])


def forward(tag: str, events, option: dict | None = None) -> bytes:
    items = [[time_, record] for time_, record in events]
    return pack([tag, items] if option is None else [tag, items, option])


def packed_forward(tag: str, events, option: dict | None = None, *, as_str: bool = False) -> bytes:
    """As Fluentd sends it with `as_str`: the chunk under a str32 header, although it is no text."""
    return packed_frame(tag, entries(events), option, as_str=as_str)


def packed_frame(tag: str, body: bytes, option: dict | None = None, *, as_str: bool = False) -> bytes:
    header = (b"\xdb" if as_str else b"\xc6") + struct.pack(">I", len(body))
    tail = b"" if option is None else pack(option)
    return (b"\x92" if option is None else b"\x93") + pack(tag) + header + body + tail


def compressed_forward(tag: str, events, option: dict | None = None, *, how: str = "gzip", members: int = 1) -> bytes:
    """Several gzip members (or zstd frames) back to back, as Fluentd appends to a chunk."""
    compress = gzip.compress if how == "gzip" else zstandard.ZstdCompressor().compress
    size = max(1, (len(events) + members - 1) // members)
    body = b"".join(compress(entries(events[i:i + size])) for i in range(0, max(len(events), 1), size))
    return packed_frame(tag, body, {"compressed": how, **(option or {})})


class Refused(Exception):
    """The server said no, with its reason."""


class ForwardClient:
    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, shared_key: str | None = None,
                 username: str = "", password: str = "", hostname: str = CLIENT_HOSTNAME, timeout_s: float = 30.0,
                 host: str = "127.0.0.1", handshake: bool | None = None, preamble: bytes = b""):
        """preamble: what comes before TLS and the protocol, such as a PROXY header."""
        self._socket = socket.create_connection((host, port), timeout=timeout_s * PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(preamble)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self._unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="surrogateescape")
        self.acks: list[str] = []
        if handshake if handshake is not None else shared_key is not None:
            self.handshake(shared_key or "", username, password, hostname)

    @property
    def tls_version(self) -> str:
        return self._socket.version()

    def handshake(self, shared_key: str, username: str, password: str, hostname: str) -> None:
        hello = self.read_value()
        assert hello[0] == "HELO" and len(hello) == 2, hello
        nonce, auth = _bytes(hello[1]["nonce"]), _bytes(hello[1].get("auth", ""))
        salt = os.urandom(16)
        digest = hashlib.sha512(salt + hostname.encode() + nonce + shared_key.encode()).hexdigest()
        password_digest = hashlib.sha512(auth + username.encode() + password.encode()).hexdigest() if auth else ""
        self.send(pack(["PING", hostname, salt, digest, username, password_digest]))
        pong = self.read_value()
        assert pong[0] == "PONG" and len(pong) == 5, pong
        if not pong[1]:
            raise Refused(pong[2])
        server = pong[3]
        assert server != hostname
        expected = hashlib.sha512(salt + server.encode() + nonce + shared_key.encode()).hexdigest()
        assert pong[4] == expected, "the server does not know the key"

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_acked(self, frame_of, *args, **kwargs) -> str:
        """Sends a frame made by one of the functions above with a fresh chunk id and waits for its ack."""
        chunk = new_chunk()
        option = {**(kwargs.pop("option", None) or {}), "chunk": chunk}
        self.send(frame_of(*args, option=option, **kwargs))
        self.wait_ack(chunk)
        return chunk

    def read_value(self):
        while True:
            try:
                return next(self._unpacker)
            except StopIteration:
                pass
            data = self._socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self._unpacker.feed(data)

    def read_ack(self) -> str:
        value = self.read_value()
        assert isinstance(value, dict) and list(value) == ["ack"], value
        self.acks.append(value["ack"])
        return value["ack"]

    def wait_ack(self, chunk: str) -> None:
        while chunk not in self.acks:
            self.read_ack()

    def has_input(self, within_s: float) -> bool:
        """Whether something, or the end, arrives within so many seconds."""
        before = self._socket.gettimeout()
        self._socket.settimeout(within_s)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(before)
        self._unpacker.feed(data)
        return True

    def wait_closed(self, deadline_s: float = 30.0) -> bytes:
        """Until the server ends the connection; returns what it still said."""
        deadline_s *= PATIENCE
        end = time.monotonic() + deadline_s
        rest = b""
        while True:
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self._socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return rest
            except TimeoutError:
                raise AssertionError(f"the server kept the connection open for {deadline_s:g} s") from None
            if not data:
                return rest
            rest += data

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "ForwardClient":
        return self

    def __exit__(self, *_):
        self.close()


def _bytes(value) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
