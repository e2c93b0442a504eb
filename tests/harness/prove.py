"""The no-loss proof: real clients, the real binary, and trouble chosen from a seed.

Clients send chunks and wait for acks, as a careful collector does: a chunk that was not acked is sent again under its
id until it is. Meanwhile the process is killed, loses power, finds its disk full, and Kinesis throttles, fails, hangs
and vanishes. At the end every event that was ever acked must be in its stream; events that are there more than once
must each be explained by a trouble that lay between their first and their last arrival.
"""

import argparse
import errno
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fake_kinesis import KinesisProcess
from power_loss import WatchedDirectory
from power_loss.ext4_volume import Ext4Volume

from . import forward_client as wire
from .binary import PATIENCE
from .daemon import Penstock, forward_port, three_streams
from .forward_client import ForwardClient
from .ports import free_port
from .prove_server import CommandServer

STREAMS = {"projects": 2, "operations": 2, "audit": 1}
TYPES = {"projects": "application", "operations": "infrastructure", "audit": "audit"}
CLIENTS = 4
EVENTS_PER_CHUNK_MAX = 60
ACK_TIMEOUT_S = 20.0
SETTLE_S = 120.0 * PATIENCE
# How long after the fact a trouble may still be the reason for a second copy: checkpoints are written in arrears, and
# a request whose connection was cut is sent again after a pause.
TROUBLE_LASTS_S = 40.0 * PATIENCE
TROUBLE_REACHES_BACK_S = 5.0 * PATIENCE


class Sender(threading.Thread):
    """One collector. What it was acked stays in `acked`, by stream."""

    def __init__(self, number: int, port: int, seed: int):
        super().__init__(name=f"sender-{number}", daemon=True)
        self._number, self._port, self._random = number, port, random.Random(seed)
        self._stopping = threading.Event()
        self._events = 0
        self.acked: dict[str, list[str]] = {stream: [] for stream in STREAMS}
        self.resent = 0
        self.failure: str | None = None

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        client = None
        try:
            while not self._stopping.is_set():
                events, frame, chunk = self._next_chunk()
                client = self._send_until_acked(client, frame, chunk)
                if client is None:
                    return  # told to stop while nobody answered: that chunk is nobody's promise
                for stream, event_id in events:
                    self.acked[stream].append(event_id)
        except AssertionError as error:
            self.failure = f"{self.name}: {error}"

    def _send_until_acked(self, client: ForwardClient | None, frame: bytes, chunk: str) -> ForwardClient | None:
        give_up = None
        while True:
            try:
                if client is None:
                    client = ForwardClient(self._port, timeout_s=ACK_TIMEOUT_S)
                client.send(frame)
                client.wait_ack(chunk)
                client.acks.clear()
                return client
            except (OSError, EOFError):
                if client is not None:
                    client.close()
                    self.resent += 1
                client = None
                if self._stopping.is_set():
                    give_up = give_up or time.monotonic() + SETTLE_S
                    if time.monotonic() > give_up:
                        return None
                time.sleep(0.02)  # nobody listens: ask again a little later

    def _next_chunk(self) -> tuple[list[tuple[str, str]], bytes, str]:
        events, records = [], []
        one_stream = self._random.random() < 0.5
        stream = self._random.choice(list(STREAMS))
        for _ in range(self._random.randint(1, EVENTS_PER_CHUNK_MAX)):
            if not one_stream:
                stream = self._random.choice(list(STREAMS))
            self._events += 1
            event_id = f"{self._number}-{self._events}"
            events.append((stream, event_id))
            records.append((wire.event_time(1718093700, self._events),
                            {"id": event_id, "log_type": TYPES[stream], "fill": "x" * self._random.randint(0, 3000)}))
        chunk = wire.new_chunk()
        make = self._random.choice([wire.forward, wire.packed_forward, wire.compressed_forward])
        return events, make("proof", records, {"chunk": chunk}), chunk


@dataclass
class Trouble:
    name: str
    began: float
    ended: float
    may_repeat: bool


