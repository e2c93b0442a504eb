"""scripts/bench --instructions: what an event costs penstock and the floor in user space, counted under valgrind, so
that no other load on the machine changes the figure. Standard library only.

Each contender runs twice under callgrind, once with few events and once with many; the difference divided by the
additional events is the cost of one event, without start and end. One client with one chunk under way makes requests of
the same size in each run. The same under dhat counts the bytes that memcpy, memmove and the like copy, except what
realloc copies, which shows as instructions of libc.
"""

import json
import re
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench_processes import BenchError, Floor, Penstock, Sink, run_load

RATCHET = Path(__file__).resolve().parents[2] / "bench" / "instructions.json"
FEW, MANY = 4_000, 16_000
FEW_QUICK, MANY_QUICK = 2_000, 8_000
# They choose their instructions by what the CPU offers (and valgrind knows), so on another machine they need others.
BY_CPU = {"libcrypto", "libc", "libxxhash"}
ALLOCATING = {"malloc", "calloc", "realloc"}
HIGHER_MOST = 1.05  # times what the record says; runs differ by 1 %, on a busy machine by 2 %: timers go on meanwhile
LOWER_WORTH_SAYING = 0.95
FIGURES = {"own": "instructions", "copied": "bytes copied", "blocks": "allocations"}
UPDATE = "scripts/bench --instructions --update"


@dataclass(frozen=True)
class Form:
    name: str
    chunk: int
    source: str = "forward"
    tls: bool = False

    @property
    def title(self):
        return f"{self.name} {self.chunk}"

    def load_flags(self, events):
        flags = ["--as", self.source, "--chunk-events", self.chunk, "--events", events, "--connections", 1,
                 "--window", 1]
        return flags + (["--tls", "--shared-key", "bench-shared-key"] if self.tls else [])


FORMS = (Form("plain", 100), Form("plain", 1_000), Form("tls", 100, tls=True), Form("ndjson", 100, "ndjson"),
         Form("otlp-protobuf", 100, "otlp-protobuf"), Form("otlp-json", 100, "otlp-json"))
FORMS_QUICK = (Form("plain", 100),)


def library(path):
    """/usr/lib/…/libcrypto.so.3 -> libcrypto"""
    return re.sub(r"\.so.*$", "", Path(path).name)


def read_callgrind(path):
    """Instructions by library, without what they call, and the number of blocks asked of malloc."""
    instructions, blocks = Counter(), 0
    current, callee, is_call = "", "", False
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("ob="):
                current = library(line[3:].strip())
            elif line.startswith("cfn="):
                callee = line[4:].strip()
            elif line.startswith("calls="):
                is_call = True
                if callee in ALLOCATING:
                    blocks += int(line[6:].split()[0])
            elif line[0] in "0123456789+-*":
                if not is_call:  # else the cost of what is called, which has lines of its own
                    instructions[current] += int(line.split()[1])
                is_call = False
    return instructions, blocks


def read_dhat(path):
    return sum(point["tb"] for point in json.loads(Path(path).read_text())["pps"])


class Counting:
    def __init__(self, build, directory, certificate):
        self.build, self.directory, self.certificate = build, directory, certificate
        self.runs = 0

    def run(self, contender, form, events, tool):
        """The file that valgrind's tool wrote about one run."""
        self.runs += 1
        directory = self.directory / f"counted-{self.runs}"
        directory.mkdir()
        out = directory / "counted.out"
        flags = {"callgrind": ["--tool=callgrind", "--compress-strings=no", "--compress-pos=no", "--dump-line=no",
                               f"--callgrind-out-file={out}"],
                 "dhat": ["--tool=dhat", "--mode=copy", f"--dhat-out-file={out}"]}[tool]
        under = ["valgrind", "-q", f"--log-file={directory / 'valgrind.log'}", *flags]
        certificate = self.certificate if form.tls else None
        sink = Sink(self.build, directory, certificate)
        started = [sink]
        try:
            if contender == "floor":
                started.append(Floor(self.build, directory, sink, certificate, under=under))
                port = started[1].port
            else:
                http = None if form.source == "forward" else self.certificate
                started.append(Penstock(self.build, directory / "penstock", sink, certificate, http=http, under=under))
                port = started[1].port if form.source == "forward" else started[1].http_port
            load = run_load(self.build, directory, port, form.load_flags(events))
            arrived = sink.wait_for(load["events"])["records"]
            if arrived != load["events"]:
                raise BenchError(f"{contender}: {load['events']:.0f} events sent, {arrived:.0f} arrived"
                                 f"{started[1].last_words()}")
            started[1].stop()
        finally:
            for process in reversed(started):
                process.stop()
        if not out.exists() or out.stat().st_size == 0:
            said = (directory / "valgrind.log").read_text()[-500:]
            raise BenchError(f"valgrind wrote nothing about {contender}: {said}")
        return out

    def cost(self, contender, form, few, many):
        """What an event costs: instructions by library, blocks allocated, bytes copied."""
        (less, less_blocks), (more, more_blocks) = (
            read_callgrind(self.run(contender, form, events, "callgrind")) for events in (few, many))
        copied_less, copied_more = (read_dhat(self.run(contender, form, events, "dhat")) for events in (few, many))
        events = many - few
        by_library = {name: (more[name] - less[name]) / events for name in more}
        return {"instructions": sum(by_library.values()),
                "own": sum(count for name, count in by_library.items() if name not in BY_CPU),
                "copied": (copied_more - copied_less) / events, "blocks": (more_blocks - less_blocks) / events,
                "by_library": {name: round(count) for name, count in
                               sorted(by_library.items(), key=lambda item: -item[1]) if count >= 1}}


