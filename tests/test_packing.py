"""What events become on their way: aggregates, compressed, in parts, in order. Read back as a consumer would."""

import base64
import collections
import gzip
import hashlib
import json
import re
import shlex
from pathlib import Path

import pytest

from harness import forward_client as wire
from harness.binary import is_sanitized
from harness.daemon import forward_port, run_command, three_streams
from harness.forward_client import ForwardClient
from harness.node import deaggregate
from harness.waiting import wait_until


def numbered(count, start=0, size=200, keys=20):
    return [(1, {"id": i, "log_type": "application", "pod": f"k{i % keys}", "fill": "x" * size})
            for i in range(start, start + count)]


def exactly_once(count):
    return {str(i): 1 for i in range(count)}


@pytest.fixture
def start_with(kinesis, start_penstock):
    """start_with(stream options) -> (penstock, client)"""
    clients = []

    def start(**streams):
        penstock = start_penstock(three_streams(kinesis.endpoint, streams=streams))
        clients.append(ForwardClient(forward_port(penstock.config)))
        return penstock, clients[-1].__enter__()

    yield start
    for client in clients:
        client.__exit__(None, None, None)


def send_ten_chunks(client, events, after):
    """Of so many events each, all acked at the end. after: by number of the chunk, what is done once it is sent and
    the first chunk is acked."""
    for part in range(10):
        client.send(wire.packed_forward("t", numbered(events, start=part * events), {"chunk": str(part)}))
        if part in after:
            client.wait_ack("0")
            after[part]()
    for part in range(10):
        client.wait_ack(str(part))


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("aggregation", ["none", "kpl", "lines"])
def test_every_event_is_read_back_once_after_failures_and_a_reshard(kinesis, start_with, aggregation, compression):
    penstock, client = start_with(aggregation=aggregation, compression=compression)
    kinesis.add_fault("fail_records", operation="PutRecords", probability=0.2, seed=5)
    send_ten_chunks(client, 300, {5: lambda: kinesis.split_shard("projects", kinesis.shards("projects")[0]["id"])})
    assert kinesis.tally("projects", "id") == exactly_once(3000)
    assert kinesis.misplaced("projects") == 0, "a consumer library would drop those aggregates"
    assert penstock.wait_settled(3000).delivered == 3000
    if aggregation != "none":
        assert kinesis.stats()["accepted"]["projects"] * 12 <= 3000


@pytest.mark.outside
@pytest.mark.parametrize("keys, compression", [("random", "none"), ("field:pod", "gzip")])
def test_a_consumer_library_drops_nothing_of_aggregates_sent_across_a_reshard(kinesis, start_with, keys, compression):
    """Read back by aws-kinesis-agg, and kept or dropped by the rule of the Kinesis Client Library: a consumer of a
    shard passes over every user record whose hash key is not the shard's."""
    penstock, client = start_with(aggregation="kpl", partition_key=keys, compression=compression)
    # What is refused goes again, some of it after the reshard, with the hash key it was packed for.
    kinesis.add_fault("fail_records", operation="PutRecords", probability=0.3, seed=8)
    children = []
    send_ten_chunks(client, 300, {
        3: lambda: children.extend(kinesis.split_shard("projects", "shardId-000000000000")),
        6: lambda: kinesis.merge_shards("projects", children[1], "shardId-000000000001")})
    penstock.wait_settled(3000)
    ranges = {shard["id"]: (int(shard["first"]), int(shard["last"])) for shard in kinesis.shards("projects")}
    assert len(ranges) == 5
    ledger = kinesis.ledger("projects")
    kept, by_shard = collections.Counter(), collections.Counter()
    for record, users in zip(ledger, deaggregate(ledger), strict=True):
        first, last = ranges[record["shard"]]
        for user in users:
            named = user["hashKey"]
            place = int(named) if named else int.from_bytes(hashlib.md5(user["key"].encode()).digest(), "big")
            if first <= place <= last:
                data = base64.b64decode(user["data"])
                kept[str(json.loads(gzip.decompress(data) if compression == "gzip" else data)["id"])] += 1
                by_shard[record["shard"]] += 1
    assert kept == exactly_once(3000)
    before = {"shardId-000000000000", "shardId-000000000001"}
    assert before & set(by_shard) and set(by_shard) - before, "some went before the reshard, and some after"


