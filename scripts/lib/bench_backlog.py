"""scripts/bench --backlog: a backlog on disk that is far larger than memory_limit. How fast it is taken in while
Kinesis is away, how soon a killed penstock listens again, how fast the backlog is drained, and the most memory that
was resident meanwhile.
"""

import signal
import sys
import time
from dataclasses import dataclass

from bench_processes import BenchError, Penstock, Sink, free_port, run_load

MEMORY_LIMIT_MIB = 128
LIMITS = {"memory_limit": f"{MEMORY_LIMIT_MIB}MiB", "max_message": "16MiB"}
EVENT_BYTES = 1072  # of bench-load, as msgpack
CHUNK_EVENTS = 1000
SLOWEST_MB_PER_S = 5


@dataclass
class Away:
    """A Kinesis nobody answers for."""
    port: int


def fill(build, directory, spool, events):
    """An acked backlog, left behind by a kill: (seconds, MiB resident at the most)."""
    penstock = Penstock(build, directory / "fill", Away(free_port()), spool=spool, limits=LIMITS)
    try:
        load = run_load(build, directory, penstock.port,
                        ["--chunk-events", CHUNK_EVENTS, "--events", events, "--connections", 4, "--window", 2],
                        timeout_s=30 + events * EVENT_BYTES / SLOWEST_MB_PER_S / 1e6)
        return load["seconds"], penstock.memory_kib("VmHWM") / 1024
    finally:
        penstock.stop(signal.SIGKILL)


def drain(build, directory, spool, events):
    """(milliseconds to listening, seconds to the last record, MiB resident at the most)"""
    sink = Sink(build, directory)
    started = [sink]
    try:
        penstock = Penstock(build, directory / "drain", sink, spool=spool, limits=LIMITS)
        started.append(penstock)
        began = time.monotonic()
        arrived = sink.wait_for(events)["records"]
        seconds = time.monotonic() - began
        if arrived < events:
            raise BenchError(f"{events} events were acked, {arrived:.0f} arrived{penstock.last_words()}")
        return penstock.start_ms, seconds, penstock.memory_kib("VmHWM") / 1024
    finally:
        for process in reversed(started):
            process.stop()


def run(build, directory, disk, gib):
    """Prints what was measured; raises BenchError when an event is missing or memory_limit was exceeded."""
    events = int(gib * (1 << 30) / EVENT_BYTES)
    spool = disk / "backlog"
    spool.mkdir()
    sys.stderr.write(f"bench: filling the spool with {events:,} events\n")
    filled_s, fill_mib = fill(build, directory, spool, events)
    on_disk = sum(path.stat().st_size for path in spool.rglob("*") if path.is_file())
    sys.stderr.write("bench: killed; draining\n")
    start_ms, drained_s, drain_mib = drain(build, directory, spool, events)
    print(f"Backlog of {events:,} events ({on_disk / (1 << 30):.2f} GiB on disk), memory_limit {MEMORY_LIMIT_MIB} MiB:")
    print(f"  taken in   {events / filled_s:>10,.0f} events/s, at most {fill_mib:.0f} MiB resident")
    print(f"  listening  {start_ms:>10,.0f} ms after the start that followed a kill")
    print(f"  drained    {events / drained_s:>10,.0f} events/s, at most {drain_mib:.0f} MiB resident")
    if max(fill_mib, drain_mib) > MEMORY_LIMIT_MIB:
        raise BenchError(f"more than memory_limit ({MEMORY_LIMIT_MIB} MiB) was resident")
