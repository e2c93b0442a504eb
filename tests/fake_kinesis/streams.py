"""Streams, shards and what they hold.

A shard owns an inclusive range of 128-bit hash keys. Splitting and merging close the parents and open
children; the records stay where they were written. Thread: the server's loop only.
"""

import bisect
import hashlib
import re
from dataclasses import dataclass, field

from .errors import ServiceError, invalid

ACCOUNT = "111111111111"
HASH_KEYS = 1 << 128
RECORDS_PER_SECOND = 1000
BYTES_PER_SECOND = 1_000_000

_HASH_KEY = re.compile(r"0|[1-9]\d{0,38}")


@dataclass(slots=True)
class Record:
    data: bytes
    key: str | None
    explicit_hash_key: str | None
    sequence: str
    shard: str
    arrival: float
    request: int  # number of the request that brought it


class Bucket:
    """Tokens that come back at `rate` a second and stay at one second's worth."""

    def __init__(self, rate: float, now: float):
        self.rate = rate
        self.tokens = rate
        self.updated = now

    def has(self, amount: float, now: float) -> bool:
        self.tokens = min(self.rate, self.tokens + (now - self.updated) * self.rate)
        self.updated = now
        # One record larger than a second's worth may pass when the bucket is full: the service
        # lets a shard burst to take a large record.
        return self.tokens >= min(amount, self.rate)

    def take(self, amount: float) -> None:
        self.tokens -= amount


@dataclass(slots=True)
class Shard:
    id: str
    first: int
    last: int
    parent: str | None = None
    adjacent_parent: str | None = None
    first_sequence: str = ""
    last_sequence: str | None = None  # set: closed
    records: list[Record] = field(default_factory=list)
    record_bucket: Bucket | None = None
    byte_bucket: Bucket | None = None
    read_bucket: Bucket | None = None
    accepted: int = 0
    throttled: int = 0

    @property
    def is_open(self) -> bool:
        return self.last_sequence is None

    def describe(self) -> dict:
        sequences = {"StartingSequenceNumber": self.first_sequence}
        if self.last_sequence is not None:
            sequences["EndingSequenceNumber"] = self.last_sequence
        described = {
            "ShardId": self.id,
            "HashKeyRange": {"StartingHashKey": str(self.first), "EndingHashKey": str(self.last)},
            "SequenceNumberRange": sequences,
        }
        if self.parent:
            described["ParentShardId"] = self.parent
        if self.adjacent_parent:
            described["AdjacentParentShardId"] = self.adjacent_parent
        return described


