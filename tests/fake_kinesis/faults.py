"""What goes wrong, and when: a list of rules, each with a condition, an effect and a number of times.

Rules are tried in the order they were added; the first that fits and has times left applies. Effects on
whole requests: error, hang, reset_before, reset_after, truncate, delay_before, delay_after. Effects on
single records of a PutRecords: fail_records, throttle. Chance comes from the rule's own seed.
"""

import itertools
import random
from dataclasses import dataclass, field

WHOLE_REQUEST = {"error", "hang", "reset_before", "reset_after", "truncate", "delay_before", "delay_after",
                 "short_answer"}
SINGLE_RECORDS = {"fail_records", "throttle"}

_numbers = itertools.count(1)


@dataclass
class Fault:
    effect: str
    operation: str | None = None      # None: any; "Put" fits PutRecord, PutRecords and PutRecordBatch
    stream: str | None = None
    shard: str | None = None          # single records only
    data_contains: str | None = None  # a record with these bytes in it must be there
    min_records: int | None = None    # only requests with at least so many records
    content_type: str | None = None   # "cbor" or "json"
    times: int | None = None          # requests (or records) it applies to; None: until removed
    after: int = 0                    # lets so many that fit pass first
    probability: float = 1.0
    seed: int = 1
    seconds: float = 0.0              # of delay_*
    code: str = "InternalFailure"
    status: int = 0                   # 0: 500 for faults, else 400
    message: str | None = None
    form: str = "service"             # service | xml | html | empty: shape of an error's body
    headers: dict[str, str] = field(default_factory=dict)
    id: int = field(default_factory=lambda: next(_numbers))
    applied: int = 0

    def __post_init__(self):
        if self.effect not in WHOLE_REQUEST | SINGLE_RECORDS:
            raise ValueError(f"unknown effect {self.effect!r}")
        self._random = random.Random(self.seed)

    def _is_due(self) -> bool:
        if self.times is not None and self.applied >= self.times:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.probability < 1.0 and self._random.random() >= self.probability:
            return False
        self.applied += 1
        return True

    def _fits_request(self, operation: str, stream: str | None, content_type: str) -> bool:
        if self.operation == "Put":
            if not operation.startswith("Put"):
                return False
        elif self.operation is not None and self.operation != operation:
            return False
        if self.content_type is not None and self.content_type not in content_type:
            return False
        return self.stream is None or self.stream == stream


class Faults:
    def __init__(self):
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> int:
        self._rules.append(fault)
        return fault.id

    def remove(self, fault_id: int | None) -> None:
        self._rules = [] if fault_id is None else [rule for rule in self._rules if rule.id != fault_id]

    def applied(self, fault_id: int) -> int:
        return next((rule.applied for rule in self._rules if rule.id == fault_id), 0)

    def for_request(self, operation: str, stream: str | None, content_type: str, request: dict) -> list[Fault]:
        """The whole-request faults that strike this one, in order; one decides unless it is a delay."""
        struck = []
        for rule in self._rules:
            if rule.effect not in WHOLE_REQUEST or not rule._fits_request(operation, stream, content_type):
                continue
            if rule.data_contains is not None and not _contains(request, rule.data_contains.encode()):
                continue
            if rule.min_records is not None and len(request.get("Records") or []) < rule.min_records:
                continue
            if rule._is_due():
                struck.append(rule)
                if not rule.effect.startswith("delay"):
                    break
        return struck

    def for_records(self, operation: str, stream: str, content_type: str) -> list[Fault]:
        return [rule for rule in self._rules
                if rule.effect in SINGLE_RECORDS and rule._fits_request(operation, stream, content_type)]

    @staticmethod
    def strike_record(rules: list[Fault], shard: str, data: bytes) -> Fault | None:
        for rule in rules:
            if rule.shard is not None and rule.shard != shard:
                continue
            if rule.data_contains is not None and rule.data_contains.encode() not in data:
                continue
            if rule._is_due():
                return rule
        return None


def _contains(request: dict, needle: bytes) -> bool:
    return any(needle in (record.get("Data") or b"") for record in request.get("Records") or [request])
