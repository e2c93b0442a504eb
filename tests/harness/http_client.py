"""A raw HTTP/1.1 client of the tests' own: for what well-behaved ones cannot be made to do."""

import http.client
import json
import socket
import ssl
from dataclasses import dataclass

from .binary import PATIENCE
from .ports import free_port


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    def json(self):
        return json.loads(self.body)


def http_source(**options) -> dict:
    return {"http": {"listen": f"127.0.0.1:{free_port()}", **options}}


def source_port(config: dict, kind: str) -> int:
    listen = next(source[kind]["listen"] for source in config["sources"] if kind in source)
    return int(listen.rpartition(":")[2])


def post(port: int, body: bytes, path: str = "/", *, method: str = "POST", tls: ssl.SSLContext | None = None,
         timeout_s: float = 60.0, **headers: str) -> Answer:
    """One request on a connection of its own; `Content_Type="…"` is the header Content-Type."""
    if tls is not None:
        connection = http.client.HTTPSConnection("localhost", port, timeout=timeout_s * PATIENCE, context=tls)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s * PATIENCE)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})
    finally:
        connection.close()


def snappy_literals(body: bytes) -> bytes:
    """The raw format without a single match: valid, if pointless."""
    size, out = len(body), bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    for at in range(0, len(body), 60):
        piece = body[at:at + 60]
        out.append(len(piece) - 1 << 2)
        out += piece
    return bytes(out)


class RawConnection:
    """Bytes out, answers in, one after the other."""

    def __init__(self, port: int, timeout_s: float = 30.0):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s * PATIENCE)
        self._file = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_request(self, body: bytes, path: str = "/", head: str = "") -> None:
        self.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body)

    def answer(self) -> Answer:
        line = self._file.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        status = int(line.split()[1])
        headers = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, self._file.read(int(headers.get("content-length", 0))), headers)

    def is_closed(self) -> bool:
        """Whether the other side ends within the timeout without another byte."""
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(self, *_):
        self.close()