class Proof:
    def __init__(self, seed: int, cycles: int, directory: Path, report=print, only: list[str] | None = None,
                 server: str | None = None, volume: Ext4Volume | None = None):
        """server: the command of another server (prove_server.py) in the place of penstock.
        volume: where the spool lies; its file system, not the preloaded layer, loses what was not synced.
        """
        self._seed, self._cycles, self._report, self._server = seed, cycles, report, server
        self._kinds = [trouble for trouble in self.TROUBLES if (not only or trouble[0] in only)
                       and not (server and trouble[0] in self.OF_THE_PRELOADED_LAYER)
                       and not (volume and trouble[0] in self.OF_THE_PRELOADED_LAYER[2:])]
        assert self._kinds, "none of these troubles can be had with --server: they need penstock itself"
        self._random = random.Random(seed)
        self._directory = directory
        self._watched = volume or WatchedDirectory(directory / "spool", directory / "layer")
        self._kinesis_port = free_port()
        self._kinesis = KinesisProcess(STREAMS, port=self._kinesis_port)
        self._config = three_streams(self._kinesis.endpoint, spool=self._watched.directory, drain_timeout="6s")
        self._starts = 0
        self._penstock: Penstock | CommandServer | None = None
        self._troubles: list[Trouble] = []
        self._arrivals: dict[str, list] = {stream: [] for stream in STREAMS}
        self._problems: list[str] = []
        self._senders: list[Sender] = []
        self._scrapes = 0

    # --- what can happen in a cycle: (name, how often, whether it may bring events a second time)

    TROUBLES = [
        ("kill", 6, True), ("power loss", 6, True), ("kill while kinesis hangs", 3, True),
        ("kill twice", 2, True), ("power loss while kinesis hangs", 2, True), ("interrupt", 2, True),
        ("disk full", 3, False), ("broken sync", 2, True), ("read-only disk", 1, False),
        ("throttled shard", 2, False), ("failed records", 2, False), ("server errors", 2, False),
        ("hang", 2, True), ("reset before the write", 1, True), ("reset after the write", 2, True),
        ("slow answers", 1, True), ("kinesis restarts", 2, True),
        ("frozen process", 2, False), ("clock jump", 2, False), ("clock jump and kill", 2, True),
    ]
    # What they do to the process is done by power_loss/preload.c, which not every program can be loaded with.
    OF_THE_PRELOADED_LAYER = ("power loss", "power loss while kinesis hangs", "disk full", "broken sync",
                              "read-only disk", "clock jump", "clock jump and kill")

    def run(self) -> bool:
        self._report(f"seed {self._seed}: {self._cycles} cycles, {CLIENTS} clients")
        began = time.monotonic()
        try:
            self._start()
            self._senders = [Sender(i, forward_port(self._config), self._seed * 1000 + i) for i in range(CLIENTS)]
            for sender in self._senders:
                sender.start()
            for cycle in range(self._cycles):
                self._cycle(cycle)
                if self._problems:
                    break
            self._settle()
        except AssertionError as error:
            self._problems.append(str(error)[-3000:])
        finally:
            for sender in self._senders:
                sender.stop()
            if self._penstock is not None:
                self._end(self._penstock.kill)
            self._collect_arrivals()
            self._kinesis.stop()
        self._compare(time.monotonic() - began)
        return not self._problems

    def _cycle(self, cycle: int) -> None:
        names, weights, _ = zip(*self._kinds)
        name = self._random.choices(names, weights)[0]
        before = time.time()
        getattr(self, "_" + name.replace(" ", "_").replace("-", "_"))()
        may_repeat = next(repeats for known, _, repeats in self.TROUBLES if known == name)
        self._troubles.append(Trouble(name, before, time.time(), may_repeat))
        acked = sum(len(ids) for sender in self._senders for ids in sender.acked.values())
        self._report(f"{cycle + 1:4d}/{self._cycles}  {name:32s} {time.time() - before:5.2f} s  {acked:8d} events acked")

    # --- the process

    def _start(self, ready: bool = True) -> None:
        self._starts += 1
        directory = self._directory / f"run-{self._starts:04d}"
        if self._server:
            self._penstock = CommandServer(self._server, directory, forward_port(self._config),
                                           self._kinesis.endpoint, self._directory / "kept")
        else:
            self._penstock = Penstock(directory, self._config, environment=self._watched.environment)
        self._penstock.start(ready=ready)

    def _end(self, how) -> None:
        how()
        self._scrapes += self._penstock.scrapes
        if self._penstock.violations:
            self._problems.append(f"the sum of events did not hold: {self._penstock.violations[:3]}")
        self._penstock = None

    def _pause(self, least: float, most: float) -> None:
        time.sleep(self._random.uniform(least, most))  # the moment is what the seed chooses

    def _kill(self) -> None:
        self._pause(0.0, 1.0)
        self._end(self._penstock.kill)
        self._watched.forget()
        self._start()

    def _kill_twice(self) -> None:
        self._end(self._penstock.kill)
        self._watched.forget()
        self._start(ready=False)
        self._pause(0.0, 0.15)  # in the middle of its recovery
        self._kill()

    def _power_loss(self) -> None:
        self._pause(0.0, 1.0)
        self._end(self._penstock.kill)
        self._watched.lose_power(self._random)
        self._start()

    def _kill_while_kinesis_hangs(self) -> None:
        self._kinesis.add_fault("hang", operation="Put")
        self._pause(0.2, 0.8)
        self._kill()
        self._heal_kinesis()

    def _power_loss_while_kinesis_hangs(self) -> None:
        self._kinesis.add_fault("hang", operation="Put")
        self._pause(0.2, 0.8)
        self._power_loss()
        self._heal_kinesis()

    def _interrupt(self) -> None:
        self._pause(0.0, 0.5)

        def stop():
            code = self._penstock.stop_quickly()
            assert code == 0, f"it ended with {code}: {self._penstock.log()[-2000:]}"
        self._end(stop)
        self._watched.forget()
        self._start()

    def _frozen_process(self) -> None:
        self._penstock.signal(signal.SIGSTOP)
        self._pause(0.5, 3.0)
        self._penstock.signal(signal.SIGCONT)
        self._pause(0.1, 0.3)

    # --- its clock: well within dedup.window

    def _clock_jump(self) -> None:
        self._watched.set_clock(self._random.choice([-1, 1]) * self._random.randint(1, 1200))
        self._pause(0.3, 1.0)
        self._watched.set_clock(0)
        self._pause(0.1, 0.3)

    def _clock_jump_and_kill(self) -> None:
        self._watched.set_clock(self._random.choice([-1, 1]) * self._random.randint(1, 1200))
        self._kill()
        self._pause(0.0, 0.3)
        self._watched.set_clock(0)

    # --- its disk

    def _disk_full(self) -> None:
        self._fail_disk(write=errno.ENOSPC, create=errno.ENOSPC)

    def _read_only_disk(self) -> None:
        self._fail_disk(write=errno.EROFS, create=errno.EROFS)

    def _broken_sync(self) -> None:
        self._fail_disk(sync=errno.EIO)

    def _fail_disk(self, **what: int) -> None:
        self._watched.fail(**what)
        self._pause(0.3, 1.0)
        alive = self._penstock.is_running
        self._watched.fail()
        assert alive, f"a failing disk must not end it: {self._penstock.log()[-2000:]}"
        self._pause(0.1, 0.3)

    # --- Kinesis

    def _with_fault(self, effect: str, least: float = 0.3, most: float = 1.0, **options) -> None:
        self._kinesis.add_fault(effect, operation="Put", **options)
        self._pause(least, most)
        self._heal_kinesis()

    def _heal_kinesis(self) -> None:
        self._kinesis.remove_fault()
        self._kinesis.release()

    def _throttled_shard(self) -> None:
        self._with_fault("throttle", shard="shardId-000000000000", probability=0.8, seed=self._random.randrange(10**6))

    def _failed_records(self) -> None:
        self._with_fault("fail_records", probability=0.3, seed=self._random.randrange(10**6))

    def _server_errors(self) -> None:
        self._with_fault("error", code=self._random.choice(["InternalFailure", "ServiceUnavailable", "SlowDown"]),
                         status=self._random.choice([500, 503]), form=self._random.choice(["service", "html", "empty"]))

    def _hang(self) -> None:
        self._with_fault("hang")

    def _reset_before_the_write(self) -> None:
        self._with_fault("reset_before", probability=0.5)

    def _reset_after_the_write(self) -> None:
        self._with_fault("reset_after", probability=0.5)

    def _slow_answers(self) -> None:
        self._with_fault("delay_after", seconds=0.3)

    def _kinesis_restarts(self) -> None:
        # Nothing may be accepted between the last look into the ledger and its end.
        self._kinesis.add_fault("reset_before", operation="Put")
        self._collect_arrivals()
        self._kinesis.stop()
        self._pause(0.1, 0.6)
        self._kinesis = KinesisProcess(STREAMS, port=self._kinesis_port)

    # --- the account

    def _collect_arrivals(self) -> None:
        for stream in STREAMS:
            self._arrivals[stream] += self._kinesis.arrivals(stream, "id")
        self._kinesis.forget()

    def _settle(self) -> None:
        """Everything is well again: all that is still to come must come."""
        self._watched.fail()
        self._heal_kinesis()
        for sender in self._senders:
            sender.stop()
        for sender in self._senders:
            sender.join(SETTLE_S)
            if sender.is_alive():
                self._problems.append(f"{sender.name} still waits for an ack after {SETTLE_S:g} s of quiet")
        if self._server:
            self._penstock.wait_settled(self._still_missing)
        else:
            self._penstock.wait_settled(0, deadline_s=120)
        assert self._penstock.stop_quickly() == 0, self._penstock.log()[-2000:]

    def _still_missing(self) -> int:
        """Acked events that are in no stream yet."""
        missing = 0
        for stream in STREAMS:
            arrived = {event_id for event_id, _ in self._arrivals[stream] + self._kinesis.arrivals(stream, "id")}
            missing += sum(len(set(sender.acked[stream]) - arrived) for sender in self._senders)
        return missing

    def _compare(self, took: float) -> None:
        acked_total = lost_total = unexplained = 0
        repeated_by: Counter = Counter()  # how many came again, by the trouble before their last arrival
        for stream in STREAMS:
            first, last, copies = {}, {}, Counter()
            for event_id, at in self._arrivals[stream]:
                copies[event_id] += 1
                first.setdefault(event_id, at)
                last[event_id] = at
            acked = {event_id for sender in self._senders for event_id in sender.acked[stream]}
            acked_total += len(acked)
            lost = sorted(acked - set(copies))
            lost_total += len(lost)
            if lost:
                self._problems.append(f"{stream}: {len(lost)} of {len(acked)} acked events are LOST, for example {lost[:5]}")
            for event_id, count in copies.items():
                if count > 1:
                    repeated_by[self._trouble_before(last[event_id])] += count - 1
                    if not self._is_explained(first[event_id], last[event_id]):
                        unexplained += 1
        if unexplained:
            self._problems.append(f"{unexplained} events came again with no trouble that explains it")
        self._problems += [sender.failure for sender in self._senders if sender.failure]
        most = ""
        if repeated_by:
            number, count = repeated_by.most_common(1)[0]
            most = f" ({count} at most by one trouble: {self._troubles[number].name if number >= 0 else 'none'})"
        self._report(f"seed {self._seed}: {len(self._troubles)} cycles in {took:.0f} s, {acked_total} events acked, "
                     f"{lost_total} lost, {repeated_by.total()} repeated{most}, "
                     f"{sum(s.resent for s in self._senders)} chunks sent again, {self._starts} starts, "
                     f"{self._scrapes} scrapes in balance")
        for problem in self._problems:
            self._report(f"FAILED (seed {self._seed}): {problem}")

    def _trouble_before(self, at: float) -> int:
        return max((number for number, trouble in enumerate(self._troubles) if trouble.began <= at), default=-1)

    def _is_explained(self, first: float, last: float) -> bool:
        return any(trouble.may_repeat and trouble.began - TROUBLE_REACHES_BACK_S <= last
                   and first <= trouble.ended + TROUBLE_REACHES_BACK_S
                   and last <= trouble.ended + TROUBLE_LASTS_S for trouble in self._troubles)


def prove(seed: int, cycles: int, report=print, only: list[str] | None = None, server: str | None = None,
          volume: Ext4Volume | None = None) -> bool:
    directory = Path(tempfile.mkdtemp(prefix="penstock-prove-"))
    proof = Proof(seed, cycles, directory, report, only, server, volume)
    proven = proof.run()
    if proven:
        shutil.rmtree(directory)
    else:
        report(f"spool, logs and configuration are kept in {directory}")
    return proven


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/prove", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=50, help="troubles in a row (default 50)")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, named in the report")
    parser.add_argument("--only", action="append", metavar="TROUBLE", choices=[name for name, _, _ in Proof.TROUBLES],
                        help="only this kind of trouble (may be given several times)")
    parser.add_argument("--server", metavar="COMMAND", help="this Forward-to-Kinesis server instead of penstock; what it "
                        "gets in its environment: tests/harness/prove_server.py")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    return 0 if prove(seed, options.cycles, lambda text: print(text, flush=True), options.only,
                      options.server) else 1


if __name__ == "__main__":
    sys.exit(main())
