"""scripts/bench, with few events: its figures mean nothing here, but all that it sends must arrive and be told of."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from harness.binary import REPOSITORY, binary_path

sys.path.append(str(REPOSITORY / "scripts/lib"))
import bench_instructions  # noqa: E402

BENCH = REPOSITORY / "scripts/bench"
PROGRAMS = ("bench-sink", "bench-load", "bench-floor")


@pytest.fixture
def build_directory():
    """Where the bench's programs are: presets without PENSTOCK_BENCHES have none."""
    directory = binary_path().parent
    if not all(os.access(directory / name, os.X_OK) for name in PROGRAMS):
        pytest.skip(f"{directory} is a build without the bench's programs")
    return directory


def run_bench(*arguments, timeout=100):
    return subprocess.run([str(BENCH), *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


def test_each_form_delivers_all_that_was_sent_and_has_its_row(build_directory, tmp_path):
    figures = tmp_path / "figures.json"

    done = run_bench("--quick", "--no-build", "--build", build_directory, "--spool", tmp_path, "--json", figures)

    assert done.returncode == 0, done.stderr
    results = json.loads(figures.read_text())
    assert [result["form"] for result in results] == ["plain", "tls routes", "disk plain"]
    for result in results:
        assert f"| {result['form']} " in done.stdout
        assert result["wire_bytes_per_event"] > 1000  # each record is that long
        assert 0 < result["ack_p50_ms"] <= result["ack_p99_ms"]
        assert 0 < result["put_p50_ms"] <= result["put_p99_ms"]
    assert "fdatasync" in done.stdout  # the disk's own rate stands beside
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json"]  # nothing is left behind


def test_a_quick_run_is_of_the_forms_that_are_named(build_directory, tmp_path):
    figures = tmp_path / "figures.json"

    done = run_bench("--quick", "--forms", "tls", "--no-build", "--build", build_directory, "--json", figures)

    assert done.returncode == 0, done.stderr
    assert [result["form"] for result in json.loads(figures.read_text())] == ["tls routes"]


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


def test_an_event_costs_no_more_instructions_and_copies_than_recorded(build_directory):
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind here")

    done = run_bench("--instructions", "--quick", "--no-build", "--build", build_directory, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| penstock |" in done.stdout and "| floor    |" in done.stdout


def test_what_is_higher_than_recorded_is_named_and_what_is_lower_is_to_be_recorded():
    recorded = {"plain 100": {"own": 10_000, "copied": 1_400, "blocks": 1.0}}

    higher, lower = bench_instructions.compare({"plain 100": {"own": 10_600, "copied": 700, "blocks": 1.1}}, recorded)
    assert higher == ["plain 100: instructions per event 10,600, recorded 10,000"]
    assert lower == ["plain 100: bytes copied per event 700, recorded 1,400"]

    assert bench_instructions.compare({"plain 100": recorded["plain 100"]}, recorded) == ([], [])
    assert bench_instructions.compare({"new": recorded["plain 100"]}, recorded)[0] != []  # nothing is recorded of it


def test_instructions_are_counted_where_they_run_and_not_where_they_are_called_from(tmp_path):
    profile = tmp_path / "callgrind.out"
    profile.write_text("""# callgrind format
events: Ir
ob=/opt/penstock
fl=a.cc
fn=work
0 100
cob=/usr/lib/libc.so.6
cfn=realloc
calls=3 0
0 5000
0 20
ob=/usr/lib/libc.so.6
fn=realloc
0 5000
totals: 5120
""")

    assert bench_instructions.read_callgrind(profile) == ({"penstock": 120, "libc": 5000}, 3)


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
