"""Prometheus text, and the sum that must hold at every scrape."""

import pathlib
import re
from dataclasses import dataclass

_SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)$')
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r'\\(.)')

RECEIVED = "penstock_events_received_total"
ACCOUNTED = ("penstock_events_delivered_total", "penstock_events_dead_lettered_total",
             "penstock_events_dropped_total", "penstock_events_duplicate_total", "penstock_events_pending")

# What the values of a label are declared in (src/metrics/known_labels.cc), by metric.
_DECLARED = {
    "penstock_messages_refused_total": ("reason", ["kForward", "kHttp", "kSyslog"]),
    "penstock_auth_failures_total": ("reason", ["kForwardAuth", "kHttpAuth"]),
    "penstock_events_dead_lettered_total": ("reason", ["kDeadOfStreams", "kDeadWithoutStream"]),
    "penstock_events_dropped_total": ("reason", ["kDropped"]),
    "penstock_admin_refused_total": ("reason", ["kAdmin"]),
    "penstock_put_requests_total": ("result", ["kRequestResults"]),
    "penstock_put_records_total": ("result", ["kRecordResults"]),
}


def _declared_labels() -> dict[str, tuple[str, set[str]]]:
    source = pathlib.Path(__file__).resolve().parents[2] / "src/metrics/known_labels.cc"
    lists = {name: set(re.findall(r'"(\w+)"', values))
             for name, values in re.findall(r"(k\w+)\[\] = \{(.*?)\};", source.read_text(), re.S)}
    return {metric: (label, set().union(*(lists[name] for name in names))) for metric, (label, names) in _DECLARED.items()}


KNOWN_LABELS = _declared_labels()


@dataclass
class Metrics:
    samples: list[tuple[str, dict[str, str], float]]
    types: dict[str, str]

    def sum(self, metric: str, **labels: str) -> float:
        """Over all samples of the name whose labels include these; a name never seen is 0."""
        return sum(value for name, found, value in self.samples
                   if name == metric and labels.items() <= found.items())

    def has(self, metric: str) -> bool:
        return any(name == metric or name.startswith(metric + "_") for name, _, _ in self.samples)

    def by(self, metric: str, label: str) -> dict[str, float]:
        """Sums over all samples of the name, by the value of one label; what is 0 is left out: every known series is
        exported from the start."""
        result: dict[str, float] = {}
        for name, labels, value in self.samples:
            if name == metric and value != 0:
                result[labels.get(label, "")] = result.get(labels.get(label, ""), 0) + value
        return result

    @property
    def received(self) -> float:
        return self.sum(RECEIVED)

    @property
    def delivered(self) -> float:
        return self.sum("penstock_events_delivered_total")

    @property
    def pending(self) -> float:
        return self.sum("penstock_events_pending")

    def imbalance(self) -> float:
        """received - (delivered + dead-lettered + dropped + duplicate + pending): 0 at every scrape."""
        return self.received - sum(self.sum(name) for name in ACCOUNTED)

    def undeclared(self) -> set[tuple[str, str]]:
        """(metric, value) of each reason and result that was not exported as 0 from the start: Prometheus does not see
        the first increase of such a series."""
        return {(name, labels[KNOWN_LABELS[name][0]]) for name, labels, _ in self.samples
                if name in KNOWN_LABELS and labels[KNOWN_LABELS[name][0]] not in KNOWN_LABELS[name][1]}

    def account(self) -> str:
        return " ".join(f"{name.removeprefix('penstock_events_').removesuffix('_total')}={self.sum(name):g}"
                        for name in (RECEIVED, *ACCOUNTED))


def parse_metrics(text: str) -> Metrics:
    samples, types = [], {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            types[name] = kind
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.match(line)
        if not match:
            raise AssertionError(f"not a line of Prometheus text: {line!r}")
        labels = {name: _ESCAPED.sub(lambda m: {"n": "\n"}.get(m[1], m[1]), value)
                  for name, value in _LABEL.findall(match[2] or "")}
        samples.append((match[1], labels, float(match[3])))
    return Metrics(samples, types)
