"""penstock as a process: started with a configuration of its own, watched while it runs, ended in any way.

While it runs a thread reads /metrics without pause and checks the sum of events at each scrape; a test that
ends with a scrape out of balance fails, whatever else it looked at.
"""

import http.client
import json
import math
import os
import signal
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path

import yaml

from .binary import PATIENCE, binary_path, sanitizer_runtime
from .metrics import Metrics, parse_metrics
from .ports import free_port
from .waiting import wait_until

SCRAPE_INTERVAL_S = 0.05
ACCESS_KEY = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_REGION": "us-east-1",
              "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


class Scraper(threading.Thread):
    def __init__(self, penstock: "Penstock"):
        super().__init__(name="scraper", daemon=True)
        self._penstock = penstock
        self._stopping = threading.Event()
        self.scrapes = 0
        self.violations: list[str] = []

    def run(self):
        while not self._stopping.wait(SCRAPE_INTERVAL_S):
            try:
                metrics = self._penstock.metrics()
            except (OSError, http.client.HTTPException):
                continue  # not up yet, or gone
            except AssertionError as error:
                self.violations.append(str(error))
                continue
            self.scrapes += 1
            if metrics.imbalance() != 0:
                self.violations.append(metrics.account())

    def stop(self):
        self._stopping.set()
        self.join(10)