@pytest.mark.parametrize("aggregation", ["none", "lines", "kpl"])
def test_the_order_of_a_key_survives_failures_throttles_and_a_reshard(kinesis, start_with, aggregation):
    penstock, client = start_with(aggregation=aggregation, order="per_key", partition_key="field:pod",
                                  flush={"interval": "50ms"})
    kinesis.add_fault("fail_records", operation="PutRecords", probability=0.2, seed=6)
    # Of aggregates there are few, and each throttle of one costs it a pause that grows: fewer will do.
    kinesis.add_fault("throttle", stream="projects", shard="shardId-000000000001",
                      times=30 if aggregation == "none" else 4)
    send_ten_chunks(client, 100, {5: lambda: kinesis.split_shard("projects", kinesis.shards("projects")[0]["id"])})
    by_pod = {}
    for text in kinesis.events("projects"):
        event = json.loads(text)
        by_pod.setdefault(event["pod"], []).append(event["id"])
    assert len(by_pod) == 20 and sum(len(ids) for ids in by_pod.values()) == 1000
    for pod, ids in by_pod.items():
        assert ids == sorted(ids), f"{pod} is out of order"
    penstock.wait_settled(1000)


@pytest.mark.parametrize("end", ["terminate", "kill"])
@pytest.mark.parametrize("aggregation", ["none", "kpl"])
def test_the_order_of_a_key_survives_a_restart(kinesis, start_penstock, tmp_path, aggregation, end):
    """Some keys' shard takes nothing before the restart, others fail now and then. What was not final is sent again
    after it, perhaps for the second time, but no event is first seen after a later one of its key."""
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", drain_timeout="1s", streams={
        "aggregation": aggregation, "order": "per_key", "partition_key": "field:pod", "flush": {"interval": "50ms"}})
    kinesis.add_fault("throttle", stream="projects", shard="shardId-000000000001")
    kinesis.add_fault("fail_records", operation="PutRecords", probability=0.2, seed=9)
    before = start_penstock(config)
    with ForwardClient(forward_port(config)) as client:
        for part in range(10):
            client.send_acked(wire.packed_forward, "t", numbered(100, start=part * 100))
    wait_until(lambda: 50 <= len(kinesis.events("projects")) < 1000, "some are there, not all")
    if end == "kill":
        before.kill()
    else:
        before.stop_quickly()
    seen_before = len(kinesis.events("projects"))
    kinesis.remove_fault()
    after = start_penstock(config)
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.packed_forward, "t", numbered(100, start=1000))
    after.wait_settled(100)
    events = [json.loads(text) for text in kinesis.events("projects")]
    assert seen_before < 1000 <= len(events)
    first_seen = {}
    for event in events:
        first_seen.setdefault(event["pod"], {}).setdefault(event["id"])
    assert sum(map(len, first_seen.values())) == 1100
    for pod, ids in first_seen.items():
        assert list(ids) == sorted(ids), f"{pod} is out of order"


@pytest.mark.parametrize("order, fault", [("per_key", "fail_records"), ("per_key", "throttle"), ("none", "throttle")])
def test_a_shard_that_takes_nothing_holds_up_only_its_own_keys(kinesis, start_penstock, tmp_path, order, fault):
    """More comes for it than may wait in memory."""
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", forward={"max_message": "8MiB"},
                           memory_limit="96MiB", streams={"order": order, "partition_key": "field:pod"})
    dead = kinesis.shards("projects")[1]
    is_dead = {f"k{i}": int(dead["first"]) <= int(hashlib.md5(f"k{i}".encode()).hexdigest(), 16) <= int(dead["last"])
               for i in range(250)}
    kinesis.add_fault(fault, operation="PutRecords", stream="projects", shard=dead["id"])
    penstock = start_penstock(config)
    events = [event for part in range(25) for event in numbered(100, part * 100, 10_000, keys=250)]
    with ForwardClient(forward_port(config), timeout_s=60) as client:
        for part in range(25):
            client.send(wire.packed_forward("t", events[part * 100:][:100], {"chunk": str(part)}))
        for part in range(25):
            client.wait_ack(str(part))
    for_others = sum(not is_dead[event["pod"]] for _, event in events)
    assert 500 < for_others < 2000
    penstock.wait_metric("penstock_events_delivered_total", for_others, 60, stream="projects")
    assert is_sanitized() or penstock.memory_peak_bytes() <= 96 * 2**20
    if fault == "throttle":
        return  # its rate grows by and by
    kinesis.remove_fault()
    penstock.wait_settled(2500, deadline_s=60)
    seen = [json.loads(text) for text in kinesis.events("projects")]
    for pod in is_dead:
        ids = [event["id"] for event in seen if event["pod"] == pod]
        assert ids == [event["id"] for _, event in events if event["pod"] == pod]


