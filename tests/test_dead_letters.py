"""`penstock dead-letter` and `penstock spool` beside a running daemon: what could not be delivered is looked at, and
given back."""

import json

import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, run_command, three_streams
from harness.forward_client import ForwardClient
from harness.waiting import wait_until

POISON = 57


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def penstock(kinesis, start_penstock, spool):
    """One of a hundred records was refused by Kinesis, and is a dead letter."""
    running = start_penstock(three_streams(kinesis.endpoint, spool=spool))
    running.poison = kinesis.add_fault("error", operation="PutRecords", data_contains=f'"id":{POISON},',
                                       code="ValidationException")
    with ForwardClient(forward_port(running.config)) as client:
        client.send_acked(wire.packed_forward, "t", [(1, {"id": i, "log_type": "application"}) for i in range(100)])
    running.wait_settled(100)
    return running


def dead_letter(*arguments):
    return run_command("dead-letter", *arguments)


def test_dead_letters_are_listed_and_dumped_with_their_reason(penstock, spool):
    listed = dead_letter("ls", spool)
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[1].split()[:4] == ["projects", "refused", "1", "1"]
    dumped = dead_letter("dump", spool / "dead-letter")
    assert dumped.returncode == 0
    letter = json.loads(dumped.stdout)
    assert letter["reason"] == "refused" and letter["stream"] == "projects" and letter["tag"] == "t"
    assert letter["event"]["id"] == POISON
    assert json.loads(dead_letter("dump", spool, "--max", "1").stdout) == letter
    assert penstock.status()["spool"]["dead_letter_bytes"] > 0


def test_the_lists_are_one_json_document_too(penstock, spool):
    letters = json.loads(dead_letter("ls", spool, "--format", "json").stdout)
    assert letters["directory"] == str(spool)
    [pile] = letters["dead_letters"]
    assert (pile["stream"], pile["reason"], pile["letters"], pile["events"]) == ("projects", "refused", 1, 1)
    logs = json.loads(run_command("spool", "ls", spool, "--format", "json").stdout)["logs"]
    assert {log["stream"] for log in logs} == {"projects", "operations", "audit"}
    assert all(log["events_pending"] == 0 and log["bytes"] > 0 for log in logs)


def test_what_is_given_back_leaves_when_it_is_delivered(kinesis, penstock, spool):
    kinesis.remove_fault(penstock.poison)
    replayed = dead_letter("replay", spool, "--stream", "projects", "--wait")
    assert replayed.returncode == 0, replayed.stderr
    assert "1 dead letter with 1 event " in replayed.stdout
    assert kinesis.tally("projects", "id") == {str(i): 1 for i in range(100)}
    metrics = penstock.wait_settled(101)  # received once more, as source dead_letter
    assert metrics.sum("penstock_events_received_total", source="dead_letter") == 1
    assert metrics.delivered == 100
    assert len(dead_letter("ls", spool).stdout.splitlines()) == 1


def test_a_damaged_dead_letter_is_named_by_every_command_and_the_exit_code_says_so(penstock, spool):
    penstock.kill()
    [segment] = (spool / "dead-letter").glob("*.seg")
    stored = bytearray(segment.read_bytes())
    stored[stored.index(b"application")] ^= 1
    segment.write_bytes(stored)
    for arguments in (("ls", spool), ("dump", spool), ("ls", spool, "--format", "json")):
        answer = dead_letter(*arguments)
        assert answer.returncode == 1 and str(segment) in answer.stderr, arguments
    replayed = dead_letter("replay", spool)
    assert replayed.returncode == 1
    assert str(segment) in replayed.stderr and "1 events" in replayed.stderr
    assert "0 dead letters with 0 events to be replayed" in replayed.stdout


def test_foreign_files_in_a_spool_are_named_and_the_rest_is_listed(penstock, spool):
    foreign = [spool / "streams" / "audit.1" / "0000000000000077.seg", spool / "streams" / "core.1"]
    foreign[0].mkdir()
    foreign[1].write_bytes(b"core")
    for command in ("ls", "verify", "dump"):
        answer = run_command("spool", command, spool)
        assert answer.returncode == 1, command
        for path in foreign:
            assert str(path) in answer.stderr, command
    listed = run_command("spool", "ls", spool)
    assert {line.split()[0] for line in listed.stdout.splitlines()[1:]} >= {"projects", "operations", "audit"}


@pytest.mark.long
@pytest.mark.timeout(300)
def test_what_is_given_back_and_refused_again_stays(kinesis, penstock, spool):
    """Alone it looks like a stream that refuses everything, which is held for up to a minute: others tell it apart."""
    assert dead_letter("replay", spool).returncode == 0
    wait_until(lambda: "delivery is paused" in penstock.log(), "the letter was refused again")
    with ForwardClient(forward_port(penstock.config)) as client:
        client.send_acked(wire.packed_forward, "t", [(1, {"id": i, "log_type": "application"}) for i in range(100, 200)])
    penstock.wait_metric("penstock_events_dead_lettered_total", 2, deadline_s=120, reason="refused")
    penstock.wait_settled(201)
    assert json.loads(dead_letter("dump", spool).stdout)["event"]["id"] == POISON


@pytest.mark.parametrize("arguments, cure", [
    (("replay", "{spool}", "--stream", "projcets"), "dead-letter ls"),
    (("replay", "{spool}", "--reason", "refuesd"), "dead-letter ls"),
    (("replay", "{elsewhere}"), "spool.directory"),
    (("ls", "{elsewhere}"), "spool.directory"),
    (("dump", "{elsewhere}/none"), "spool's directory"),
])
def test_a_directory_or_a_name_that_is_wrong_is_said(penstock, spool, tmp_path, arguments, cure):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = dead_letter(*(text.format(spool=spool, elsewhere=elsewhere) for text in arguments))
    assert done.returncode == 1
    assert cure in done.stderr and len(done.stderr.splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize("value", ["-1", "0", "many"])
def test_an_impossible_max_is_wrong_usage(penstock, spool, value):
    done = dead_letter("dump", spool, "--max", value)
    assert done.returncode == 2 and "above 0" in done.stderr
