"""The quickstart's verdict: it must fail, and name the record, when one is lost or astray. That it succeeds when all is
well shows in test_third_party.py, which compares the same way, and in each run of scripts/quickstart."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness import quickstart
from harness.binary import PATIENCE
from harness.node import Emulator
from harness.ports import free_port
from harness.samples import all_samples

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.outside


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """run() -> (exit code, stdout, stderr) of a quickstart whose files are the test's own."""
    def run_quickstart():
        monkeypatch.setattr(quickstart, "FOLDER", tmp_path)
        monkeypatch.setattr(quickstart, "RUNNING", tmp_path / "running")
        code = quickstart.run(keep=False)
        return code, *capsys.readouterr()
    return run_quickstart


def test_a_lost_record_fails_it_and_is_named(run, monkeypatch):
    read_back = quickstart.Quickstart.read_back

    def read_back_without_one(self):
        stored = read_back(self)
        stored["audit"].pop()
        return stored
    monkeypatch.setattr(quickstart.Quickstart, "read_back", read_back_without_one)
    code, out, errors = run()
    assert code == 1
    assert "FAILED: 1 records" in out and "arrived unharmed" not in out
    assert errors.count("\n") == 1 and errors.startswith('audit: MISSING  {')


def test_records_in_the_wrong_stream_fail_it_and_are_named(run, monkeypatch):
    def everything_to_projects(*arguments, **options):
        return three_streams(*arguments, **options, routes=[{"stream": "projects"}])
    three_streams = quickstart.three_streams
    monkeypatch.setattr(quickstart, "three_streams", everything_to_projects)
    code, out, errors = run()
    assert code == 1 and "FAILED" in out and "arrived unharmed" not in out
    astray = [sample for sample in all_samples() if sample.stream != "projects"]
    assert errors.count(": MISSING  {") == errors.count("projects: NOT SENT HERE  {") == len(astray) > 0


def test_a_client_that_gets_no_ack_fails_it(run, monkeypatch):
    def refused(*_, **__):
        return {"acked": 0, "failed": 1}
    monkeypatch.setattr(quickstart, "send_with_fluent_logger", refused)
    code, out, _ = run()
    assert code == 1 and "not every record was acked" in out


def test_the_readmes_lines_lead_to_an_event_in_a_stream(tmp_path, monkeypatch):
    """README.md, "Run it", without the quickstart itself: its local Kinesis and its environment are there, on other ports."""
    block = re.search(r"^## Run it\n.*?```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.M | re.S).group(1)
    begin, run, pause, *rest = block.splitlines()
    assert begin == "./scripts/quickstart --keep && source .cache/quickstart/environment" and pause == "sleep 1"
    monkeypatch.setattr(quickstart, "FOLDER", tmp_path)
    forward, admin = free_port(), free_port()
    kinesis = Emulator("kinesalite", tmp_path, {"projects": 1})
    try:
        left_running = quickstart.Quickstart()
        left_running.kinesis = kinesis
        script = "\n".join([
            f"source {left_running.write_environment()}", run,
            f"until curl -sf http://127.0.0.1:{admin}/readyz >/dev/null; do kill -0 %1 || exit 1; sleep 0.1; done",
            *(line.replace("24224", str(forward)) for line in rest), "kill %1", "wait %1"])
        shell = subprocess.Popen(
            ["bash", "-eo", "pipefail", "-c", script], cwd=ROOT, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={
                **os.environ, "FORWARD_PORT": str(forward), "ADMIN_PORT": str(admin), "SPOOL": str(tmp_path / "spool")})
        try:
            out, errors = shell.communicate(timeout=60 * PATIENCE)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
        assert (shell.returncode, out) == (0, '1 event acked\n{"message":"hello from my shell"}\n'), errors
    finally:
        kinesis.stop()
