"""Senders that go on through every change of the configuration: Forward and HTTP, each message acked or sent again."""

import base64
import http.client
import itertools
import json
import socket
import ssl
import threading
import time
from collections import Counter
from pathlib import Path

from . import forward_client as wire
from .binary import PATIENCE
from .forward_client import ForwardClient, Refused
from .http_client import source_port

PROXY = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"
TAGS = ("app.x", "app.y", "k8s-audit.log", "journal.system", "kubernetes.var.log.containers.a_b_c-1.log")
EVENTS = 5  # of a message
SERVICE_TOKEN = "token-of-a-service-account"
TROUBLE = (OSError, EOFError, http.client.HTTPException, Refused, AssertionError)


def first_line(path: str) -> str:
    return Path(path).read_text().splitlines()[0]


class SteadySenders:
    """They connect as `config` says at that moment."""

    def __init__(self, config: dict, certificates, prefix: str, pause_s: float):
        self.config = config
        self.acked: set[str] = set()
        self.tries: Counter = Counter()  # of each event: more than one where an answer did not come
        self.answers = 0
        self._certificates, self._pause_s = certificates, pause_s
        self._stopping = threading.Event()
        self._giving_up = False
        self._lock = threading.Lock()
        self.last_trouble = ""
        kinds = {f"{prefix}-{kind}-{i}": connect for kind, connect in (("forward", self._forward), ("http", self._http))
                 for i in range(2)}
        self._threads = [threading.Thread(target=self._run, args=(name, send), name=name, daemon=True)
                         for name, send in kinds.items()]

    def __enter__(self) -> "SteadySenders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        """After the answer to what is on its way."""
        self._stopping.set()
        deadline = time.monotonic() + 120 * PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        waiting = [thread.name for thread in self._threads if thread.is_alive()]
        self._giving_up = True
        assert not waiting, f"not answered: {waiting}: {self.last_trouble}"

    def _run(self, name: str, connect) -> None:
        """connect(): a function that sends one message and returns when it is acked."""
        send = close = None
        for number in itertools.count():
            if self._stopping.wait(self._pause_s):
                break
            ids = [f"{name}-{number}-{i}" for i in range(EVENTS)]
            chunk = wire.new_chunk()
            while not self._giving_up:
                self.tries.update(ids)
                try:
                    if send is None:
                        send, close = connect()
                    send(TAGS[number % len(TAGS)], chunk, ids)
                    break
                except TROUBLE as trouble:
                    self.last_trouble = repr(trouble)
                    if close is not None:
                        close()
                    send = close = None
                    time.sleep(0.02)  # as a collector waits before it connects again
            else:
                break
            with self._lock:
                self.acked.update(ids)
                self.answers += 1
        if close is not None:
            close()

    def _tls(self, source: dict) -> ssl.SSLContext | None:
        if "tls" not in source:
            return None
        context = ssl.create_default_context(cafile=str(self._certificates.ca))
        context.load_cert_chain(self._certificates.client_cert, self._certificates.client_key)
        return context

    def _source(self, kind: str) -> dict:
        return next(source[kind] for source in self.config["sources"] if kind in source)

    def _forward(self):
        source = self._source("forward")
        keys = [source["shared_key_file"]] if "shared_key_file" in source else source.get("shared_key_files", [])
        user = source.get("users", [None])[0]
        client = ForwardClient(source_port(self.config, "forward"), tls=self._tls(source), timeout_s=30,
                               shared_key=first_line(keys[0]) if keys else None,
                               username=user["name"] if user else "",
                               password=first_line(user["password_file"]) if user else "",
                               preamble=PROXY if source.get("proxy_protocol") else b"")

        def send(tag: str, chunk: str, ids: list[str]) -> None:
            client.send(wire.packed_forward(tag, [(1, record(each)) for each in ids], {"chunk": chunk}))
            client.wait_ack(chunk)
        return send, client.close

    def _http(self):
        source = self._source("http")
        connection = http.client.HTTPConnection("localhost")
        plain = socket.create_connection(("127.0.0.1", source_port(self.config, "http")), timeout=60 * PATIENCE)
        plain.sendall(PROXY if source.get("proxy_protocol") else b"")
        context = self._tls(source)
        connection.sock = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        connection.auto_open = 0

        def send(_tag: str, _chunk: str, ids: list[str]) -> None:
            body = b"".join(json.dumps(record(each)).encode() + b"\n" for each in ids)
            connection.request("POST", "/", body, authorization(self._source("http")))
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise OSError(f"answered with {response.status}")
        return send, connection.close


def record(id_: str) -> dict:
    return {"id": id_, "group": "g" + id_[-1], "text": json.dumps({"id": id_}), "message": "m" * 200}


def authorization(source: dict) -> dict[str, str]:
    auth = source.get("auth", {})
    if auth.get("bearer_token_files"):
        return {"Authorization": "Bearer " + first_line(auth["bearer_token_files"][0])}
    if auth.get("basic"):
        user = auth["basic"][0]
        pair = f"{user['name']}:{first_line(user['password_file'])}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {"Authorization": f"Bearer {SERVICE_TOKEN}"} if auth.get("service_accounts") else {}
