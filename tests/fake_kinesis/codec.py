"""Request and answer bodies: JSON 1.1 and CBOR 1.1.

Inside the server a blob is `bytes` and a time is a `Timestamp`; only this file knows that JSON writes
the first as base64 and the second as seconds, and CBOR the second as tag 1 with *milliseconds*.
"""

import base64
import binascii
import json
from typing import NamedTuple

import cbor2

from .errors import ServiceError

JSON = "application/x-amz-json-1.1"
CBOR = "application/x-amz-cbor-1.1"


class Timestamp(NamedTuple):
    seconds: float


def decode(content_type: str, body: bytes) -> dict:
    try:
        if content_type == CBOR:
            value = cbor2.loads(body)
        else:
            value = json.loads(body) if body else {}
            _blobs_from_base64(value)
    except (ValueError, binascii.Error, RecursionError, cbor2.CBORDecodeError) as error:
        raise ServiceError("SerializationException", str(error)[:200]) from None
    if not isinstance(value, dict):
        raise ServiceError("SerializationException", "the body is not a structure")
    return value


def encode(content_type: str, value: dict) -> bytes:
    if content_type == CBOR:
        return cbor2.dumps(_times_for(value, lambda s: cbor2.CBORTag(1, int(s * 1000))))
    return json.dumps(
        _times_for(value, lambda s: round(s, 3)),
        separators=(",", ":"),
        default=lambda blob: base64.b64encode(blob).decode(),
    ).encode()


def _blobs_from_base64(request: dict) -> None:
    """Data is the only blob of the operations served here: at the top, or in each of Records."""
    if not isinstance(request, dict):
        return
    for holder in [request, *(request.get("Records") or [])]:
        if not isinstance(holder, dict):
            raise ServiceError("SerializationException", "a record is not a structure")
        data = holder.get("Data")
        if data is not None:
            if not isinstance(data, str):
                raise ServiceError("SerializationException", "Data is not a string")
            holder["Data"] = base64.b64decode(data, validate=True)
    record = request.get("Record")  # Firehose's PutRecord
    if isinstance(record, dict) and isinstance(record.get("Data"), str):
        record["Data"] = base64.b64decode(record["Data"], validate=True)


def _times_for(value, write):
    if isinstance(value, Timestamp):
        return write(value.seconds)
    if isinstance(value, dict):
        return {key: _times_for(item, write) for key, item in value.items()}
    if isinstance(value, list):
        # The answer to PutRecords is the hot one and has no times in it.
        if value and isinstance(value[0], dict) and "ApproximateArrivalTimestamp" not in value[0]:
            return value
        return [_times_for(item, write) for item in value]
    return value
