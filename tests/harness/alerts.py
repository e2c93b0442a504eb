"""The chart's alert rules, with their words in capitals replaced as the chart does (a test on the chart compares),
and Debian's Prometheus to try them: promtool for what would happen, prometheus for what does."""

import http.client
import json
import re
import shutil
import subprocess
import time
import urllib.parse
from pathlib import Path

import yaml

from .binary import PATIENCE
from .ports import free_port
from .waiting import wait_until

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "penstock"
DURATION = re.compile(r"(?<![\w.])(\d+)([smhd])\b")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def alert_groups(namespace: str = "logging", name: str = "penstock", pods: str | None = None,
                 certificate_seconds: int = 604800, backlog_seconds: int = 900) -> dict:
    text = (CHART / "alerts" / "penstock.yaml").read_text()
    space = f'namespace="{namespace}"'
    for word, value in {
        "PODS": pods if pods is not None else f'{space},pod=~"{name}-[0-9]+"',
        "STATEFULSET": f'{space},statefulset="{name}"',
        "CLAIMS": f'{space},persistentvolumeclaim=~"spool-{name}-[0-9]+"',
        "LAST_OVER_TIME": "last_over_time",
        "BACKLOG_SECONDS": str(backlog_seconds),
        "CERTIFICATE_SECONDS": str(certificate_seconds),
    }.items():
        text = text.replace(word, value)
    return yaml.safe_load(text)


def alert_names() -> list[str]:
    return [rule["alert"] for group in alert_groups()["groups"] for rule in group["rules"]]


def quickened(groups: dict, factor: int) -> dict:
    """The same rules with every duration so much shorter, for tests against a live Prometheus."""
    def shorter(text: str) -> str:
        return DURATION.sub(lambda m: f"{max(int(m[1]) * SECONDS[m[2]] // factor, 2)}s", text)
    for group in groups["groups"]:
        for rule in group["rules"]:
            rule["expr"] = shorter(rule["expr"]).replace("14400", str(14400 // factor))
            if "for" in rule:
                rule["for"] = shorter(rule["for"])
    return groups


def promtool(*arguments) -> subprocess.CompletedProcess:
    assert shutil.which("promtool"), "promtool is missing: run scripts/dependencies test"
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=120 * PATIENCE)


class Prometheus:
    """Scrapes penstock every second as the chart's ServiceMonitor would, with the labels that it adds."""

    def __init__(self, directory: Path, targets: dict[str, int], groups: dict | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        (directory / "rules.yaml").write_text(yaml.safe_dump(groups or {"groups": []}, width=1000))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(directory / "rules.yaml")],
            "scrape_configs": [{"job_name": "penstock", "static_configs": [
                {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "logging", "pod": pod}}
                for pod, port in targets.items()]}],
        }
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
        self._log = (directory / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={directory / 'prometheus.yaml'}",
             f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self._log, stderr=subprocess.STDOUT)
        wait_until(lambda: self._get("/-/ready")[0] == 200, "Prometheus is ready", 60)

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def query(self, expression: str) -> list[dict]:
        status, body = self._get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", f"{expression}: {answer.get('error')}"
        return answer["data"]["result"]

    def firing(self) -> set[str]:
        return {found["metric"]["alertname"] for found in self.query('ALERTS{alertstate="firing"}')}

    def wait_firing(self, alert: str, deadline_s: float = 60.0) -> float:
        """How long it took."""
        began = time.monotonic()
        wait_until(lambda: alert in self.firing(), f"{alert} fires", deadline_s)
        return time.monotonic() - began

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20 * PATIENCE)
        self._log.close()
