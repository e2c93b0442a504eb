"""scripts/bench, with few events: its figures mean nothing here, but all that it sends must arrive and be told of."""

import json
import os
import subprocess

import pytest

from harness.binary import REPOSITORY, binary_path

BENCH = REPOSITORY / "scripts/bench"
PROGRAMS = ("bench-sink", "bench-load", "bench-floor")


@pytest.fixture
def build_directory():
    """Where the bench's programs are: presets without PENSTOCK_BENCHES have none."""
    directory = binary_path().parent
    if not all(os.access(directory / name, os.X_OK) for name in PROGRAMS):
        pytest.skip(f"{directory} is a build without the bench's programs")
    return directory


def run_bench(*arguments):
    return subprocess.run([str(BENCH), *map(str, arguments)], capture_output=True, text=True, timeout=100)


def test_each_form_delivers_all_that_was_sent_and_has_its_row(build_directory, tmp_path):
    figures = tmp_path / "figures.json"

    done = run_bench("--quick", "--no-build", "--build", build_directory, "--spool", tmp_path, "--json", figures)

    assert done.returncode == 0, done.stderr
    results = json.loads(figures.read_text())
    assert [result["form"] for result in results] == ["plain", "tls routes", "disk"]
    for result in results:
        assert f"| {result['form']} " in done.stdout
        assert result["wire_bytes_per_event"] > 1000  # each record is that long
        assert 0 < result["ack_p50_ms"] <= result["ack_p99_ms"]
        assert 0 < result["put_p50_ms"] <= result["put_p99_ms"]
    assert "fdatasync" in done.stdout  # the disk's own rate stands beside
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json"]  # nothing is left behind


def test_a_backlog_survives_a_kill_and_is_drained_within_the_memory_limit(build_directory, tmp_path):
    done = run_bench("--no-build", "--build", build_directory, "--spool", tmp_path, "--backlog", 0.2)

    assert done.returncode == 0, done.stderr
    assert "Backlog of 200,324 events" in done.stdout
    assert "drained" in done.stdout
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_each_source_delivers_the_same_events(build_directory, tmp_path):
    figures = tmp_path / "figures.json"

    done = run_bench("--sources", "--quick", "--no-build", "--build", build_directory, "--json", figures)

    assert done.returncode == 0, done.stderr
    results = {result["form"]: result for result in json.loads(figures.read_text())}
    assert list(results) == ["forward", "ndjson", "json-array", "otlp-protobuf", "otlp-json", "ndjson gzip", "ndjson tls",
                             "ndjson gzip tls", "otlp-protobuf gzip", "otlp-json gzip"]
    for name, result in results.items():
        assert f"| {name} " in done.stdout
        assert (result["received_bytes_per_event"] > 1000) != ("gzip" in name)
    # The same records: what HTTP adds and takes away is its heads alone, but for OTLP's other names.
    wire = {name: result["wire_bytes_per_event"] for name, result in results.items()}
    assert abs(wire["ndjson"] - wire["forward"]) < 50 and abs(wire["json-array"] - wire["ndjson"]) < 50
    assert abs(wire["ndjson gzip tls"] - wire["ndjson"]) < 50
    assert abs(wire["otlp-json"] - wire["otlp-protobuf"]) < 50


def test_a_sink_that_counts_too_little_fails_the_run(build_directory, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in (*PROGRAMS, "penstock"):
        (programs / name).symlink_to(build_directory / name)
    (programs / "bench-sink").unlink()
    (programs / "bench-sink").write_text(f"""#!/bin/sh
exec {build_directory}/bench-sink "$@" --forget 1
""")
    (programs / "bench-sink").chmod(0o755)

    done = run_bench("--quick", "--no-build", "--build", programs, "--forms", "plain")

    assert done.returncode == 1
    assert "arrived" in done.stderr
