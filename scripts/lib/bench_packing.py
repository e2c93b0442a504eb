"""scripts/bench --packing: what each way of packing events of 300 bytes into records costs penstock, and what it
saves in Kinesis. The ways take turns, so that all meet the same machine.
"""

import statistics
import sys
import time

from bench_processes import BenchError, Penstock, Sink, run_load

EVENT_BYTES = 300
CHUNK_EVENTS = 1000
PAYLOAD_UNIT_BYTES = 25_600  # what is charged for: started ones, record by record
AGGREGATE_UNITS = 2  # penstock fills an aggregate up to so many
SILENCE_S = 30
WAYS = {  # heading: options of the stream
    "none": {},
    "lines": {"aggregation": "lines"},
    "kpl": {"aggregation": "kpl"},
    "kpl, keyed": {"aggregation": "kpl", "partition_key": "field:level"},
    "none, gzip": {"compression": "gzip"},
    "lines, gzip": {"aggregation": "lines", "compression": "gzip"},
    "lines, zstd": {"aggregation": "lines", "compression": "zstd"},
}


def turn(build, directory, penstock, sink, events):
    """One load: (CPU seconds, records, bytes on the wire, requests)."""
    flags = ["--chunk-events", CHUNK_EVENTS, "--events", events, "--connections", 4, "--window", 4,
             "--event-bytes", EVENT_BYTES]
    before, cpu_before = sink.report(), penstock.cpu_s()
    delivered_before = penstock.metric("penstock_events_delivered_total")
    load = run_load(build, directory, penstock.port, flags)
    delivered, since = -1, time.monotonic()
    while delivered < load["events"]:
        now = penstock.metric("penstock_events_delivered_total") - delivered_before
        if now != delivered:
            delivered, since = now, time.monotonic()
        if time.monotonic() > since + SILENCE_S:
            raise BenchError(f"{load['events']:.0f} events sent, {delivered:.0f} delivered{penstock.last_words()}")
        time.sleep(0.02)
    after = sink.report()
    return penstock.cpu_s() - cpu_before, *(after[name] - before[name] for name in ("records", "bytes", "requests"))


def run(build, directory, events, turns):
    """Prints a table; raises BenchError when events are missing or kpl does not save what it promises."""
    sink = Sink(build, directory)
    penstocks, results = {}, {way: [] for way in WAYS}
    try:
        for number, (way, stream) in enumerate(WAYS.items()):
            sys.stderr.write(f"bench: starting for {way}\n")
            penstocks[way] = Penstock(build, directory / f"penstock-{number}", sink, stream=stream)
            turn(build, directory, penstocks[way], sink, max(CHUNK_EVENTS * 8, events // 20))
        for _ in range(turns):
            for way, penstock in penstocks.items():
                results[way].append(turn(build, directory, penstock, sink, events))
    finally:
        for penstock in penstocks.values():
            penstock.stop()
        sink.stop()
    print(f"\nPer million events of {EVENT_BYTES} bytes ({turns} turns of {events:,}, medians):\n")
    print("| packing | CPU s | to none | records | payload units at most | requests | wire MB |")
    print("|---------|------:|--------:|--------:|----------------------:|---------:|--------:|")
    for way, measured in results.items():
        cpu = statistics.median(turn[0] for turn in measured)
        ratio = statistics.median(ours[0] / plain[0] for ours, plain in zip(measured, results["none"]) if plain[0] > 0)
        records, wire, requests = (sum(of_turn) / turns / events * 1e6 for of_turn in list(zip(*measured))[1:])
        units = records * (AGGREGATE_UNITS if "aggregation" in WAYS[way] else 1)
        print(f"| {way} | {cpu / events * 1e6:.2f} | {ratio:.2f} | {records:,.0f} | {units:,.0f} | {requests:,.0f} "
              f"| {wire / 1e6:.0f} |")
    if sum(measured[1] for measured in results["kpl"]) * AGGREGATE_UNITS * 12 > turns * events:
        raise BenchError("kpl takes more than a twelfth of the payload units")