class Stream:
    def __init__(self, name: str, shards: int, region: str, now: float, mode: str = "PROVISIONED",
                 max_record_kib: int = 1024):
        self.name = name
        self.region = region
        self.created = now
        self.mode = mode
        self.max_record_bytes = max_record_kib * 1024
        self.enforce_rates = False
        self.status = "ACTIVE"
        self.strategy = "USER_PARTITION_KEY"  # or AUTO: the service chooses the shards; on-demand streams only
        self.kms_key: str | None = None
        self.shards: list[Shard] = []
        self.accepted: list[Record] = []  # the ledger, in order of acceptance
        self.accepted_count = 0
        self.retain = True
        self._sequence = 0
        self._turn = 0
        for i in range(shards):
            self._open_shard(HASH_KEYS * i // shards, HASH_KEYS * (i + 1) // shards - 1)
        self._index_open_shards()

    @property
    def arn(self) -> str:
        return f"arn:aws:kinesis:{self.region}:{ACCOUNT}:stream/{self.name}"

    def distribute(self, strategy: str) -> None:
        if strategy == "AUTO" and self.mode != "ON_DEMAND":
            raise invalid(f"Stream {self.name} is not in on-demand mode: AUTO is not supported.")
        self.strategy = strategy

    def open_shards(self) -> list[Shard]:
        return [shard for shard in self.shards if shard.is_open]

    def shard(self, shard_id: str) -> Shard:
        for shard in self.shards:
            if shard.id == shard_id:
                return shard
        raise ServiceError("ResourceNotFoundException",
                           f"Could not find shard {shard_id} in stream {self.name} under account {ACCOUNT}.")

    def shard_for(self, key: str | None, explicit_hash_key: str | None) -> Shard:
        if self.strategy == "AUTO":  # keys may be given and mean nothing
            if explicit_hash_key is not None:
                parse_hash_key(explicit_hash_key)
            self._turn += 1
            return self._open[self._turn % len(self._open)]
        if explicit_hash_key is None:
            hash_key = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        else:
            hash_key = parse_hash_key(explicit_hash_key)
        return self._open[bisect.bisect_left(self._open_ends, hash_key)]

    def append(self, shard: Shard, data: bytes, key: str | None, explicit_hash_key: str | None, now: float,
               request: int) -> Record:
        record = Record(data, key, explicit_hash_key, self._next_sequence(), shard.id, now, request)
        shard.accepted += 1
        self.accepted_count += 1
        if self.retain:
            shard.records.append(record)
            self.accepted.append(record)
        return record

    def is_throttled(self, shard: Shard, size: int, now: float) -> bool:
        """Takes from the shard's buckets, or says that it cannot."""
        if not self.enforce_rates:
            return False
        if shard.record_bucket is None:
            shard.record_bucket = Bucket(RECORDS_PER_SECOND, now)
            shard.byte_bucket = Bucket(BYTES_PER_SECOND, now)
        if not (shard.record_bucket.has(1, now) and shard.byte_bucket.has(size, now)):
            shard.throttled += 1
            return True
        shard.record_bucket.take(1)
        shard.byte_bucket.take(size)
        return False

    def split(self, shard_id: str, at: int | None = None) -> list[Shard]:
        parent = self._open_shard_named(shard_id)
        middle = (parent.first + parent.last) // 2 + 1 if at is None else at
        if not parent.first < middle <= parent.last:
            raise invalid(f"NewStartingHashKey {middle} used in SplitShard() on shard {shard_id} is not valid.")
        self._close_shard(parent)
        children = [self._open_shard(parent.first, middle - 1, parent.id),
                    self._open_shard(middle, parent.last, parent.id)]
        self._index_open_shards()
        return children

    def merge(self, shard_id: str, adjacent_id: str) -> Shard:
        left, right = sorted((self._open_shard_named(shard_id), self._open_shard_named(adjacent_id)),
                             key=lambda shard: shard.first)
        if left.last + 1 != right.first:
            raise invalid(f"Shards {shard_id} and {adjacent_id} in stream {self.name} are not an adjacent pair.")
        self._close_shard(left)
        self._close_shard(right)
        child = self._open_shard(left.first, right.last, left.id, right.id)
        self._index_open_shards()
        return child

    def _open_shard_named(self, shard_id: str) -> Shard:
        shard = self.shard(shard_id)
        if not shard.is_open:
            raise invalid(f"Shard {shard_id} in stream {self.name} is closed.")
        return shard

    def _open_shard(self, first: int, last: int, parent: str | None = None,
                    adjacent: str | None = None) -> Shard:
        shard = Shard(f"shardId-{len(self.shards):012d}", first, last, parent, adjacent,
                      first_sequence=self._next_sequence())
        self.shards.append(shard)
        return shard

    def _close_shard(self, shard: Shard) -> None:
        shard.last_sequence = self._next_sequence()

    def _index_open_shards(self) -> None:
        self._open = sorted(self.open_shards(), key=lambda shard: shard.last)
        self._open_ends = [shard.last for shard in self._open]

    def _next_sequence(self) -> str:
        self._sequence += 1
        return f"496{self._sequence:053d}"


def parse_hash_key(text: str) -> int:
    if not isinstance(text, str) or not _HASH_KEY.fullmatch(text):
        raise ServiceError("ValidationException",
                           "Value at 'explicitHashKey' failed to satisfy regular expression pattern: 0|([1-9]\\d{0,38})")
    value = int(text)
    if value >= HASH_KEYS:
        raise invalid(f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}")
    return value
