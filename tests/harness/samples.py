"""The sample records of every OpenShift Logging generation, as Forward traffic and as what must come out."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .forward_client import event_time

FOLDER = Path(__file__).resolve().parents[1] / "data/openshift"

# Which stream a file's records belong in, by the kind in its name.
STREAM_OF_KIND = {"app": "projects", "infra": "operations", "events": "operations", "journal": "operations",
                  "audit-linux": "audit", "audit-k8s": "audit", "audit-openshift": "audit", "audit-ovn": "audit"}
ENVELOPES = ("4.3", "4.6", "5.9-fluentd")     # with the tag and time they were forwarded with
PLAIN_RECORDS = ("5.9-vector", "6.6-http")    # made for other protocols: over Forward they are plain records
PLAIN_TAG = "plain"                           # of no known shape: each record decides for itself


@dataclass(frozen=True)
class Sample:
    source: str        # "4.3/app.jsonl:7"
    tag: str
    time: object
    record: dict       # as it goes over the wire: bin where that generation sends bin
    text: str          # the record's JSON, as it must come out
    stream: str


def all_samples() -> list[Sample]:
    found = []
    for generation in ENVELOPES + PLAIN_RECORDS:
        for path in sorted((FOLDER / generation).glob("*.jsonl")):
            found += samples_of(path)
    return found + _otlp_bodies() + _syslog_lines()


def samples_of(path: Path) -> list[Sample]:
    generation, stream = path.parent.name, STREAM_OF_KIND[path.stem]
    result = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        source, value = f"{generation}/{path.name}:{number}", json.loads(line)
        if generation in ENVELOPES:
            record, tag, time = value["record"], value["tag"], event_time(*value["time"])
        else:
            record, tag, time = value, PLAIN_TAG, event_time(1718093700, number)
        wire = record
        if generation == "5.9-fluentd" and isinstance(record.get("message"), str):
            wire = {**record, "message": record["message"].encode()}  # read as binary by in_tail
        result.append(Sample(source, tag, time, wire, json.dumps(record, ensure_ascii=False), stream))
    return result


def _otlp_bodies() -> list[Sample]:
    """An OTLP request body as one plain record beside a log_type, which is all that may decide."""
    result = []
    types = {"projects": "application", "operations": "infrastructure", "audit": "audit"}
    for path in sorted((FOLDER / "6.6-otlp").glob("*.jsonl")):
        stream = STREAM_OF_KIND[path.stem]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            record = {"log_type": types[stream], "body": json.loads(line)}
            result.append(Sample(f"6.6-otlp/{path.name}:{number}", PLAIN_TAG, event_time(1718093700), record,
                                 json.dumps(record, ensure_ascii=False), stream))
    return result


def _syslog_lines() -> list[Sample]:
    """Lines of text without a type: applications', by default."""
    path = FOLDER / "6.6-syslog/rfc5424.txt"
    result = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        record = {"message": line}
        result.append(Sample(f"6.6-syslog/rfc5424.txt:{number}", PLAIN_TAG, 1718093700, record,
                             json.dumps(record, ensure_ascii=False), "projects"))
    return result


def by_tag(samples: list[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.tag, []).append(sample)
    return groups


class _Number(tuple):
    """An integer and a float of the same value are not the same JSON."""


def canonical(text: str):
    """A JSON text as comparable values: keys in order, duplicates kept, integers exact and apart from floats."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("object", tuple(pairs)),
                      parse_int=lambda digits: _Number(("int", int(digits))),
                      parse_float=lambda digits: _Number(("float", float(digits))))


_SAFE_INTEGER = 2**53 - 1
_INDEX = re.compile(r"0|[1-9]\d{0,9}")


def as_javascript_holds(text: str) -> str:
    """A record as a client with only doubles sends it: integers above 2^53 are floats, whole floats are integers,
    and keys that look like array indexes come first."""
    def number(digits: str):
        value = float(digits)
        return int(value) if value.is_integer() and abs(value) <= _SAFE_INTEGER else value

    def ordered(pairs):
        indexes = sorted((key for key, _ in pairs if _INDEX.fullmatch(key)), key=int)
        return {key: dict(pairs)[key] for key in [*indexes, *dict(pairs)]}
    return json.dumps(json.loads(text, parse_int=number, parse_float=number, object_pairs_hook=ordered),
                      ensure_ascii=False)


def missing_and_unexpected(expected: list[str], found: list[str]) -> tuple[list[str], list[str]]:
    """Compares as multisets of canonical records; returns texts of what lacks and of what is too much."""
    left: dict[str, list[str]] = {}
    for text in found:
        left.setdefault(repr(canonical(text)), []).append(text)
    missing = []
    for text in expected:
        same = left.get(repr(canonical(text)))
        if same:
            same.pop()
        else:
            missing.append(text)
    return missing, [text for texts in left.values() for text in texts]
