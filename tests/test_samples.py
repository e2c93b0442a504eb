"""Every sample record of every OpenShift Logging generation goes in by Forward, lands in its stream and comes
back equal, field by field."""

import pytest

from harness import forward_client as wire
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.samples import Sample, all_samples, by_tag, missing_and_unexpected

GENERATIONS = ["4.3", "4.6", "5.9-fluentd", "5.9-vector", "6.6-http", "6.6-otlp", "6.6-syslog"]


def expect_all_in_their_streams(kinesis, samples: list[Sample]) -> None:
    for stream in ("projects", "operations", "audit"):
        expected = [sample.text for sample in samples if sample.stream == stream]
        missing, unexpected = missing_and_unexpected(expected, kinesis.events(stream))
        assert not missing, f"{stream}: {len(missing)} missing, first {missing[0][:500]}"
        assert not unexpected, f"{stream}: {len(unexpected)} unexpected, first {unexpected[0][:500]}"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_sample_lands_in_its_stream_unharmed(kinesis, start_penstock, storage, generation):
    samples = [sample for sample in all_samples() if sample.source.startswith(generation + "/")]
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=storage))
    with ForwardClient(forward_port(penstock.config)) as client:
        for tag, group in by_tag(samples).items():
            # As Fluentd's out_forward writes a chunk: a str32 header, and "text" for not compressed.
            client.send_acked(wire.packed_forward, tag, [(s.time, s.record) for s in group], as_str=True,
                              option={"size": len(group), "compressed": "text"})
    metrics = penstock.wait_settled(len(samples))
    assert metrics.delivered == len(samples)
    expect_all_in_their_streams(kinesis, samples)


def test_one_connection_carries_all_of_them_without_acks(kinesis, start_penstock):
    """What operators actually deploy: no acks, so everything written before the close must still arrive."""
    samples = all_samples()
    penstock = start_penstock(three_streams(kinesis.endpoint))
    with ForwardClient(forward_port(penstock.config)) as client:
        for tag, group in by_tag(samples).items():
            client.send(wire.packed_forward(tag, [(s.time, s.record) for s in group], {"size": len(group)}))
    penstock.wait_settled(len(samples))
    expect_all_in_their_streams(kinesis, samples)


def test_json_to_kinesis_carries_the_same_records_as_cbor(kinesis, start_penstock):
    samples = [sample for sample in all_samples() if sample.source.startswith("5.9-fluentd/")]
    penstock = start_penstock(three_streams(kinesis.endpoint, streams={"protocol": "json"}))
    with ForwardClient(forward_port(penstock.config)) as client:
        for tag, group in by_tag(samples).items():
            client.send_acked(wire.forward, tag, [(s.time, s.record) for s in group])
    expect_all_in_their_streams(kinesis, samples)
    assert {r["content_type"] for r in kinesis.requests(operation="PutRecords")} == {"application/x-amz-json-1.1"}
