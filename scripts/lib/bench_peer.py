"""scripts/bench --peer: penstock beside an OpenTelemetry Collector, in turns, under the same load.

The Collector (bench/peers/otelcol, built from its Go modules) only receives: Forward in, batches, and its `nop`
exporter, so nothing is converted to JSON, signed or sent. penstock does its whole work.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench_processes import BenchError, Penstock, Process, Sink, free_port, run_load

SOURCE = Path(__file__).resolve().parent.parent.parent / "bench" / "peers" / "otelcol"
CHUNKS = (100, 1_000)
QUIET_S = 0.2  # of CPU use, then it has done what it had to


class Collector(Process):
    def __init__(self, binary, directory):
        self.port = free_port()
        config = {"receivers": {"fluentforward": {"endpoint": f"127.0.0.1:{self.port}"}},
                  "processors": {"batch": None}, "exporters": {"nop": None},
                  "service": {"telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
                              "pipelines": {"logs": {"receivers": ["fluentforward"], "processors": ["batch"],
                                                     "exporters": ["nop"]}}}}
        (directory / "otelcol.yaml").write_text(json.dumps(config))  # JSON is YAML
        super().__init__("otelcol", [binary, "--config", directory / "otelcol.yaml"], log=directory / "otelcol.log")
        self.wait_listening()

    def wait_idle(self):
        used = self.cpu_s()
        while True:
            time.sleep(QUIET_S)
            if (now := self.cpu_s()) - used < 0.02:
                return
            used = now


def build(directory):
    if not shutil.which("go"):
        raise BenchError("--peer needs Go to build the OpenTelemetry Collector: install it (apt-get install golang)")
    sys.stderr.write("bench: building the OpenTelemetry Collector (minutes, the first time)\n")
    binary = directory / "otelcol"
    done = subprocess.run(["go", "build", "-o", str(binary), "."], cwd=SOURCE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise BenchError(f"go build in {SOURCE} failed:\n{done.stdout[-3000:]}")
    return binary


def turn(build_directory, directory, target, sink, chunk, events):
    """One load: (events/s, CPU seconds per million events)."""
    flags = ["--chunk-events", chunk, "--events", events, "--connections", 8, "--window", 2]
    before, cpu_before = sink.report()["records"], target.cpu_s()
    load = run_load(build_directory, directory, target.port, flags)
    if isinstance(target, Collector):
        target.wait_idle()
    elif sink.wait_for(before + load["events"])["records"] - before != load["events"]:
        raise BenchError(f"penstock: not all of {load['events']:.0f} events arrived{target.last_words()}")
    return load["events"] / load["seconds"], (target.cpu_s() - cpu_before) / load["events"] * 1e6


def run(build_directory, directory, events, turns):
    binary = build(directory)
    print("| chunk | | events/s | CPU s/M | peak MiB |\n|------:|---|---------:|--------:|---------:|")
    for chunk in CHUNKS:
        sink = Sink(build_directory, directory)
        started = [sink]
        try:
            started.append(Collector(binary, directory))
            started.append(Penstock(build_directory, directory / f"penstock-{chunk}", sink))
            peers = started[1:]
            for peer in peers:  # connections, caches, page faults
                turn(build_directory, directory, peer, sink, chunk, max(events // 20, chunk * 8))
            figures = {peer: [] for peer in peers}
            for _ in range(turns):
                for peer in peers:
                    figures[peer].append(turn(build_directory, directory, peer, sink, chunk, events))
            for peer, name in zip(peers, ("Collector, receives only", "penstock, delivers")):
                rate, cpu = (statistics.median(column) for column in zip(*figures[peer]))
                print(f"| {chunk} | {name} | {rate:,.0f} | {cpu:.2f} | {peer.memory_kib('VmHWM') / 1024:.0f} |")
            ratios = [other[1] / ours[1] for other, ours in zip(*(figures[peer] for peer in peers))]
            print(f"| {chunk} | CPU of the Collector by penstock's | | {statistics.median(ratios):.1f} | |")
        finally:
            for process in reversed(started):
                process.stop()