class Penstock:
    def __init__(self, directory: Path, config: dict | None, *, environment: dict[str, str] | None = None,
                 arguments: list[str] | None = None, admin_port: int | None = None,
                 under: list[str] | None = None):
        """Without `config` it starts from the environment alone; `admin_port` then says where it serves.
        `under`: a command that runs it, and becomes it (as strace -D does)."""
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.config = config
        self.config_file = directory / "penstock.yaml"
        self._arguments, self._under = arguments or [], under or []
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8",
                             **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")},
                             **ACCESS_KEY, **(environment or {})}
        runtime = sanitizer_runtime()
        if runtime is not None and "LD_PRELOAD" in self._environment:
            self._environment["LD_PRELOAD"] = f"{runtime} {self._environment['LD_PRELOAD']}"
        self.admin_port = admin_port or int(config["admin"]["listen"].rpartition(":")[2])
        self._log_file = directory / "stderr.log"
        self._process: subprocess.Popen | None = None
        self._scraper: Scraper | None = None
        self.violations: list[str] = []
        self.scrapes = 0

    # --- its life

    def start(self, ready: bool = True) -> "Penstock":
        command = [*self._under, str(binary_path()), "run", *self._arguments]
        if self.config is not None:
            self.write_config(self.config)
            command += ["--config", str(self.config_file)]
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stderr=log, stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, cwd=self.directory,
                                             start_new_session=True)
        self._scraper = Scraper(self)
        self._scraper.start()
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, deadline_s: float = 30.0) -> None:
        def is_ready():
            if self._process.poll() is not None:
                raise AssertionError(f"penstock ended with {self._process.returncode}:\n{self.log()[-3000:]}")
            return self.get("/readyz")[0] == 200
        wait_until(is_ready, "penstock is ready", deadline_s)

    def write_config(self, config: dict) -> None:
        self.config = config
        temporary = self.config_file.with_suffix(".new")
        temporary.write_text(yaml.safe_dump(config, sort_keys=False))
        temporary.rename(self.config_file)

    def reload(self, config: dict, deadline_s: float = 30.0) -> None:
        """By SIGHUP; returns when a reload that read this configuration is done and in force. The watch of the file
        may have read it first, and may read it once more: how many reloads are counted says nothing."""
        self.write_config(config)
        written = math.floor(time.time() * 1000) / 1000  # the status says milliseconds
        self.signal(signal.SIGHUP)

        def read() -> float:
            last = self.status()["process"]["last_reload"]
            return datetime.fromisoformat(last).timestamp() if last else 0
        wait_until(lambda: read() >= written, "the configuration is reloaded", deadline_s)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def terminate(self, deadline_s: float = 40.0) -> int:
        """SIGTERM and the exit code it ends with."""
        self.signal(signal.SIGTERM)
        return self.wait(deadline_s)

    def stop_quickly(self, deadline_s: float = 40.0) -> int:
        """SIGINT: drains what is there without waiting for connections to come."""
        self.signal(signal.SIGINT)
        return self.wait(deadline_s)

    def kill(self) -> None:
        if self.is_running:
            self._process.kill()
        self.wait()

    def wait(self, deadline_s: float = 40.0) -> int:
        code = self._process.wait(deadline_s * PATIENCE)
        self._end_scraping()
        return code

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def _end_scraping(self) -> None:
        if self._scraper is not None:
            self._scraper.stop()
            self.violations += self._scraper.violations
            self.scrapes += self._scraper.scrapes
            self._scraper = None

    def leave_running(self) -> None:
        """The process outlives this one; nobody watches it any more."""
        self._end_scraping()
        self._process = None

    def close(self) -> None:
        """End of a test: whatever is left is killed, and the scrapes must have added up."""
        if self._process is not None:
            self.kill()
        assert not self.violations, f"the sum of events did not hold: {self.violations[:5]}"
        sanitizer = [line for line in self.log().splitlines() if "Sanitizer" in line or "runtime error" in line]
        assert not sanitizer, f"a sanitizer spoke: {sanitizer[:3]}"

    # --- what it says

    def get(self, path: str, timeout_s: float = 20.0) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=timeout_s * PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (ConnectionError, TimeoutError):
            if path == "/metrics":
                raise
            return 0, b""
        finally:
            connection.close()

    def metrics(self) -> Metrics:
        metrics = parse_metrics(self.get("/metrics")[1].decode())
        assert not metrics.undeclared(), f"not declared in src/metrics/known_labels.cc: {metrics.undeclared()}"
        return metrics

    def status(self) -> dict:
        return json.loads(self.get("/api/status")[1])

    def log(self) -> str:
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def wait_metric(self, metric: str, at_least: float, deadline_s: float = 30.0, **labels: str) -> float:
        return wait_until(lambda: (v := self.metrics().sum(metric, **labels)) >= at_least and (v or True),
                          f"{metric}{labels or ''} >= {at_least}", deadline_s)

    def wait_connections(self, count: int, source: str = "forward", deadline_s: float = 30.0) -> None:
        wait_until(lambda: self.metrics().sum("penstock_connections", source=source) == count,
                   f"{count} connections are held", deadline_s)

    def wait_settled(self, received: float, deadline_s: float = 30.0) -> Metrics:
        """Until so many events came in and none is pending; returns that scrape."""
        def settled():
            metrics = self.metrics()
            return metrics if metrics.received >= received and metrics.pending == 0 else None
        return wait_until(settled, f"{received} events received and none pending", deadline_s)

    # --- what it costs

    def memory_peak_bytes(self) -> int:
        """VmHWM: the most that was ever resident, which is what memory_limit speaks of."""
        return self._status_kib("VmHWM") * 1024

    def memory_bytes(self) -> int:
        return self._status_kib("VmRSS") * 1024

    def threads(self) -> int:
        return self._status_kib("Threads")

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status_kib(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise AssertionError(f"no {name} in /proc/{self.pid}/status")


def three_streams(endpoint: str, *, forward: dict | None = None, streams: dict | None = None,
                  spool: Path | None = None, **top) -> dict:
    """The configuration of the usual deployment: one Forward source, three streams by log_type.

    `forward` and `streams` (for every stream) override single options; `top` sets whole sections.
    """
    stream_options = {"region": "us-east-1", "endpoint": endpoint, **(streams or {})}
    config = {
        "sources": [{"forward": {"listen": f"127.0.0.1:{free_port()}", **(forward or {})}}],
        "routes": [{"log_type": "audit", "stream": "audit"},
                   {"log_type": "infrastructure", "stream": "operations"},
                   {"stream": "projects"}],
        "streams": {name: {"name": name, **stream_options} for name in ("projects", "operations", "audit")},
        "admin": {"listen": f"127.0.0.1:{free_port()}"},
        "drain_timeout": "20s",
    }
    if spool is not None:
        config["spool"] = {"directory": str(spool), "max_size": "512MiB"}
    config.update(top)
    return config


def forward_port(config: dict) -> int:
    return int(config["sources"][0]["forward"]["listen"].rpartition(":")[2])


def run_command(*arguments: str, environment: dict[str, str] | None = None, timeout_s: float = 60.0,
                stdin: str | None = None) -> subprocess.CompletedProcess:
    """Any subcommand, to its end."""
    return subprocess.run([str(binary_path()), *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout_s * PATIENCE, input=stdin if stdin is not None else "",
                          env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **ACCESS_KEY, **(environment or {})})


def seconds_since(began: float) -> float:
    return time.monotonic() - began
