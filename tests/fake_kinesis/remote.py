"""The server in a process of its own: what a test of speed needs, because Python has one lock."""

import http.client
import inspect
import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

from .controls import Controls

ANSWER_S = 300  # counting what a long test delivered takes a busy machine a minute

class KinesisProcess:
    """Starts `python -m fake_kinesis`; every verb of Controls is a method here."""

    def __init__(self, streams: dict[str, int] | None = None, *, port: int = 0, cert: str | None = None,
                 key: str | None = None, arguments: list[str] | None = None):
        command = [sys.executable, "-m", "fake_kinesis", "--port", str(port)]
        for name, shards in (streams or {}).items():
            command += ["--stream", f"{name}:{shards}"]
        if cert:
            command += ["--tls-cert", cert, "--tls-key", key]
        self._tls = bool(cert)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        self._process = subprocess.Popen(command + (arguments or []), stdout=subprocess.PIPE, text=True,
                                         env=environment)
        line = self._process.stdout.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"fake_kinesis did not start: {line!r}")
        self.endpoint = line.split()[1]
        self.port = int(self.endpoint.rpartition(":")[2])

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> "KinesisProcess":
        return self

    def __exit__(self, *_):
        self.stop()

    def __getattr__(self, name: str):
        if name.startswith("_") or not hasattr(Controls, name):
            raise AttributeError(name)
        signature = inspect.signature(getattr(Controls, name))

        def call(*args, **kwargs):
            bound = signature.bind(None, *args, **kwargs).arguments  # None stands for self
            options = bound.pop("options", {})
            return self._call(name, {**{k: v for k, v in bound.items() if k != "self"}, **options})
        return call

    def _call(self, name: str, arguments: dict):
        if self._tls:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=ANSWER_S,
                                                     context=ssl._create_unverified_context())
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("POST", f"/_control/{name}", json.dumps(arguments))
            response = connection.getresponse()
            result = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{name}: {result['error']}")
        return result
