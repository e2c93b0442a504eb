"""The processes of scripts/bench: penstock, the floor, the sink and the load generator, each started and ended by
its pid, and what the kernel says about them. Standard library only.
"""

import hashlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from harness.certificates import self_signed as make_certificate  # noqa: E402
from harness.ports import free_port  # noqa: E402

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
UNDER_TIMES = 4  # what runs under valgrind takes so much longer to start and to end
LINE_TIMEOUT_S = 60
SILENCE_S = 15  # then what has not arrived is lost
SHARED_KEY = "bench-shared-key"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


class BenchError(Exception):
    """Something did not run as it must for a figure to mean anything."""


def pairs(line):
    """"records 5 cpu 0.1" -> {"records": 5.0, "cpu": 0.1}"""
    words = line.split()
    return {name: float(value) for name, value in zip(words[::2], words[1::2])}


class Process:
    """One process of ours. Its CPU and memory are read from /proc."""

    def __init__(self, name, command, environment=None, cwd=None, log=None, under=()):
        """`under`: the command that runs it, such as valgrind and its flags."""
        self.name = name
        self._patience = UNDER_TIMES if under else 1
        command = [*under, *command]
        self._log = log
        with open(log or os.devnull, "ab") as stderr:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=stderr, env=environment, cwd=cwd)

    @property
    def pid(self):
        return self.process.pid

    def line(self, timeout_s=LINE_TIMEOUT_S):
        """The next line it prints."""
        if not select.select([self.process.stdout], [], [], timeout_s)[0]:
            raise BenchError(f"{self.name} says nothing for {timeout_s} s{self.last_words()}")
        line = self.process.stdout.readline().decode()
        if not line:
            raise BenchError(f"{self.name} ended with {self.process.wait(STOP_TIMEOUT_S)}{self.last_words()}")
        return line

    def last_words(self):
        text = Path(self._log).read_text(errors="replace") if self._log and Path(self._log).exists() else ""
        return ":\n" + text[-2000:] if text else ""

    def wait_listening(self):
        """The time (monotonic) at which its port was there."""
        end = time.monotonic() + START_TIMEOUT_S * self._patience
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return time.monotonic()
            except OSError:
                time.sleep(0.002)
        raise BenchError(f"{self.name} does not listen{self.last_words()}")

    def cpu_s(self):
        """User and system time of all its threads, from /proc/PID/stat."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_kib(self, name):
        """VmHWM: the peak of what was resident; VmRSS: now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M).group(1))

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_TIMEOUT_S * self._patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


class Sink(Process):
    def __init__(self, build, directory, certificate=None, mark=False):
        command = [build / "bench-sink"]
        command += ["--tls", *certificate] if certificate else []
        command += ["--mark"] if mark else []
        super().__init__("bench-sink", command, log=directory / "sink.log")
        self.port = int(self.line().split()[1])

    def report(self):
        self.process.send_signal(signal.SIGUSR1)
        return pairs(self.line())

    def wait_for(self, records):
        """Its report, once so many records have arrived in all, or no more come."""
        arrived, since = -1, time.monotonic()
        while True:
            report = self.report()
            if report["records"] != arrived:
                arrived, since = report["records"], time.monotonic()
            if arrived >= records or time.monotonic() > since + SILENCE_S:
                return report
            time.sleep(0.02)


class Floor(Process):
    def __init__(self, build, directory, sink, certificate=None, sync_directory=None, under=()):
        command = [build / "bench-floor", "--sink", f"127.0.0.1:{sink.port}"]
        command += ["--sink-tls", "--tls", *certificate, "--shared-key", SHARED_KEY] if certificate else []
        command += ["--sync", sync_directory] if sync_directory else []
        super().__init__("bench-floor", command, log=directory / "floor.log", under=under)
        self.port = int(self.line().split()[1])


