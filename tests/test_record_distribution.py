"""A stream whose shards the service chooses itself (RecordDistributionStrategy AUTO): keys mean nothing, and consumers
made with the KCL drop aggregates."""

import json

import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.waiting import wait_until

KPL = {"aggregation": "kpl", "flush": {"interval": "20ms"}}


def keys_ignored(penstock, stream="projects"):
    return penstock.metrics().sum("penstock_keys_ignored", stream=stream)


def problems(penstock):
    return {problem["kind"]: problem for problem in penstock.status()["problems"]}


class Sender:
    def __init__(self, client, penstock):
        self.client, self.penstock, self.sent = client, penstock, 0

    def send(self, count=100):
        self.client.send_acked(wire.packed_forward, "t", [
            (1, {"id": self.sent + i, "pod": f"pod-{i % 4}", "fill": "z" * 200}) for i in range(count)])
        self.sent += count
        self.penstock.wait_settled(self.sent)

    def send_until(self, condition, what):
        def step():
            self.send()
            return condition()
        wait_until(step, what, 60)


def read_once(kinesis, count):
    """What a reader made with the KCL is given: each event once."""
    return sorted(json.loads(event)["id"] for event in kinesis.kcl_events("projects")) == list(range(count))


@pytest.mark.parametrize("may_describe", [True, False], ids=["told", "by_answers"])
@pytest.mark.parametrize("keys", [
    {}, {"partition_key": "field:pod"}, {"partition_key": "field:pod", "order": "per_key"}],
    ids=["random", "keyed", "ordered"])
def test_aggregates_end_when_the_service_begins_to_choose_shards_and_return_with_keys(
        kinesis, start_penstock, keys, may_describe):
    kinesis.set_stream("projects", mode="ON_DEMAND")
    if not may_describe:
        for operation in ("DescribeStreamSummary", "DescribeStream"):
            kinesis.add_fault("error", operation=operation, code="AccessDeniedException")
    config = three_streams(kinesis.endpoint, streams={**KPL, **keys})
    penstock = start_penstock(config)
    with ForwardClient(forward_port(config)) as client:
        sender = Sender(client, penstock)
        wait_until(lambda: penstock.metrics().sum("penstock_shards", stream="projects") == 2, "shards are known")
        sender.send(500)
        assert len(kinesis.ledger("projects")) < 500 == len(kinesis.kcl_events("projects"))
        assert keys_ignored(penstock) == 0

        kinesis.set_stream("projects", strategy="AUTO")
        sender.send_until(lambda: keys_ignored(penstock) == 1, "penstock knows that keys are ignored")
        assert read_once(kinesis, sender.sent), "also what was sent before penstock knew"
        dropped, records = kinesis.misplaced("projects"), len(kinesis.ledger("projects"))
        sender.send(1000)
        assert kinesis.misplaced("projects") == dropped
        assert len(kinesis.ledger("projects")) == records + 1000
        assert read_once(kinesis, sender.sent)
        problem = wait_until(lambda: problems(penstock).get("keys_ignored"), "it is a problem of the status page")
        assert "AUTO" in problem["text"] and ("any order" in problem["text"]) == ("order" in keys)
        wait_until(lambda: "problem=keys_ignored" in penstock.log(), "the log says it")

        kinesis.set_stream("projects", strategy="USER_PARTITION_KEY")
        sender.send_until(lambda: keys_ignored(penstock) == 0, "penstock knows that keys count again")
        records = len(kinesis.ledger("projects"))
        sender.send(1000)
        assert len(kinesis.ledger("projects")) < records + 1000
        assert kinesis.misplaced("projects") == dropped
    assert read_once(kinesis, sender.sent)


def test_a_stream_that_distributes_before_penstock_starts_loses_nothing_to_the_kcl(kinesis, start_penstock):
    kinesis.set_stream("projects", mode="ON_DEMAND", strategy="AUTO")
    penstock = start_penstock(three_streams(kinesis.endpoint, streams=KPL))
    with ForwardClient(forward_port(penstock.config)) as client:
        sender = Sender(client, penstock)
        sender.send(500)
    assert read_once(kinesis, 500)


def test_without_aggregates_and_order_it_is_no_trouble(kinesis, start_penstock):
    kinesis.set_stream("projects", mode="ON_DEMAND", strategy="AUTO")
    penstock = start_penstock(three_streams(kinesis.endpoint))
    with ForwardClient(forward_port(penstock.config)) as client:
        Sender(client, penstock).send(500)
        wait_until(lambda: any(stream["keys_ignored_since"] for stream in penstock.status()["streams"]), "it is known")
    assert keys_ignored(penstock) == 0 and "keys_ignored" not in problems(penstock)
