"""OTLP/JSON bodies to the records that must come out, as doc/otlp.md says: written a second time, for comparing."""

import base64
import json
from datetime import datetime, timezone


class Pairs(list):
    """An object as its members, so that repeated keys stay."""


def text_of(value) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{text_of(v)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def expected_records(body: str) -> list[str]:
    records = []
    for resource_logs in json.loads(body)["resourceLogs"]:
        resource = attributes(resource_logs.get("resource", {}).get("attributes"))
        for scope_logs in resource_logs.get("scopeLogs", []):
            for record in scope_logs.get("logRecords", []):
                records.append(text_of(_flat(resource, scope_logs.get("scope") or {}, record)))
    return records


def attributes(pairs) -> Pairs:
    return Pairs((pair["key"], _value(pair.get("value"))) for pair in pairs or [])


def _flat(resource: Pairs, scope: dict, record: dict) -> Pairs:
    out = Pairs()

    def add(name, value):
        if value not in (None, "", 0) and value != []:
            out.append((name, value))
    add("resource", resource)
    add("scope", Pairs((name, scope[name]) for name in ("name", "version") if scope.get(name)))
    add("timestamp", _time(record.get("timeUnixNano")))
    add("observed_timestamp", _time(record.get("observedTimeUnixNano")))
    if "severityNumber" in record:
        out.append(("severity_number", record["severityNumber"]))
    add("severity_text", record.get("severityText"))
    add("event_name", record.get("eventName"))
    add("trace_id", record.get("traceId"))
    add("span_id", record.get("spanId"))
    add("flags", int(record["flags"], 16) if isinstance(record.get("flags"), str) else record.get("flags"))
    add("attributes", attributes(record.get("attributes")))
    add("dropped_attributes_count", record.get("droppedAttributesCount"))
    if record.get("body") is not None:
        out.append(("body", _value(record["body"])))
    return out


def _value(value):
    if not value:
        return None
    (kind, inner), = value.items()
    if inner is None:
        return None
    if kind == "intValue":
        return int(inner)
    if kind == "bytesValue":
        return inner
    if kind == "arrayValue":
        return [_value(each) for each in inner.get("values", [])]
    if kind == "kvlistValue":
        return attributes(inner.get("values"))
    return inner


def _time(nanoseconds) -> str | None:
    if nanoseconds in (None, "", "0", 0):
        return None
    seconds, rest = divmod(int(nanoseconds), 10**9)
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"


# --- protobuf, by hand: just enough of opentelemetry/proto/logs/v1 to say the same as a JSON body

def protobuf_of(body: str) -> bytes:
    return b"".join(_field(1, _resource_logs(each)) for each in json.loads(body)["resourceLogs"])


def _resource_logs(entry: dict) -> bytes:
    resource = b"".join(_field(1, _key_value(pair)) for pair in entry.get("resource", {}).get("attributes", []))
    scopes = b"".join(_field(2, b"".join(_field(2, _log_record(record)) for record in scope.get("logRecords", [])))
                      for scope in entry.get("scopeLogs", []))
    return _field(1, resource) + scopes


def _log_record(record: dict) -> bytes:
    out = b""
    if record.get("timeUnixNano"):
        out += _varint(1 << 3 | 1) + int(record["timeUnixNano"]).to_bytes(8, "little")
    if record.get("observedTimeUnixNano"):
        out += _varint(11 << 3 | 1) + int(record["observedTimeUnixNano"]).to_bytes(8, "little")
    if record.get("severityNumber"):
        out += _varint(2 << 3) + _varint(record["severityNumber"])
    if record.get("severityText"):
        out += _field(3, record["severityText"].encode())
    if record.get("body") is not None:
        out += _field(5, _any_value(record["body"]))
    out += b"".join(_field(6, _key_value(pair)) for pair in record.get("attributes") or [])
    if isinstance(record.get("flags"), str):
        out += _varint(8 << 3 | 5) + int(record["flags"], 16).to_bytes(4, "little")
    if record.get("traceId"):
        out += _field(9, bytes.fromhex(record["traceId"]))
    if record.get("spanId"):
        out += _field(10, bytes.fromhex(record["spanId"]))
    return out


def _key_value(pair: dict) -> bytes:
    return _field(1, pair["key"].encode()) + _field(2, _any_value(pair.get("value")))


def _any_value(value: dict | None) -> bytes:
    if not value:
        return b""
    (kind, inner), = value.items()
    if inner is None:
        return b""
    if kind == "stringValue":
        return _field(1, inner.encode())
    if kind == "boolValue":
        return _varint(2 << 3) + _varint(int(inner))
    if kind == "intValue":
        return _varint(3 << 3) + _varint(int(inner) & (1 << 64) - 1)
    if kind == "arrayValue":
        return _field(5, b"".join(_field(1, _any_value(each)) for each in inner.get("values", [])))
    if kind == "kvlistValue":
        return _field(6, b"".join(_field(1, _key_value(each)) for each in inner.get("values", [])))
    if kind == "bytesValue":
        return _field(7, base64.b64decode(inner))
    raise ValueError(kind)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
