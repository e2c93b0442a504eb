"""Another Forward-to-Kinesis server in the place of penstock, so that its losses and repeats can be compared by the
same seed. It is a shell command that finds what it needs in its environment:

  PROVE_FORWARD_PORT      listen here (127.0.0.1, plain TCP) and ack each chunk that has one
  PROVE_KINESIS_ENDPOINT  http://127.0.0.1:PORT, with the streams projects, operations and audit
  PROVE_DIRECTORY         keep here what must outlive a kill
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION

log_type `audit` belongs to audit, `infrastructure` to operations, everything else to projects.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from .binary import PATIENCE
from .daemon import ACCESS_KEY
from .waiting import wait_until


class CommandServer:
    """Has what harness.prove needs of harness.daemon.Penstock."""

    violations: list[str] = []  # it says nothing that could be checked
    scrapes = 0

    def __init__(self, command: str, directory: Path, port: int, endpoint: str, kept: Path):
        self._command, self._port = command, port
        directory.mkdir(parents=True, exist_ok=True)
        kept.mkdir(parents=True, exist_ok=True)
        self._log_file = directory / "output.log"
        self._environment = {**os.environ, **ACCESS_KEY, "PROVE_FORWARD_PORT": str(port),
                             "PROVE_KINESIS_ENDPOINT": endpoint, "PROVE_DIRECTORY": str(kept)}
        self._process: subprocess.Popen | None = None

    def start(self, ready: bool = True) -> "CommandServer":
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(["sh", "-c", self._command], env=self._environment, stdout=log, stderr=log,
                                             stdin=subprocess.DEVNULL, start_new_session=True)
        if ready:
            wait_until(self._listens, f"it listens on port {self._port}", 60)
        return self

    def _listens(self) -> bool:
        assert self.is_running, f"it ended with {self._process.returncode}: {self.log()[-3000:]}"
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
            return True
        except OSError:
            return False

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self._log_file.read_text(errors="replace")

    def signal(self, number: int) -> None:
        """To all of its processes: a shell, a supervisor and its workers."""
        if self.is_running:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()

    def stop_quickly(self) -> int:
        """SIGTERM, and SIGKILL if it does not end: how long it may take is its own affair."""
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(60 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        return 0

    def wait_settled(self, still_missing, quiet_s: float = 10.0) -> None:
        """Until nothing is missing, or nothing of it has come for a while: that will be reported as lost."""
        missing, until = still_missing(), time.monotonic() + quiet_s * PATIENCE
        while missing and time.monotonic() < until:
            time.sleep(0.2)
            if (now := still_missing()) < missing:
                missing, until = now, time.monotonic() + quiet_s * PATIENCE
