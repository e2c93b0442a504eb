"""What a test can tell the server and ask it. Arguments and results are plain JSON values, so that the same
verbs work in the process and over HTTP (POST /_control/<verb> with the arguments as an object)."""

import base64
import collections
import json

from .faults import Fault
from .signature import AccessKey
from .streams import Stream
from .unpack import events_of, misplaced


class Controls:
    def __init__(self, server):
        self._server = server
        self._state = server.state

    def call(self, name: str, arguments: dict):
        if name.startswith("_") or name == "call" or not hasattr(Controls, name):
            raise ValueError(f"unknown verb {name!r}")
        return getattr(self, name)(**arguments)

    # --- streams

    def create_stream(self, name: str, shards: int = 1, mode: str = "PROVISIONED", max_record_kib: int = 1024,
                      retain: bool = True, enforce_rates: bool = False) -> None:
        state = self._state
        stream = Stream(name, shards, state.region, state.now(), mode, max_record_kib)
        stream.retain = retain
        stream.enforce_rates = enforce_rates
        state.streams[name] = stream

    def remove_stream(self, name: str) -> None:
        del self._state.streams[name]

    def set_stream(self, name: str, enforce_rates: bool | None = None, max_record_kib: int | None = None,
                   mode: str | None = None, status: str | None = None, retain: bool | None = None,
                   strategy: str | None = None, kms_key: str | None = None) -> None:
        """strategy: AUTO makes keys mean nothing, from the next record on."""
        stream = self._state.stream(name)
        if enforce_rates is not None:
            stream.enforce_rates = enforce_rates
        if max_record_kib is not None:
            stream.max_record_bytes = max_record_kib * 1024
        if mode is not None:
            stream.mode = mode
        if status is not None:
            stream.status = status
        if retain is not None:
            stream.retain = retain
        if strategy is not None:
            stream.distribute(strategy)
        if kms_key is not None:
            stream.kms_key = kms_key

    def split_shard(self, stream: str, shard: str) -> list[str]:
        return [child.id for child in self._state.stream(stream).split(shard)]

    def merge_shards(self, stream: str, shard: str, adjacent: str) -> str:
        return self._state.stream(stream).merge(shard, adjacent).id

    def shards(self, stream: str) -> list[dict]:
        return [{"id": shard.id, "open": shard.is_open, "first": str(shard.first), "last": str(shard.last),
                 "accepted": shard.accepted, "throttled": shard.throttled}
                for shard in self._state.stream(stream).shards]

    # --- faults, keys, the server itself

    def add_fault(self, effect: str, **options) -> int:
        return self._state.faults.add(Fault(effect, **options))

    def remove_fault(self, id: int | None = None) -> None:
        """Without an id: all."""
        self._state.faults.remove(id)

    def fault_applied(self, id: int) -> int:
        return self._state.faults.applied(id)

    def release(self) -> None:
        """Ends what hangs, by closing those connections."""
        self._state.released.set()
        self._state.released = type(self._state.released)()

    def add_key(self, id: str, secret: str, token: str | None = None, expires: float | None = None) -> None:
        self._state.keys[id] = AccessKey(id, secret, token, expires=expires)

    def expire_key(self, id: str, expired: bool = True) -> None:
        self._state.keys[id].expired = expired

    def remove_key(self, id: str) -> None:
        del self._state.keys[id]

    def set_server(self, clock_offset_s: float | None = None, max_body_bytes: int | None = None,
                   cbor: bool | None = None, regions: list[str] | None = None, dry_run: bool | None = None) -> None:
        """A clock offset shows in the Date header and moves the window in which signatures are taken."""
        if clock_offset_s is not None:
            self._state.clock_offset_s = clock_offset_s
        if max_body_bytes is not None:
            self._state.max_body_bytes = max_body_bytes
        if cbor is not None:
            self._state.cbor = cbor
        if regions is not None:
            self._state.regions = set(regions)
        if dry_run is not None:
            self._state.dry_run = dry_run

    def close_connections(self) -> int:
        connections = [c for c in self._server.connections]
        for connection in connections:
            connection.transport.abort()
        return len(connections)

    # --- what happened

    def stats(self) -> dict:
        state = self._state
        return {"counters": dict(state.counters), "in_hand": state.in_hand,
                "connections": len(self._server.connections),
                "accepted": {name: stream.accepted_count for name, stream in state.streams.items()}}

    def requests(self, after: int = 0, operation: str | None = None, stream: str | None = None) -> list[dict]:
        return [entry for entry in self._state.requests
                if entry["number"] > after and (operation is None or entry.get("operation") == operation)
                and (stream is None or entry.get("stream") == stream)]

    def ledger(self, stream: str, after: int = 0, limit: int = 100_000) -> list[dict]:
        """Accepted records in order of acceptance; `data` is base64."""
        return [{"data": base64.b64encode(record.data).decode(), "key": record.key, "shard": record.shard,
                 "explicit_hash_key": record.explicit_hash_key, "sequence": record.sequence,
                 "at": record.arrival, "request": record.request}
                for record in self._state.stream(stream).accepted[after:after + limit]]

    def events(self, stream: str, after: int = 0, limit: int = 100_000) -> list[str]:
        """The text of each accepted event, aggregates and compression undone."""
        return [event.decode("utf-8", "surrogateescape")
                for record in self._state.stream(stream).accepted[after:after + limit]
                for event in events_of(record.data)]

    def tally(self, stream: str, field: str) -> dict[str, int]:
        """How many times each value of a field of the events was accepted: 1 for each is exactly once."""
        counts: collections.Counter = collections.Counter()
        for record in self._state.stream(stream).accepted:
            for event in events_of(record.data):
                counts[str(json.loads(event).get(field))] += 1
        return dict(counts)

    def tally_all(self, streams: list[str], field: str) -> dict[str, int]:
        """The same over several streams: how often each was accepted, by whatever stream."""
        return dict(sum((collections.Counter(self.tally(stream, field)) for stream in streams), collections.Counter()))

    def arrivals(self, stream: str, field: str) -> list[list]:
        """[value of the field, when] of each accepted event, in order of acceptance."""
        return [[json.loads(event).get(field), record.arrival]
                for record in self._state.stream(stream).accepted for event in events_of(record.data)]

    def misplaced(self, stream: str) -> int:
        """Sub-records of aggregates that a consumer library would throw away, for their hash key."""
        found = self._state.stream(stream)
        ranges = {shard.id: (shard.first, shard.last) for shard in found.shards}
        return sum(misplaced(record.data, *ranges[record.shard]) for record in found.accepted)

    def kcl_events(self, stream: str) -> list[str]:
        """What a consumer made with the Kinesis Client Library is given: all of a plain record, and of an aggregate
        all or nothing: nothing as soon as one sub-record's hash key is not its shard's."""
        found = self._state.stream(stream)
        ranges = {shard.id: (shard.first, shard.last) for shard in found.shards}
        return [event.decode("utf-8", "surrogateescape") for record in found.accepted
                if misplaced(record.data, *ranges[record.shard]) == 0 for event in events_of(record.data)]

    def forget(self) -> None:
        """Empties the ledger and the log of requests; streams and faults stay."""
        for stream in self._state.streams.values():
            stream.accepted.clear()
            stream.accepted_count = 0
            for shard in stream.shards:
                shard.records.clear()
                shard.accepted = shard.throttled = 0
        self._state.requests.clear()
        self._state.counters.clear()
