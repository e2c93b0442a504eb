"""A sealed segment that is missing, empty, zeroed or cut: what the commands say of it, and what a start counts and delivers."""

import re
from pathlib import Path

import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, run_command, three_streams
from harness.forward_client import ForwardClient

CHUNKS, EVENTS = 40, 40  # of 1 KB each: several segments of 256 KiB


def fill(kinesis, start_penstock, spool: Path) -> dict:
    """Everything in the log of one stream, of a process that ended while Kinesis was away."""
    config = three_streams(kinesis.endpoint, spool=spool, routes=[{"stream": "projects"}])
    config["streams"] = {"projects": config["streams"]["projects"]}
    config["spool"]["max_size"] = "4MiB"
    config["drain_timeout"] = "1s"
    away = kinesis.add_fault("reset_before", operation="PutRecords")
    penstock = start_penstock(config)
    with ForwardClient(forward_port(config)) as client:
        for chunk in range(CHUNKS):
            client.send_acked(wire.packed_forward, "t", [
                (1, {"id": f"{chunk}.{i}", "message": "m" * 1000}) for i in range(EVENTS)])
    # The checkpoint says how much there is.
    assert penstock.stop_quickly() == 0
    kinesis.remove_fault(away)
    return config


def lost_events(answer) -> int:
    return int(re.search(r"entries with (\d+) events are missing", answer.stdout + answer.stderr).group(1))


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


@pytest.mark.parametrize("damage", [missing, empty, zeroed, cut], ids=lambda damage: damage.__name__)
def test_a_sealed_segment_with_damage_is_named_with_what_is_lost_and_the_rest_is_delivered(
        kinesis, start_penstock, tmp_path, damage):
    spool = tmp_path / "spool"
    config = fill(kinesis, start_penstock, spool)
    segments = sorted((spool / "streams" / "projects.1").glob("*.seg"))
    assert len(segments) >= 3
    for command in ("ls", "verify"):
        whole = run_command("spool", command, spool)
        assert (whole.returncode, whole.stderr) == (0, ""), command
    victim = segments[1]  # neither the oldest nor the newest
    damage(victim)

    told = {command: run_command("spool", command, spool) for command in ("ls", "verify")}
    for command, answer in told.items():
        assert answer.returncode == 1, (command, answer)
        why = {missing: f" (there is no {victim.name})", cut: ""}.get(damage, f" (nothing can be read of {victim.name})")
        assert re.search(rf"{victim.parent}: [1-9]\d* entries with {lost_events(answer)} events are missing{re.escape(why)}(;|$)",
                         answer.stderr if command == "ls" else answer.stdout, re.M), (command, answer)
    assert "projects " in told["ls"].stdout
    verified = told["verify"]
    assert "damaged: 1 file\n" in verified.stdout and f"damage found in {spool}" in verified.stderr
    assert "never acknowledged" not in verified.stdout
    if damage is cut:
        assert re.search(rf"{victim}: \d+ bytes of an entry that is cut off", verified.stdout), verified.stdout

    penstock = start_penstock(config)
    metrics = penstock.wait_settled(CHUNKS * EVENTS)
    lost = metrics.sum("penstock_events_dropped_total", reason="damaged")
    assert lost == lost_events(verified)
    delivered = kinesis.tally("projects", "id")
    assert len(delivered) + lost == CHUNKS * EVENTS
    assert f"{lost:.0f} events of stream projects are lost" in penstock.log()
    assert penstock.stop_quickly() == 0
    afterwards = run_command("spool", "verify", spool)
    # A file of which nothing can be read is kept aside, for whoever wants to look into it.
    is_kept = damage in (empty, zeroed)
    assert victim.with_suffix(".damaged").exists() == is_kept
    assert afterwards.returncode == (1 if is_kept else 0), afterwards
    assert ("1 files are damaged from their beginning" in afterwards.stdout) == is_kept
