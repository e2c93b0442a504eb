"""Reloads, one after the other, of every key that may change: under load, nothing is lost, nothing is left behind."""

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.api_server import ApiServer
from harness.binary import is_sanitized
from harness.credential_services import Sts
from harness.daemon import three_streams
from harness.http_client import http_source
from harness.ports import free_port
from harness.reloads import SERVICE_ACCOUNT, TARGETS, Walk, World, apply, base_config
from harness.steady_senders import SERVICE_TOKEN, SteadySenders
from harness.waiting import wait_until

MIB = 2**20


@pytest.fixture
def services(kinesis, certificates, tmp_path):
    """Environment: an STS, and a cluster that knows one service account."""
    sts = Sts(kinesis, life_s=3600)
    api = ApiServer(tmp_path / "cluster", certificates,
                    {SERVICE_TOKEN: "system:serviceaccount:" + SERVICE_ACCOUNT.replace("/", ":")})
    yield {**sts.environment, **api.environment}
    api.stop()
    sts.stop()


def logs_in(spool: Path) -> list[str]:
    return sorted(path.name for path in (spool / "streams").iterdir())


def shares(penstock) -> dict[str, int]:
    return {stream["name"]: stream["spool_bytes_max"] for stream in penstock.status()["streams"]}


def what_is_open(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(link)


class Use:
    """What the process has of everything, at rest."""

    def __init__(self, penstock):
        self.files = sorted(what_is_open(penstock.pid))
        self.threads = penstock.threads()
        self.bytes = penstock.memory_bytes()

    def __repr__(self):
        return f"{len(self.files)} files, {self.threads} threads, {self.bytes / MIB:.0f} MiB"


def wait_nothing_left(penstock, config: dict, when: str) -> None:
    """One log for each stream. Of a stream that was removed the last one, when it is empty, stays until a restart."""
    wait_until(lambda: penstock.metrics().pending == 0, f"nothing is pending {when}", 120)
    spool = Path(config["spool"]["directory"])

    def streams() -> list[str]:
        return sorted(name.rpartition(".")[0] for name in logs_in(spool))
    wait_until(lambda: streams() in (sorted(config["streams"]), sorted({*config["streams"], "extra"})),
               f"no log of a former target is left {when}", 30)


def wait_as_few(penstock, uses: list[Use], threads_more: int) -> None:
    """Credentials that no stream has any more end with their thread and connections a moment after the last log."""
    def are_as_few() -> bool:
        uses[1] = Use(penstock)
        return uses[1].threads <= uses[0].threads + threads_more and len(uses[1].files) <= len(uses[0].files) + 12
    try:
        wait_until(are_as_few, "as few threads and open files as after the first half", 30)
    except AssertionError:
        print(f"at rest after the first half {uses[0].files}, after the second {uses[1].files}")
        raise


def reload_under_load(penstock, walk: Walk, base: dict, senders: SteadySenders, rounds: int) -> None:
    with senders:
        for number in range(1, rounds + 1):
            print(f"reload {number}: {walk.step()}")
            apply(penstock, walk.config)
            senders.config = walk.config
        answers = senders.answers
        wait_until(lambda: senders.answers > answers, "the senders are answered")
    wait_nothing_left(penstock, walk.config, f"after {rounds} reloads")


def check_arrivals(kinesis, all_senders: list[SteadySenders]) -> None:
    counts = kinesis.tally_all(TARGETS, "id")
    acked = set().union(*(senders.acked for senders in all_senders))
    tries = sum((senders.tries for senders in all_senders), start=Counter())
    lost = acked - counts.keys()
    assert not lost, f"{len(lost)} acked events are lost: {sorted(lost)[:5]}"
    doubled = {event: times for event, times in counts.items() if times > tries[event]}
    assert not doubled, f"{len(doubled)} events came more often than they were sent: {sorted(doubled)[:5]}"
    print(f"{len(acked)} events acked, {sum(times > 1 for times in tries.values())} of them sent again, "
          f"{sum(times > 1 for times in counts.values())} delivered again")


def walk_through_reloads(kinesis, start_penstock, certificates, services, tmp_path, rounds: int,
                         threads_more: int, pause_s: float) -> Walk:
    """pause_s: of each sender after an answer. threads_more: begun in the second half by what was used there for the first time."""
    seed = int(os.environ.get("PENSTOCK_TEST_SEED") or random.randrange(2**32))
    print(f"PENSTOCK_TEST_SEED={seed}")
    world = World(tmp_path, kinesis, certificates, services)
    config = three_streams(kinesis.endpoint)
    config["sources"] += [http_source(), {"syslog": {"listen": f"127.0.0.1:{free_port()}"}}]
    base = base_config(config, world, tmp_path / "spool")
    penstock = start_penstock(base, environment=world.environment)
    walk, all_senders, uses = Walk(base, world, seed), [], []
    for half in ("first", "second"):  # in the first half everything grows that grows once
        senders = SteadySenders(walk.config, certificates, prefix=half, pause_s=pause_s)
        all_senders.append(senders)
        reload_under_load(penstock, walk, base, senders, rounds // 2)
        in_force = shares(penstock)
        apply(penstock, base)
        wait_nothing_left(penstock, base, f"after the {half} half")
        uses.append(Use(penstock))
        if half == "second":
            wait_as_few(penstock, uses, threads_more)
        apply(penstock, walk.config)
    metrics = penstock.metrics()
    assert metrics.sum("penstock_events_dropped_total") == metrics.sum("penstock_events_dead_lettered_total") == 0
    assert penstock.stop_quickly() == 0
    check_arrivals(kinesis, all_senders)
    print(f"at rest after the first half {uses[0]}, after the second {uses[1]}")
    if not is_sanitized():
        assert uses[1].bytes <= uses[0].bytes + 16 * MIB
    again = start_penstock(walk.config, environment=world.environment)
    wait_until(lambda: len(logs_in(tmp_path / "spool")) == len(walk.config["streams"]), "no log of another stream is left")
    in_force = {name: share for name, share in in_force.items() if name in walk.config["streams"]}
    assert in_force == shares(again), "the shares are those of a process that began with this configuration"
    return walk


def test_the_status_shows_a_reload_as_soon_as_it_is_counted(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    penstock = start_penstock(config)
    config["spool"]["max_size"] = "256MiB"
    penstock.write_config(config)
    penstock.signal(signal.SIGHUP)
    penstock.wait_metric("penstock_config_reloads_total", 1, result="ok")  # the first one: it read the new file
    assert penstock.status()["spool"]["bytes_max"] == 256 * MIB


@pytest.mark.timeout(300)
def test_sixty_reloads_under_load_lose_nothing_and_leave_nothing_behind(
        kinesis, start_penstock, certificates, services, tmp_path):
    walk_through_reloads(kinesis, start_penstock, certificates, services, tmp_path, 60, threads_more=4, pause_s=0.1)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_thousand_reloads_of_every_key_under_load_lose_nothing_and_leave_nothing_behind(
        kinesis, start_penstock, certificates, services, tmp_path):
    walk = walk_through_reloads(kinesis, start_penstock, certificates, services, tmp_path, 1000, threads_more=1, pause_s=0.02)
    assert walk.changed == set(walk.keys)
