"""The admin port: every metric that the documentation promises, of its kind, with its labels."""

import re

from harness import forward_client as wire
from harness.daemon import forward_port
from harness.forward_client import ForwardClient

# name -> (type, labels)
PROMISED = {
    "penstock_events_received_total": ("counter", {"source"}),
    "penstock_bytes_received_total": ("counter", {"source"}),
    "penstock_events_delivered_total": ("counter", {"stream"}),
    "penstock_events_pending": ("gauge", {"stream"}),
    "penstock_spool_bytes": ("gauge", {"stream"}),
    "penstock_oldest_pending_seconds": ("gauge", {"stream"}),
    "penstock_put_requests_total": ("counter", {"stream", "result"}),
    "penstock_put_records_total": ("counter", {"stream", "result"}),
    "penstock_put_latency_seconds": ("histogram", {"stream"}),
    "penstock_shard_throttled_total": ("counter", {"stream", "shard"}),
    "penstock_connections": ("gauge", {"source"}),
    "penstock_messages_refused_total": ("counter", {"source", "reason"}),
    "penstock_memory_bytes": ("gauge", set()),
    "penstock_build_info": ("gauge", {"version"}),
}
# Promised too, but with nothing to show until it happens: their type lines stand, or nothing does.
ON_OCCASION = {
    "penstock_events_dead_lettered_total": ("counter", {"stream", "reason"}),
    "penstock_events_dropped_total": ("counter", {"reason"}),
    "penstock_events_duplicate_total": ("counter", {"source"}),
    "penstock_auth_failures_total": ("counter", {"source", "reason"}),
    "penstock_certificate_expiry_seconds": ("gauge", {"name"}),
    "penstock_credentials_expiry_seconds": ("gauge", set()),
    "penstock_config_reloads_total": ("counter", {"result"}),
}


def test_every_promised_metric_is_there_with_its_labels(kinesis, penstock):
    kinesis.add_fault("throttle", operation="PutRecords", stream="projects", times=1)
    with ForwardClient(forward_port(penstock.config)) as client:
        client.send_acked(wire.forward, "t", [(1, {"n": i}) for i in range(10)])
        with ForwardClient(forward_port(penstock.config)) as broken:
            broken.send(b"\xc1")
            broken.wait_closed()
        penstock.wait_settled(10)
        penstock.wait_connections(1)
        metrics = penstock.metrics()
    for name, (kind, labels) in {**PROMISED, **ON_OCCASION}.items():
        if name in ON_OCCASION and not metrics.has(name):
            continue
        assert metrics.has(name), f"{name} is missing"
        assert metrics.types.get(name) == kind, name
        for sample, found, _ in metrics.samples:
            if sample == name or (kind == "histogram" and sample.startswith(name + "_")):
                assert set(found) - {"le"} == labels, f"{sample} {found}"
    assert metrics.sum("penstock_bytes_received_total", source="forward") > 50
    assert metrics.sum("penstock_memory_bytes") > 1e6


def test_the_histogram_is_cumulative_and_ends_in_infinity(penstock, client):
    client.send_acked(wire.forward, "t", [(1, {"n": 1})])
    samples = [(labels, value) for name, labels, value in penstock.metrics().samples
               if name == "penstock_put_latency_seconds_bucket" and labels["stream"] == "projects"]
    counts = [value for _, value in samples]
    assert counts == sorted(counts) and samples[-1][0]["le"] == "+Inf"
    assert counts[-1] == penstock.metrics().sum("penstock_put_latency_seconds_count", stream="projects") >= 1


def test_what_is_exported_is_described(penstock):
    text = penstock.get("/metrics")[1].decode()
    helped = set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    typed = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    assert helped == typed and all(name.startswith("penstock_") for name in typed)


def test_the_status_page_has_the_figures_and_no_secret(penstock, client):
    client.send_acked(wire.forward, "t", [(1, {"n": i}) for i in range(10)])
    penstock.wait_settled(10)
    status = penstock.status()
    assert {"projects", "operations", "audit"} <= set(str(status["streams"]).replace("'", " ").split())
    by_stream = {route["stream"]: route["events"] for route in status["routes"]}
    assert by_stream == {"projects": 10, "operations": 0, "audit": 0}
    assert all(stream["spool_bytes_max"] > 0 and not stream["pushing_back"] for stream in status["streams"])
    assert "wJalrXUtnFEMI" not in str(status)