def test_an_event_larger_than_a_record_arrives_in_parts_and_counts_once(kinesis, start_with):
    penstock, client = start_with()
    text = "".join(f"line {i} of a long story. " for i in range(150_000))
    client.send_acked(wire.forward, "t", [(1, {"id": 0, "log_type": "application", "message": text})])
    parts = [json.loads(event) for event in kinesis.events("projects")]
    assert len(parts) > 3
    parts.sort(key=lambda part: part["penstock"]["split"]["index"])
    assert {part["penstock"]["split"]["count"] for part in parts} == {len(parts)}
    assert len({part["penstock"]["split"]["id"] for part in parts}) == 1
    assert "".join(part["message"] for part in parts) == text
    assert all(part["id"] == 0 for part in parts)
    for record in kinesis.ledger("projects"):
        assert len(base64.b64decode(record["data"])) + len(record["key"]) <= 1 << 20
    assert penstock.wait_settled(1).delivered == 1


def test_a_stream_that_takes_larger_records_gets_them_whole(kinesis, start_with):
    kinesis.set_stream("projects", max_record_kib=10240)
    _, client = start_with()
    wait_until(lambda: any(r.get("operation") == "DescribeStreamSummary" and r.get("stream") == "projects"
                           for r in kinesis.requests()), "it has asked for the limit")
    wait_until(lambda: any(r.get("operation") == "ListShards" and r.get("stream") == "projects"
                           for r in kinesis.requests()), "and for the shards")
    client.send_acked(wire.forward, "t", [(1, {"id": 1, "log_type": "application"})])
    client.send_acked(wire.forward, "t", [(1, {"id": 0, "log_type": "application", "message": "x" * 3_000_000})])
    assert kinesis.stats()["accepted"]["projects"] == 2
    assert kinesis.tally("projects", "id") == exactly_once(2)


def test_a_stream_whose_shards_nobody_may_list_is_delivered_all_the_same(kinesis, start_with):
    for operation in ("ListShards", "DescribeStreamSummary", "DescribeStream"):
        kinesis.add_fault("error", operation=operation, code="AccessDeniedException", status=400)
    penstock, client = start_with()
    client.send_acked(wire.packed_forward, "t", numbered(1000))
    assert kinesis.tally("projects", "id") == exactly_once(1000)
    assert penstock.wait_settled(1000).delivered == 1000


def test_the_costs_in_the_documentation_are_what_the_estimator_says():
    text = (Path(__file__).resolve().parents[1] / "doc/delivery.md").read_text()
    command, table = re.search(r"\$ penstock (estimate .*)\n((?:.*\n)*?)```", text).groups()
    done = run_command(*shlex.split(command))
    assert done.returncode == 0, done.stderr
    told, documented = ([line.split() for line in lines.splitlines()] for lines in (done.stdout, table))
    assert len(told) == len(documented) > 10
    for ours, written in zip(told, documented):
        if len(ours) < 3 or ours[1] not in ("gzip", "zstd"):
            assert ours == written
            continue
        # How small a text becomes is for another version of the library to say.
        assert ours[:2] == written[:2]
        for now, then in zip(map(float, ours[2:]), map(float, written[2:]), strict=True):
            assert now == pytest.approx(then, rel=0.1, abs=1)


def test_what_was_split_is_delivered_though_the_limit_is_lowered_before_the_restart(kinesis, start_penstock, tmp_path):
    """Of one event parts are accepted, others are on their way, and others wait; none is dead-lettered."""
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", routes=[{"stream": "projects"}],
                           streams={"flush": {"interval": "1s", "size": "1MiB"}})
    sizes = {"first": 3_000_000, "second": 900_000, "third": 2_500_000, "fourth": 600_000, "fifth": 1000}
    penstock = start_penstock(config)
    hanging = kinesis.add_fault("hang", operation="PutRecords", after=1)
    with ForwardClient(forward_port(config)) as client:
        for name, size in sizes.items():
            client.send_acked(wire.packed_forward, "t", [(1, {"id": name, "message": name[0] * size})])
    wait_until(lambda: kinesis.fault_applied(hanging) >= 1, "some parts are accepted, others are on their way")
    penstock.kill()
    kinesis.remove_fault(hanging)
    kinesis.release()
    for stream in ("projects", "operations", "audit"):
        config["streams"][stream]["max_record"] = "256KiB"
    kinesis.set_stream("projects", max_record_kib=256)
    penstock = start_penstock(config)
    metrics = penstock.wait_settled(len(sizes), deadline_s=60)
    assert metrics.sum("penstock_events_dead_lettered_total") == 0
    assert metrics.delivered == len(sizes)
    tail = run_command("tail", "--stream", "projects", "--endpoint", kinesis.endpoint)
    assert tail.returncode == 0, tail.stderr
    events = [json.loads(line) for line in tail.stdout.splitlines()]
    assert {event["id"]: event["message"] for event in events} == {
        name: name[0] * size for name, size in sizes.items()}
