"""HTTP/1.1 by hand: an asyncio protocol is several times faster than a framework, and can break off anywhere.

One request at a time per connection; a client that pipelines is served in order.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass

HEAD_BYTES_MAX = 64 * 1024

_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout",
            411: "Length Required", 413: "Request Entity Too Large", 415: "Unsupported Media Type",
            429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
            503: "Service Unavailable", 504: "Gateway Timeout"}


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    connection: int


class Connection(asyncio.Protocol):
    def __init__(self, server, number: int):
        self._server = server
        self.number = number
        self._received = bytearray()
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._body_size = 0
        self._task: asyncio.Task | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport):
        self.transport = transport
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.connections.add(self)
        self._server.state.count("connections")

    def connection_lost(self, error):
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data):
        self._received += data
        self._next()

    def _next(self):
        if self._task is not None:
            return
        if self._head is None and not self._read_head():
            return
        if len(self._received) < self._body_size:
            return
        method, target, headers = self._head
        body = bytes(self._received[:self._body_size])
        del self._received[:self._body_size]
        self._head = None
        request = Request(method, target, headers, body, self.number)
        self._task = asyncio.get_running_loop().create_task(self._serve(request))

    async def _serve(self, request: Request):
        try:
            await self._server.serve(self, request)
        finally:
            self._task = None
        if not self.transport.is_closing():
            self._next()

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > HEAD_BYTES_MAX:
                self.transport.abort()
            return False
        lines = self._received[:end].decode("latin-1").split("\r\n")
        del self._received[:end + 4]
        method, target, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        self._head = (method, target, headers)
        if "transfer-encoding" in headers:
            self.answer(411, {}, b"")
            self.transport.close()
            return False
        self._body_size = int(headers.get("content-length", "0"))
        if self._body_size > self._server.state.max_body_bytes:
            self._server.state.count("too_large")
            self.answer(413, {"Connection": "close"}, b"")
            self.transport.close()
            return False
        if headers.get("expect", "").lower() == "100-continue":
            self._server.state.count("expect_continue")
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def answer(self, status: int, headers: dict[str, str], body: bytes, cut: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.transport.write(head + (body if cut is None else body[:cut]))

    def reset(self) -> None:
        """Closes with a TCP reset, so that the peer sees an error and not an end."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
