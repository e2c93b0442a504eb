"""A headless Chromium (Debian's), driven by its own driver over the WebDriver protocol: nothing to install from npm."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import requests

from .binary import PATIENCE
from .ports import free_port
from .waiting import wait_until

DESKTOP, PHONE = (1400, 900), (390, 844)


class Browser:
    def __init__(self, directory: Path):
        assert shutil.which("chromedriver"), "chromedriver is missing: run scripts/dependencies test"
        directory.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self._log = (directory / "chromedriver.log").open("wb")
        self._driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=self._log, stderr=subprocess.STDOUT)
        self._base = f"http://127.0.0.1:{port}"
        wait_until(self._is_up, "chromedriver listens", 60)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            "--hide-scrollbars", f"--user-data-dir={directory / 'profile'}"]}
        made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self._session = f"/session/{made['sessionId']}"

    def _is_up(self) -> bool:
        try:
            return requests.get(self._base + "/status", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def _call(self, method: str, path: str, body: dict | None = None):
        answer = requests.request(method, self._base + path, data=json.dumps(body) if body is not None else None,
                                  timeout=120 * PATIENCE)
        value = answer.json()["value"]
        assert answer.status_code == 200, f"{path}: {value}"
        return value

    def command(self, name: str, **parameters):
        """Of Chromium's DevTools protocol."""
        return self._call("POST", self._session + "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def look(self, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
        self.command("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1,
                     mobile=size == PHONE)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        self._call("POST", self._session + "/url", {"url": url})

    def run(self, script: str, *arguments):
        return self._call("POST", self._session + "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def press(self, keys: str) -> None:
        element = self._call("GET", self._session + "/element/active")
        self._call("POST", f"{self._session}/element/{next(iter(element.values()))}/value", {"text": keys})

    def screenshot(self, path: Path, whole: bool = False) -> None:
        taken = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def accessibility_tree(self) -> list[dict]:
        """What a screen reader is given: role and name of each node."""
        self.command("Accessibility.enable")
        return [{"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
                for node in self.command("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]

    def errors(self) -> list[str]:
        """What the page's console complained about since the last look."""
        entries = self._call("POST", self._session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def close(self) -> None:
        self._call("DELETE", self._session)
        self._driver.terminate()
        self._driver.wait(20 * PATIENCE)
        self._log.close()
