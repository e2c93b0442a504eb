"""The quickstart's verdict: it must fail, and name the record, when one is lost or astray. That it succeeds when all is
well shows in test_third_party.py, which compares the same way, and in each run of scripts/quickstart."""

import pytest

from harness import quickstart
from harness.samples import all_samples

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