def measure(build, directory, certificate, quick):
    if shutil.which("valgrind") is None:
        raise BenchError("--instructions needs valgrind: scripts/dependencies test installs it")
    counting = Counting(build, directory, certificate)
    few, many = (FEW_QUICK, MANY_QUICK) if quick else (FEW, MANY)
    results = []
    for form in FORMS_QUICK if quick else FORMS:
        sys.stderr.write(f"bench: counting, {form.title}\n")
        result = {"form": form.name, "chunk": form.chunk, "penstock": counting.cost("penstock", form, few, many)}
        if form.source == "forward":
            result["floor"] = counting.cost("floor", form, few, many)
        results.append(result)
    return results


def print_table(results):
    print("Per event, in user space; own: without libcrypto, libc, libxxhash, whose instructions depend on the CPU.\n")
    print("| form          | chunk |          | instructions |    own | bytes copied | allocations |")
    print("|---------------|------:|----------|-------------:|-------:|-------------:|------------:|")
    for result in results:
        for name in ("penstock", "floor"):
            if name not in result:
                continue
            cost = result[name]
            print(f"| {result['form']:13} | {result['chunk']:5} | {name:8} | {cost['instructions']:12,.0f} | "
                  f"{cost['own']:6,.0f} | {cost['copied']:12,.0f} | {cost['blocks']:11.2f} |")
    print("\nInstructions of penstock by library:")
    for result in results:
        parts = ", ".join(f"{name} {count:,}" for name, count in list(result["penstock"]["by_library"].items())[:7])
        print(f"  {result['form']} {result['chunk']}: {parts}")


def figures_of(results):
    def rounded(cost):
        return {name: round(cost[name], 2 if name == "blocks" else None) for name in FIGURES}

    return {f"{result['form']} {result['chunk']}": rounded(result["penstock"]) for result in results}


def compare(figures, recorded):
    """What is higher than recorded, and what is lower: ([text], [text])."""
    higher, lower = [], []
    for form, own_figures in figures.items():
        for name, what in FIGURES.items():
            if name not in recorded.get(form, {}):
                higher.append(f"{form}: bench/instructions.json has no figure for its {what}")
                continue
            now, then = own_figures[name], recorded[form][name]
            if now > then * HIGHER_MOST + (0.1 if name == "blocks" else 1):
                higher.append(f"{form}: {what} per event {now:,}, recorded {then:,}")
            elif now < then * LOWER_WORTH_SAYING:
                lower.append(f"{form}: {what} per event {now:,}, recorded {then:,}")
    return higher, lower


def check(results, update):
    recorded = json.loads(RATCHET.read_text()) if RATCHET.exists() else {}
    figures = figures_of(results)
    if update:
        RATCHET.write_text(json.dumps(recorded | figures, indent=1) + "\n")
        print(f"\n{RATCHET.name} updated.")
        return
    higher, lower = compare(figures, recorded)
    if lower:
        print("\nCheaper than bench/instructions.json says (record it: " + UPDATE + "):\n  " + "\n  ".join(lower))
    if higher:
        raise BenchError("an event costs more than bench/instructions.json says:\n  " + "\n  ".join(higher) +
                         f"\nMake it cheaper, or record the new figures ({UPDATE})"
                         " and say in the commit what they pay for")
