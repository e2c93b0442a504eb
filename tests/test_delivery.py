"""What goes out when Kinesis misbehaves: nothing lost, nothing sent again that was accepted, nobody held up by another."""

import json

import pytest

from fake_kinesis import KinesisProcess
from harness import forward_client as wire
from harness.binary import PATIENCE, is_sanitized
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.ports import free_port
from harness.waiting import wait_until

TYPES = {"projects": "application", "operations": "infrastructure", "audit": "audit"}


def numbered(count, stream="projects", size=0, start=0):
    return [(1, {"id": start + i, "log_type": TYPES[stream], "fill": "x" * size}) for i in range(count)]


def exactly_once(count, start=0):
    return {str(start + i): 1 for i in range(count)}


def test_an_ack_is_not_sent_before_kinesis_accepted(kinesis, client):
    fault = kinesis.add_fault("hang", operation="PutRecords")
    client.send(wire.forward("t", numbered(10), {"chunk": "c"}))
    wait_until(lambda: kinesis.fault_applied(fault) >= 1, "the request is there and hangs")
    assert not client.has_input(1.0)
    assert kinesis.stats()["accepted"]["projects"] == 0
    kinesis.remove_fault()
    kinesis.release()
    client.wait_ack("c")
    assert kinesis.tally("projects", "id") == exactly_once(10)


def test_an_ack_is_not_sent_before_kinesis_said_so(kinesis, client):
    kinesis.add_fault("delay_after", operation="PutRecords", seconds=1.0, times=1)
    client.send(wire.forward("t", numbered(10), {"chunk": "c"}))
    wait_until(lambda: kinesis.stats()["accepted"]["projects"] == 10, "accepted, but not answered")
    assert not client.has_input(0.3)
    client.wait_ack("c")


@pytest.mark.parametrize("end", ["half-closed", "broken"])
def test_a_sender_that_has_said_its_last_still_gets_the_acks_due_to_it(kinesis, client, end):
    fault = kinesis.add_fault("hang", operation="PutRecords")
    client.send(wire.forward("t", numbered(10), {"chunk": "c"}) + (b"\xc1" if end == "broken" else b""))
    if end == "half-closed":
        client.half_close()
    wait_until(lambda: kinesis.fault_applied(fault) >= 1, "the request is there and hangs")
    assert not client.has_input(0.5)
    kinesis.remove_fault()
    kinesis.release()
    client.wait_ack("c")
    assert client.wait_closed(20) == b""


def test_a_chunk_in_several_streams_is_acked_when_the_last_has_it(kinesis, client):
    fault = kinesis.add_fault("hang", operation="PutRecords", stream="audit")
    client.send(wire.forward("t", numbered(3) + numbered(3, "audit"), {"chunk": "c"}))
    wait_until(lambda: kinesis.stats()["accepted"]["projects"] == 3 and kinesis.fault_applied(fault), "one part is there")
    assert not client.has_input(0.5)
    kinesis.remove_fault()
    kinesis.release()
    client.wait_ack("c")
    assert kinesis.tally("audit", "id") == exactly_once(3)