class Penstock(Process):
    def __init__(self, build, directory, sink, certificate=None, spool=None, routes=False, limits=None,
                 http=None, stream=None, under=()):
        """`http`: an HTTP source, too, and one with TLS by this certificate. `stream`: further options of each
        stream."""
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self.http_port, self.https_port, self.admin_port = (free_port() for _ in range(4))
        config = self._config(directory, sink, certificate, spool, routes, limits or {}, http)
        for options in config["streams"].values():
            options |= stream or {}
        (directory / "penstock.yaml").write_text(json.dumps(config, indent=1))  # JSON is YAML
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(directory), **KEYS}
        started = time.monotonic()
        super().__init__("penstock", [build / "penstock", "run", "--config", directory / "penstock.yaml"],
                         environment, directory, directory / "penstock.log", under)
        self.start_ms = (self.wait_listening() - started) * 1000
        self._wait_ready(started)
        self.idle_kib = self.memory_kib("VmRSS")

    def _config(self, directory, sink, certificate, spool, routes, limits, http):
        forward = {"listen": f"127.0.0.1:{self.port}"}
        if "max_message" in limits:
            forward["max_message"] = limits["max_message"]
        if certificate:
            (directory / "shared_key").write_text(SHARED_KEY)
            forward |= {"tls": {"cert": str(certificate[0]), "key": str(certificate[1])},
                        "shared_key_file": str(directory / "shared_key")}
        endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{sink.port}"
        names = ("projects", "operations", "audit") if routes else ("projects",)
        by_type = [{"log_type": "audit", "stream": "audit"}, {"log_type": "infrastructure", "stream": "operations"}]
        sources = [{"forward": forward}]
        if http:
            tls = {"cert": str(http[0]), "key": str(http[1])}
            sources += [{"http": {"listen": f"127.0.0.1:{self.http_port}"}},
                        {"http": {"name": "https", "listen": f"127.0.0.1:{self.https_port}", "tls": tls}}]
        config = {"sources": sources,
                  "routes": (by_type if routes else []) + [{"stream": "projects"}],
                  "streams": {name: {"name": name, "region": "us-east-1", "endpoint": endpoint} for name in names},
                  "admin": {"listen": f"127.0.0.1:{self.admin_port}"}}
        if "memory_limit" in limits:
            config["memory_limit"] = limits["memory_limit"]
        if certificate:
            config["aws"] = {"ca_bundle": str(certificate[0])}
        if spool:
            config["spool"] = {"directory": str(spool), "max_size": "8GiB"}
        return config

    def metric(self, name):
        """The sum over all labels."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def _wait_ready(self, started):
        while time.monotonic() < started + START_TIMEOUT_S * self._patience and self.process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=2)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.01)
        raise BenchError(f"penstock is not ready{self.last_words()}")

    def stop(self, number=signal.SIGINT):  # SIGINT: without the wait for connections to come
        super().stop(number)


def run_load(build, directory, port, options, timeout_s=300):
    """Runs bench-load to its end: what it prints, by name."""
    load = Process("bench-load", [build / "bench-load", "--to", f"127.0.0.1:{port}", *options],
                   log=directory / "load.log")
    try:
        return pairs(load.line(timeout_s))
    finally:
        load.stop()


def machine_busy_s():
    """CPU seconds that anything on this machine has used since it started."""
    user, nice, system, _, _, irq, soft_irq = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + soft_irq) / TICKS_PER_S


def machine_rates():
    """GB/s of one core: memcpy of 64 MiB, SHA-256 and AES-256-GCM of OpenSSL (None: there is no openssl). The best of
    some turns: what others do at the same time takes away, and never adds."""
    def best(size, work):
        took = []
        for _ in range(5):
            before = time.perf_counter()
            work()
            took.append(time.perf_counter() - before)
        return size / min(took) / 1e9

    source, target, block = bytearray(os.urandom(64 << 20)), bytearray(64 << 20), os.urandom(600_000)

    def copy():
        memoryview(target)[:] = source

    memory, sha256 = best(len(source), copy), best(len(block), lambda: hashlib.sha256(block).digest())
    if shutil.which("openssl") is None:
        return memory, sha256, None
    command = "openssl speed -mr -elapsed -seconds 1 -bytes 16384 -evp aes-256-gcm".split()
    speed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"^\+F:\d+:[^:]*:([\d.]+)", speed, re.M)
    return memory, sha256, float(found.group(1)) / 1e9 if found else None


def disk_rate(directory, size, seconds):
    """Appends of `size` bytes, each waited for with fdatasync: (MB/s, p50 ms, p99 ms)."""
    path = Path(directory) / "bench-disk-rate"
    block = os.urandom(size)
    took_ms = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(took_ms) * size < 2 << 30:
            before = time.monotonic()
            os.write(fd, block)
            os.fdatasync(fd)
            took_ms.append((time.monotonic() - before) * 1000)
    finally:
        os.close(fd)
        path.unlink()
    took_ms.sort()
    mb_per_s = len(took_ms) * size / 1e6 / (sum(took_ms) / 1000)
    return mb_per_s, took_ms[len(took_ms) // 2], took_ms[int(len(took_ms) * 0.99)]
