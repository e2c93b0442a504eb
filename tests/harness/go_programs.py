"""Senders of others that are built from their Go modules, into .cache/go: Go's own cache makes the second time quick."""

import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from .ports import free_port
from .waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache/go"


def build(source: Path, timeout_s: float = 1200.0) -> Path:
    """The program of the module in `source`; the test is skipped where there is no Go to build it."""
    if shutil.which("go") is None:
        pytest.skip("no Go here to build it with")
    CACHE.mkdir(parents=True, exist_ok=True)
    binary = CACHE / source.name
    done = subprocess.run(["go", "build", "-o", str(binary), "."], cwd=source, capture_output=True, text=True,
                          timeout=timeout_s)
    assert done.returncode == 0, done.stderr[-3000:]
    return binary


class Collector:
    """An OpenTelemetry Collector: OTLP in, and out again by its otlphttp exporter."""

    def __init__(self, directory: Path, logs_endpoint: str, **exporter):
        binary = build(REPOSITORY / "bench/peers/otelcol")
        self.port = free_port()
        retry = {"enabled": True, "initial_interval": "100ms", "max_interval": "1s", "max_elapsed_time": "0s"}
        config = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{self.port}"}}}},
            "exporters": {"otlphttp": {"logs_endpoint": logs_endpoint, "retry_on_failure": retry,
                                       "sending_queue": {"enabled": True, "queue_size": 10_000}, **exporter}},
            "service": {"telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
                        "pipelines": {"logs": {"receivers": ["otlp"], "exporters": ["otlphttp"]}}}}
        (directory / "otelcol.yaml").write_text(json.dumps(config))  # JSON is YAML
        self._log_path = directory / "otelcol.log"
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen([str(binary), "--config", str(directory / "otelcol.yaml")], stdout=log,
                                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            wait_until(self._listens, "the Collector listens", 60)
        except AssertionError:
            self.stop()
            raise

    def _listens(self) -> bool:
        assert self._process.poll() is None, f"the Collector ended:\n{self.log()[-3000:]}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_):
        self.stop()
