"""A stream's name changed by reload: idle, in use, many times in a row, and out of a mistake."""

import json
import signal

import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, run_command, three_streams
from harness.forward_client import ForwardClient, new_chunk
from harness.waiting import wait_until

NAMES = ["projects", "audit", "operations"]
RELOADS = 20


def one_stream(endpoint: str, spool, name: str = "projects") -> dict:
    """One stream, `projects`, that is sent to the stream of this name."""
    config = three_streams(endpoint, spool=spool, routes=[{"stream": "projects"}])
    config["streams"] = {"projects": {**config["streams"]["projects"], "name": name}}
    return config


def rename(penstock, config: dict, name: str, key: str = "name") -> None:
    """By reload; returns when it is in force."""
    changed = json.loads(json.dumps(config))
    stream = changed["streams"]["projects"]
    if key == "arn":
        del stream["name"]
        stream["arn"] = f"arn:aws:kinesis:us-east-1:123456789012:stream/{name}"
    else:
        stream["name"] = name
    penstock.write_config(changed)
    penstock.signal(signal.SIGHUP)
    wait_until(lambda: penstock.status()["streams"][0]["target"].startswith(f"{name} ("), f"{name} is in force")


def wait_nothing_left(penstock) -> None:
    wait_until(lambda: penstock.metrics().sum("penstock_events_pending") == 0, "nothing is left behind")


@pytest.mark.parametrize("key", ["name", "arn"])
def test_an_idle_stream_is_renamed_again_and_again(kinesis, start_penstock, storage, key):
    config = one_stream(kinesis.endpoint, storage)
    penstock = start_penstock(config)
    for turn in range(1, RELOADS + 1):
        rename(penstock, config, NAMES[turn % 3], key)
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.forward, "x", [(1, {"id": 1})])
    wait_until(lambda: kinesis.tally(NAMES[RELOADS % 3], "id") == {"1": 1}, "it goes to the last name")
    wait_nothing_left(penstock)


def test_what_came_between_two_renames_goes_where_it_was_sent(kinesis, start_penstock, storage):
    config = one_stream(kinesis.endpoint, storage)
    penstock = start_penstock(config)
    sent = {name: 0 for name in NAMES}
    with ForwardClient(forward_port(config)) as client:
        for turn in range(1, RELOADS + 1):
            name = NAMES[turn % 3]
            rename(penstock, config, name)
            client.send_acked(wire.forward, "x", [(1, {"id": 20 * turn + i}) for i in range(20)])
            sent[name] += 20
    wait_until(lambda: {name: len(kinesis.tally(name, "id")) for name in NAMES} == sent, "all went where they were sent")
    wait_nothing_left(penstock)


def test_a_loaded_stream_is_renamed_again_and_again(kinesis, start_penstock, storage):
    """Nothing is delivered meanwhile: every generation waits for the one before it."""
    config = one_stream(kinesis.endpoint, storage)
    if storage is not None:
        config["spool"]["max_size"] = "4GiB"  # each generation has a segment file of its own
    penstock = start_penstock(config)
    kinesis.add_fault("error", operation="PutRecords", code="InternalFailure", status=500)
    with ForwardClient(forward_port(config), timeout_s=120) as client:
        chunks = []
        for turn in range(1, RELOADS + 1):
            chunks.append(new_chunk())
            client.send(wire.forward("x", [(1, {"id": 20 * turn + i}) for i in range(20)], {"chunk": chunks[-1]}))
            penstock.wait_metric("penstock_events_received_total", 20 * turn)
            rename(penstock, config, NAMES[turn % 3])
        kinesis.remove_fault()
        for chunk in chunks:
            assert client.read_ack() == chunk
    wait_until(lambda: len(kinesis.tally_all(NAMES, "id")) == 20 * RELOADS, "every generation is delivered", 120)
    wait_nothing_left(penstock)
    assert set(kinesis.tally_all(NAMES, "id").values()) == {1}
    first, last = (kinesis.arrivals(NAMES[turn % 3], "id") for turn in (0, RELOADS - 1))
    when = {event: arrival for name in NAMES for event, arrival in kinesis.arrivals(name, "id")}
    assert first and last
    generations = [[when[20 * turn + i] for i in range(20)] for turn in range(1, RELOADS + 1)]
    for older, newer in zip(generations, generations[1:]):
        assert max(older) <= min(newer), "the oldest target comes first"


@pytest.mark.waits
def test_a_mistaken_name_that_is_corrected_pauses_nothing_new(kinesis, start_penstock, tmp_path):
    config = one_stream(kinesis.endpoint, tmp_path / "spool")
    penstock = start_penstock(one_stream(kinesis.endpoint, tmp_path / "spool", "projcets") | {
        "sources": config["sources"], "admin": config["admin"]})
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.forward, "x", [(1, {"id": 1})])
        penstock.wait_metric("penstock_stream_paused", 1)
        rename(penstock, config, "projects")
        client.send_acked(wire.forward, "x", [(1, {"id": 2})])
        wait_until(lambda: kinesis.tally("projects", "id") == {"2": 1}, "what is new goes to the name that is right")
    wait_until(lambda: penstock.metrics().sum("penstock_events_pending") == 1, "what was stored before waits, alone")
    wait_until(lambda: "projcets" in str(penstock.status()["streams"][0]["paused_because"]), "and is shown")
    kinesis.create_stream("projcets", 1)
    wait_until(lambda: kinesis.tally("projcets", "id") == {"1": 1}, "it is delivered when the stream is there", 90)
    wait_nothing_left(penstock)