def test_only_failed_entries_are_sent_again(kinesis, penstock, client):
    kinesis.add_fault("fail_records", operation="PutRecords", probability=0.3, seed=11)
    client.send_acked(wire.packed_forward, "t", numbered(1000))
    assert kinesis.tally("projects", "id") == exactly_once(1000)
    requests = kinesis.requests(operation="PutRecords", stream="projects")
    sent, failed = sum(r["records"] for r in requests), sum(r["failed"] for r in requests)
    assert failed > 200 and sent == 1000 + failed
    metrics = penstock.wait_settled(1000)
    assert metrics.delivered == 1000


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [10_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_a_fifth_of_all_entries_failing_delivers_each_event_exactly_once(kinesis, penstock, count):
    fault = kinesis.add_fault("fail_records", operation="PutRecords", probability=0.2, seed=20)
    chunk = 1000
    with ForwardClient(forward_port(penstock.config), timeout_s=300) as client:
        for start in range(0, count, chunk):
            client.send(wire.packed_forward("t", [(1, {"id": start + i}) for i in range(chunk)], {"chunk": str(start)}))
        for start in range(0, count, chunk):
            client.wait_ack(str(start))
    failed = kinesis.fault_applied(fault)
    assert failed > count / 5
    tally = kinesis.tally("projects", "id")
    assert len(tally) == count and set(tally.values()) == {1}
    assert set(map(int, tally)) == set(range(count))
    metrics = penstock.wait_settled(count)
    assert metrics.delivered == count
    assert metrics.sum("penstock_put_records_total", result="failed") == failed
    assert metrics.sum("penstock_put_records_total", result="accepted") == count


def test_throttled_entries_go_on_until_the_shard_takes_them(kinesis, client, penstock):
    kinesis.add_fault("throttle", stream="projects", shard="shardId-000000000001", times=400)
    client.send_acked(wire.packed_forward, "t", numbered(500))
    assert kinesis.tally("projects", "id") == exactly_once(500)
    throttled = penstock.metrics().by("penstock_shard_throttled_total", "shard")
    # Random keys go elsewhere once the shards are known, so perhaps not all 400 times.
    assert 100 <= throttled.get("shardId-000000000001", 0) <= 400
    assert sum(throttled.values()) == throttled["shardId-000000000001"]


def test_real_shard_limits_slow_it_down_and_lose_nothing(kinesis, client, penstock):
    kinesis.set_stream("projects", enforce_rates=True)
    for part in range(5):
        client.send(wire.packed_forward("t", numbered(1000, start=part * 1000)))
    penstock.wait_settled(5000, deadline_s=60)
    assert kinesis.tally("projects", "id") == exactly_once(5000)
    requests = kinesis.requests(operation="PutRecords", stream="projects")
    assert sum(r["records"] for r in requests) < 15_000, "it learns the rate instead of hammering"


@pytest.mark.parametrize("fault", [
    {"code": "InternalFailure", "status": 500},
    {"code": "ServiceUnavailable", "status": 503, "form": "html"},
    {"code": "Gone", "status": 502, "form": "empty"},
    {"code": "ServiceUnavailable", "status": 503, "form": "xml"},
    {"code": "ProvisionedThroughputExceededException"},
    {"code": "KMSThrottlingException"},
    {"code": "SlowDown", "status": 503},
    {"code": "RequestTimeout", "status": 408},
], ids=lambda fault: fault["code"] + "-" + fault.get("form", "service"))
def test_requests_refused_whole_are_sent_again(kinesis, penstock, client, fault):
    kinesis.add_fault("error", operation="PutRecords", times=2, **fault)
    client.send_acked(wire.packed_forward, "t", numbered(20))
    assert kinesis.tally("projects", "id") == exactly_once(20)
    penstock.wait_settled(20)


@pytest.mark.parametrize("effect, repeats", [("reset_before", False), ("reset_after", True), ("truncate", True),
                                             ("short_answer", True)])
def test_broken_answers_may_repeat_but_never_lose(kinesis, penstock, client, effect, repeats):
    kinesis.add_fault(effect, operation="PutRecords", times=2)
    client.send_acked(wire.packed_forward, "t", numbered(20))
    tally = kinesis.tally("projects", "id")
    assert set(tally) == set(exactly_once(20))
    assert max(tally.values()) <= (3 if repeats else 1)
    assert penstock.wait_settled(20).delivered == 20


def test_a_clock_that_is_off_is_noticed_and_corrected(kinesis, client):
    kinesis.set_server(clock_offset_s=1000)
    client.send_acked(wire.packed_forward, "t", numbered(20))
    kinesis.set_server(clock_offset_s=-2000)
    client.send_acked(wire.packed_forward, "t", numbered(20, start=20))
    assert kinesis.tally("projects", "id") == exactly_once(40)


def test_a_body_too_large_for_the_front_end_is_halved(kinesis, client):
    kinesis.set_server(max_body_bytes=60_000)
    client.send_acked(wire.packed_forward, "t", numbered(400, size=1000))
    assert kinesis.tally("projects", "id") == exactly_once(400)
    assert kinesis.stats()["counters"]["too_large"] >= 1


def test_a_server_without_cbor_gets_json(kinesis, client):
    kinesis.set_server(cbor=False)
    client.send_acked(wire.packed_forward, "t", numbered(20))
    assert kinesis.tally("projects", "id") == exactly_once(20)
    assert kinesis.requests(operation="PutRecords", stream="projects")[-1]["content_type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize("with_directory", [False, True])
def test_one_poisoned_record_is_found_and_set_aside_alone(kinesis, start_penstock, tmp_path, with_directory):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool" if with_directory else None)
    penstock = start_penstock(config)
    kinesis.add_fault("error", operation="PutRecords", data_contains='"id":57,', code="ValidationException")
    with ForwardClient(forward_port(config)) as client:
        client.send_acked(wire.packed_forward, "t", numbered(100))
    metrics = penstock.wait_settled(100)
    expected = exactly_once(100)
    del expected["57"]
    assert kinesis.tally("projects", "id") == expected
    counter = "penstock_events_dead_lettered_total" if with_directory else "penstock_events_dropped_total"
    assert metrics.sum(counter) == 1 and metrics.delivered == 99


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("poisoned", [1, 3])
def test_poisoned_records_that_come_first_and_alone_do_not_stop_their_stream(kinesis, penstock, client, poisoned):
    """Nothing else is there to be accepted meanwhile: only what comes later shows that it is not the stream."""
    kinesis.add_fault("error", operation="PutRecords", data_contains="poison", code="ValidationException")
    client.send(wire.packed_forward("t", [(1, {"id": i, "fill": "poison"}) for i in range(poisoned)], {"chunk": "bad"}))
    penstock.wait_metric("penstock_put_requests_total", 1)
    with ForwardClient(forward_port(penstock.config), timeout_s=90) as other:
        other.send_acked(wire.packed_forward, "t", numbered(600, start=1000))
    client._socket.settimeout(30 * PATIENCE)
    client.wait_ack("bad")
    assert kinesis.tally("projects", "id") == exactly_once(600, start=1000)
    metrics = penstock.wait_settled(poisoned + 600)
    assert metrics.sum("penstock_events_dropped_total", reason="refused") == poisoned


def test_a_stream_that_is_missing_holds_up_only_itself(kinesis, penstock, client):
    kinesis.remove_stream("audit")
    client.send(wire.packed_forward("t", numbered(10, "audit"), {"chunk": "held"}))
    with ForwardClient(forward_port(penstock.config)) as other:
        other.send_acked(wire.packed_forward, "t", numbered(10, "projects"))
        other.send_acked(wire.packed_forward, "t", numbered(10, "operations"))
    metrics = penstock.metrics()
    assert metrics.sum("penstock_events_pending", stream="audit") == 10
    assert metrics.delivered == 20
    assert not client.has_input(0.2)
    assert penstock.get("/healthz")[0] == 200


@pytest.mark.long
def test_a_held_stream_is_tried_again_within_a_minute(kinesis, penstock, client):
    kinesis.remove_stream("audit")
    client.send(wire.packed_forward("t", numbered(10, "audit"), {"chunk": "held"}))
    wait_until(lambda: kinesis.stats()["counters"].get("error.ResourceNotFoundException", 0) > 0, "it was refused")
    kinesis.create_stream("audit", 1)
    client._socket.settimeout(90 * PATIENCE)
    client.wait_ack("held")


def test_a_stream_that_hangs_holds_up_only_itself(kinesis, penstock, client):
    fault = kinesis.add_fault("hang", operation="PutRecords", stream="audit")
    client.send(wire.packed_forward("t", numbered(10, "audit"), {"chunk": "held"}))
    wait_until(lambda: kinesis.fault_applied(fault) >= 1, "audit hangs")
    with ForwardClient(forward_port(penstock.config)) as other:
        for i in range(20):
            other.send_acked(wire.packed_forward, "t", numbered(100, "projects", start=100 * i))
    assert kinesis.tally("projects", "id") == exactly_once(2000)
    kinesis.remove_fault()
    kinesis.release()
    client.wait_ack("held")


def test_a_stream_that_hangs_under_load_leaves_the_others_their_memory(kinesis, start_penstock, tmp_path):
    """All it would hold of requests under way, batches read and records waiting is far more than there is."""
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", forward={"max_message": "8MiB"},
                           memory_limit="128MiB")
    penstock = start_penstock(config)
    fault = kinesis.add_fault("hang", operation="PutRecords", stream="audit")
    with ForwardClient(forward_port(config), timeout_s=60) as client:
        for part in range(100):
            client.send(wire.packed_forward("t", numbered(100, "audit", size=10_000), {"chunk": f"audit {part}"}))
        for part in range(100):
            client.wait_ack(f"audit {part}")
        for part in range(20):
            client.send(wire.packed_forward("t", numbered(100, size=10_000, start=100 * part), {"chunk": str(part)}))
        for part in range(20):
            client.wait_ack(str(part))
    penstock.wait_metric("penstock_events_delivered_total", 2000, 30, stream="projects")
    metrics = penstock.metrics()
    assert kinesis.fault_applied(fault) >= 1 and metrics.sum("penstock_events_pending", stream="audit") == 10_000
    assert kinesis.tally("projects", "id") == exactly_once(2000)
    assert is_sanitized() or penstock.memory_peak_bytes() <= 128 * 2**20


def test_an_outage_is_waited_out(start_penstock, storage):
    port = free_port()
    streams = {"projects": 1, "operations": 1, "audit": 1}
    with KinesisProcess(streams=streams, port=port) as first:
        penstock = start_penstock(three_streams(first.endpoint, spool=storage))
        client = ForwardClient(forward_port(penstock.config), timeout_s=60)
        client.send_acked(wire.packed_forward, "t", numbered(10))
        penstock.wait_settled(10)  # with a disk the ack says only that they are on it
    client.send(wire.packed_forward("t", numbered(50, start=10), {"chunk": "c"}))
    penstock.wait_metric("penstock_events_pending", 50)
    assert penstock.get("/healthz")[0] == 200
    with KinesisProcess(streams=streams, port=port) as second:
        client.wait_ack("c")
        penstock.wait_settled(60, deadline_s=60)
        assert second.tally("projects", "id") == exactly_once(50, start=10)
    client.close()


def test_shards_split_and_merge_under_load(kinesis, penstock, client):
    shards = [shard["id"] for shard in kinesis.shards("projects")]
    for part in range(10):
        client.send(wire.packed_forward("t", numbered(500, start=part * 500), {"chunk": str(part)}))
        if part == 3:
            children = kinesis.split_shard("projects", shards[0])
        if part == 6:
            kinesis.merge_shards("projects", children[1], shards[1])
    for part in range(10):
        client.wait_ack(str(part))
    assert kinesis.tally("projects", "id") == exactly_once(5000)


def test_when_it_is_full_it_stops_reading_says_so_and_goes_on_where_it_was(kinesis, start_penstock):
    """Nothing is accepted by Kinesis for a while: memory stays in its limit, TCP holds the senders back."""
    config = three_streams(kinesis.endpoint, forward={"max_message": "8MiB"}, memory_limit="96MiB")
    penstock = start_penstock(config)
    kinesis.add_fault("hang", operation="PutRecords")
    client = ForwardClient(forward_port(config), timeout_s=8)
    whole = 0
    with pytest.raises(TimeoutError):
        while whole < 400:
            client.send(wire.packed_forward("t", numbered(1000, size=1000, start=whole * 1000)))
            whole += 1
    wait_until(lambda: penstock.get("/readyz")[0] == 503, "it says that it is full")
    assert penstock.get("/healthz")[0] == 200
    kinesis.remove_fault()
    kinesis.release()
    penstock.wait_settled(whole * 1000, deadline_s=60)
    wait_until(lambda: penstock.get("/readyz")[0] == 200, "it is ready again")
    client.close()  # inside a message, which was never whole and counts for nothing
    assert kinesis.tally("projects", "id") == exactly_once(whole * 1000)
    assert is_sanitized() or penstock.memory_peak_bytes() <= 96 * 2**20


def test_metrics_tell_the_same_story_as_the_fake(kinesis, penstock, client):
    kinesis.add_fault("fail_records", operation="PutRecords", stream="projects", times=7)
    client.send_acked(wire.packed_forward, "t", numbered(50))
    client.send_acked(wire.packed_forward, "t", numbered(30, "audit"))
    metrics = penstock.wait_settled(80)
    assert metrics.sum("penstock_events_received_total", source="forward") == 80
    assert metrics.sum("penstock_events_delivered_total", stream="projects") == 50
    assert metrics.sum("penstock_events_delivered_total", stream="audit") == 30
    assert metrics.sum("penstock_put_records_total", stream="projects") == 57
    assert metrics.sum("penstock_put_latency_seconds_count") == metrics.sum("penstock_put_requests_total")
    assert metrics.sum("penstock_put_requests_total") == len(kinesis.requests(operation="PutRecords"))


def test_nothing_secret_and_no_content_leaves_by_the_log_or_the_status(kinesis, penstock, client):
    kinesis.add_fault("error", operation="PutRecords", data_contains="poison", code="ValidationException")
    marker = "Content-that-nobody-else-may-see"
    client.send_acked(wire.packed_forward, "t", [(1, {"message": marker, "poison": i}) for i in range(3)]
                      + [(1, {"message": marker})] * 3)
    told = penstock.log() + json.dumps(penstock.status()) + penstock.get("/metrics")[1].decode()
    assert marker not in told
    assert "wJalrXUtnFEMI" not in told


def test_throughput_does_not_fall_with_the_size_of_a_chunk(kinesis, penstock):
    """The same events as chunks of 10 and as one of 20,000: nothing may be quadratic in a chunk."""
    def cpu_for(chunk):
        with ForwardClient(forward_port(penstock.config), timeout_s=60) as client:
            before, spent = penstock.metrics().received, penstock.cpu_seconds()
            for start in range(0, 20_000, chunk):
                client.send(wire.packed_forward("t", numbered(chunk, size=300, start=start)))
            penstock.wait_settled(before + 20_000, deadline_s=60)
            return penstock.cpu_seconds() - spent
    cpu_for(1000)  # warm
    small, large = cpu_for(10), cpu_for(20_000)
    assert large <= 2 * small + 0.2, (small, large)
