"""A real Prometheus (Debian's) scrapes a real penstock: alerts fire when it is brought into the state they are for, and
every query of the dashboards has data. All durations of the rules are 60 times shorter: an alert "for 10m" fires
after 10 s."""

import json
import re
import time

import pytest

from harness import forward_client as wire
from harness.alerts import CHART, Prometheus, alert_groups, quickened
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.waiting import wait_until
from test_status_page import Flow

pytestmark = [pytest.mark.outside, pytest.mark.waits]
FACTOR = 60


@pytest.fixture
def prometheus(tmp_path):
    started = []

    def start(penstock, **values) -> Prometheus:
        groups = quickened(alert_groups(**values), FACTOR)
        started.append(Prometheus(tmp_path / "prometheus", {"penstock-0": penstock.admin_port}, groups))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_nothing_fires_while_logs_flow(kinesis, start_penstock, prometheus, tmp_path):
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"))
    watching = prometheus(penstock)
    with Flow(penstock):
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 30 or watching.firing(), "half a minute", 60)
        assert watching.firing() == set()


def test_a_stream_that_is_missing_until_its_share_is_full(kinesis, start_penstock, prometheus, tmp_path):
    kinesis.remove_stream("projects")
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    config["spool"]["max_size"] = "24MiB"
    penstock = start_penstock(config)
    watching = prometheus(penstock, backlog_seconds=5)
    with Flow(penstock, events=500, size=2000, pause_s=0.01, types=("application",)):
        for alert in ("PenstockBacklogOld", "PenstockNotDelivering", "PenstockSpoolFillsUp", "PenstockSendersWillDrop"):
            watching.wait_firing(alert, 120)
        assert watching.query('ALERTS{alertname="PenstockNotDelivering",alertstate="firing",stream="projects"}')
        assert "PenstockEventsDropped" not in watching.firing()


def test_dead_letters_and_rejected_senders_and_a_bad_reload(kinesis, start_penstock, prometheus, tmp_path):
    (tmp_path / "key").write_text("right\n")
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool",
                           streams={"order": "per_key", "partition_key": "field:key"},
                           forward={"shared_key_file": str(tmp_path / "key")})
    penstock = start_penstock(config)
    watching = prometheus(penstock)
    wait_until(lambda: watching.query("penstock_events_dead_lettered_total"), "the zeros are scraped", 30)
    # Two, once: that is what an increase from nothing would miss.
    kinesis.add_fault("error", operation="PutRecords", data_contains='"n":7,', code="ValidationException")
    with ForwardClient(forward_port(config), shared_key="right") as client:
        for _ in range(2):
            client.send_acked(wire.packed_forward, "t", [
                (1, {"n": n, "key": f"k{n}", "log_type": "application"}) for n in range(20)])
    penstock.wait_metric("penstock_events_dead_lettered_total", 2)
    watching.wait_firing("PenstockDeadLetters")
    watching.wait_firing("PenstockOrderLost")
    penstock.write_config({**config, "streams": {}})
    watching.wait_firing("PenstockReloadFailed")

    def try_a_wrong_key():
        with pytest.raises(Exception):
            ForwardClient(forward_port(config), shared_key="wrong")
        return "PenstockSendersRefused" in watching.firing()
    wait_until(try_a_wrong_key, "PenstockSendersRefused fires", 90)


def test_a_stream_with_too_few_shards(kinesis, start_penstock, prometheus, tmp_path):
    kinesis.create_stream("projects", 1, enforce_rates=True)
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"))
    watching = prometheus(penstock)
    with Flow(penstock, events=500, pause_s=0.1, types=("application",)):
        watching.wait_firing("PenstockThrottled", 150)
        assert watching.query("max(penstock_oldest_pending_seconds) > 30")


def test_what_is_dropped_and_a_pod_that_is_gone(kinesis, start_penstock, prometheus, tmp_path):
    kinesis.remove_stream("projects")
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    config["spool"].update({"max_size": "24MiB", "when_full": "drop_oldest"})
    penstock = start_penstock(config)
    watching = prometheus(penstock)
    with Flow(penstock, events=500, size=2000, pause_s=0.01, types=("application",)):
        watching.wait_firing("PenstockEventsDropped", 120)
    penstock.kill()
    watching.wait_firing("PenstockDown")


def queries_of(dashboard: dict) -> list[tuple[str, str]]:
    panels = dashboard.get("panels", []) + [panel for row in dashboard.get("rows", []) for panel in row["panels"]]
    return [(panel["title"], target["expr"].replace("$namespace", "logging"))
            for panel in panels for target in panel["targets"]]


def test_every_query_of_the_dashboards_has_data(kinesis, start_penstock, prometheus, tmp_path):
    (tmp_path / "key").write_text("right\n")
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool",
                                            forward={"shared_key_file": str(tmp_path / "key")}))
    watching = prometheus(penstock)
    kinesis.add_fault("throttle", operation="PutRecords", stream="projects", times=5)
    with pytest.raises(Exception):
        ForwardClient(forward_port(penstock.config), shared_key="wrong")
    with ForwardClient(forward_port(penstock.config), shared_key="right") as client:
        def missing() -> list[str]:
            client.send_acked(wire.packed_forward, "t", [(1, {"n": n, "log_type": "application"}) for n in range(20)])
            with ForwardClient(forward_port(penstock.config)) as stranger:
                stranger.send(b"\xc1")
            return [f"{file}, {title}: {expression}"
                    for file in ("penstock.json", "console.json")
                    for title, expression in queries_of(json.loads((CHART / "dashboards" / file).read_text()))
                    # What was rejected whole shows only where there was any.
                    if not watching.query(re.sub(r"\[\d+[md]\]", "[30s]", expression).removesuffix(" > 0"))]
        wait_until(lambda: not missing(), "every query has data", 60)
        assert missing() == []