def test_streams_that_a_reload_removes_give_their_share_to_the_others(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    penstock = start_penstock(config)
    with ForwardClient(forward_port(config)) as client:
        for tag in ("k8s-audit.log", "journal.system", "app.x"):
            client.send_acked(wire.forward, tag, [(1, {"n": 1})])
    penstock.wait_settled(3)
    share = penstock.status()["streams"][0]["spool_bytes_max"]
    for name in ("audit", "operations"):
        del config["streams"][name]
    config["routes"] = [{"stream": "projects"}]
    penstock.reload(config)

    def share_of_projects() -> int:
        return next(each["spool_bytes_max"] for each in penstock.status()["streams"] if each["name"] == "projects")
    wait_until(lambda: share_of_projects() > 2 * share, "the stream that is left has all of the spool", 20)


# --- penstock spool redirect


def redirect(penstock, spool, *arguments: str, source: str = "projcets", to: str = "projects"):
    return run_command("spool", "redirect", spool, "--from", source, "--to", to, "--config", penstock.config_file,
                       *arguments)


@pytest.fixture
def misspelled(kinesis, start_penstock, tmp_path):
    """It has stored 100 events for a stream that is not there, and 20 for the one that is meant; it is running."""
    config = one_stream(kinesis.endpoint, tmp_path / "spool")
    wrong = one_stream(kinesis.endpoint, tmp_path / "spool", "projcets")
    penstock = start_penstock({**wrong, "sources": config["sources"], "admin": config["admin"]})
    with ForwardClient(forward_port(config)) as client:
        for chunk in range(5):
            client.send_acked(wire.forward, "x", [(1, {"id": 20 * chunk + i}) for i in range(20)])
        penstock.wait_metric("penstock_stream_paused", 1)
        rename(penstock, config, "projects")
        client.send_acked(wire.forward, "x", [(1, {"id": 100 + i}) for i in range(20)])
    penstock.wait_metric("penstock_events_delivered_total", 20)
    return penstock


def test_what_is_stored_for_a_mistaken_name_is_sent_where_it_belongs(kinesis, start_penstock, misspelled, tmp_path):
    spool = tmp_path / "spool"
    assert misspelled.status()["streams"][0]["paused_because"].startswith("former target projcets (us-east-1): ")
    wait_until(lambda: "send what is stored for it elsewhere" in json.dumps(misspelled.status()),
               "the status says what to do")
    looked = redirect(misspelled, spool, "--dry-run")
    assert (looked.returncode, looked.stderr) == (0, "")
    assert "100 events of stream projects (generation 1, " in looked.stdout and "Nothing was changed" in looked.stdout
    in_use = redirect(misspelled, spool)
    assert in_use.returncode == 1 and f"in use by process {misspelled.pid} " in in_use.stderr
    assert "stop it first" in in_use.stderr and in_use.stderr.count("\n") == 1
    assert misspelled.stop_quickly() == 0

    done = redirect(misspelled, spool)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "100 events of stream projects (generation 1, " in done.stdout
    assert "stored for kinesis:us-east-1:projcets, will be sent to projects (us-east-1)" in done.stdout
    again = start_penstock(misspelled.config)
    wait_until(lambda: len(kinesis.tally("projects", "id")) == 120, "all are where they belong")
    wait_nothing_left(again)
    assert kinesis.tally("projects", "id") == {str(i): 1 for i in range(120)}
    assert again.stop_quickly() == 0
    nothing = redirect(again, spool)
    assert nothing.returncode == 1 and "nothing is stored in " in nothing.stderr and "spool ls" in nothing.stderr


def test_a_stream_is_given_what_was_stored_for_another_one_and_sends_it_by_its_own_settings(
        kinesis, start_penstock, misspelled, tmp_path):
    config = json.loads(json.dumps(misspelled.config))
    config["streams"]["audit"] = {**config["streams"]["projects"], "name": "audit", "inject": {"tag": "@tag"}}
    assert misspelled.stop_quickly() == 0
    misspelled.write_config(config)
    assert redirect(misspelled, tmp_path / "spool", source="kinesis:us-east-1:projcets", to="audit").returncode == 0
    again = start_penstock(config)
    wait_until(lambda: kinesis.tally("audit", "id") == {str(i): 1 for i in range(100)}, "they are in the other stream")
    assert all(json.loads(event)["@tag"] == "x" for event in kinesis.events("audit"))
    wait_nothing_left(again)
    assert len(kinesis.tally("projects", "id")) == 20


def test_a_wrong_use_of_redirect_changes_nothing_and_says_what_is_right(misspelled, tmp_path):
    spool = tmp_path / "spool"
    unknown = redirect(misspelled, spool, to="projetcs")
    assert unknown.returncode == 2 and "no stream 'projetcs'; use one of: projects" in unknown.stderr
    assert run_command("spool", "redirect", spool, "--to", "projects").returncode == 2
    no_file = run_command("spool", "redirect", spool, "--from", "x", "--to", "y", "--config", tmp_path / "none.yaml")
    assert no_file.returncode == 2 and "none.yaml" in no_file.stderr
    assert redirect(misspelled, tmp_path / "none").returncode == 1
    for mistake in (unknown, no_file):
        assert mistake.stderr.count("\n") == 1
    assert misspelled.is_running and misspelled.metrics().pending == 100
