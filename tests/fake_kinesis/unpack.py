"""From the bytes of a stored record back to the events in it: KPL aggregates, gzip, zstd, lines."""

import gzip
import hashlib
import io

import zstandard

KPL_MAGIC = b"\xf3\x89\x9a\xc2"
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def events_of(data: bytes) -> list[bytes]:
    """One item an event, as stored. A record that is none of the known packings is one event."""
    sub_records = sub_records_of(data)
    if sub_records is not None:
        return [event for _, _, sub in sub_records for event in events_of(sub)]
    if data.startswith(GZIP_MAGIC):
        return events_of(gzip.decompress(data))
    if data.startswith(ZSTD_MAGIC):
        return events_of(zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(data), read_across_frames=True).read())
    if b"\n" in data:
        return [line for line in data.split(b"\n") if line]
    return [data]


def sub_records_of(data: bytes) -> list[tuple[str, str | None, bytes]] | None:
    """(partition key, explicit hash key, data) of each, or None where it is no KPL aggregate."""
    if not data.startswith(KPL_MAGIC) or len(data) < 20:
        return None
    message = data[4:-16]
    if hashlib.md5(message).digest() != data[-16:]:
        return None
    keys, hash_keys, found = [], [], []
    for number, value in _fields(message):
        if number == 1:
            keys.append(value.decode())
        elif number == 2:
            hash_keys.append(value.decode())
        elif number == 3:
            record = dict(_fields(value))
            hash_key = hash_keys[record[2]] if 2 in record else None
            found.append((keys[record[1]], hash_key, record[3]))
    return found


def misplaced(data: bytes, first: int, last: int) -> int:
    """Sub-records whose hash key is outside the shard's range: a consumer drops their aggregate whole."""
    count = 0
    for key, hash_key, _ in sub_records_of(data) or []:
        place = int(hash_key) if hash_key is not None else int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        count += not first <= place <= last
    return count


def _fields(message: bytes):
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(message, at)
        elif kind == 2:
            size, at = _varint(message, at)
            value, at = message[at:at + size], at + size
        else:
            raise ValueError(f"wire type {kind} in an aggregate")
        yield number, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
