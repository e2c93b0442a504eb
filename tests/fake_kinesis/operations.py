"""The operations of the service, from a decoded request to an answer.

Each takes the server's state and the request and returns the answer or raises ServiceError. Limits are
those of the service; where the service's wording is known it is used, because clients parse it.
"""

import base64
import json

from .codec import Timestamp
from .errors import ServiceError, invalid, validation
from .faults import Faults
from .streams import ACCOUNT, Bucket, Stream, parse_hash_key

REQUEST_BYTES_MAX = 10 * 1024 * 1024
RECORDS_MAX = 500
ITERATOR_LIFE_S = 300
READ_BYTES_MAX = 10 * 1024 * 1024
FIREHOSE_REQUEST_BYTES_MAX = 4 * 1024 * 1024
FIREHOSE_RECORD_BYTES_MAX = 1000 * 1024

THROTTLED = "ProvisionedThroughputExceededException"


def put_records(state, request: dict, context) -> dict:
    stream = _stream(state, request)
    records = request.get("Records")
    if not isinstance(records, list) or not 1 <= len(records) <= RECORDS_MAX:
        raise validation("Value at 'records' failed to satisfy constraint: "
                         "Member must have length less than or equal to 500 and at least 1")
    total = sum(_check_record(stream, i, record) for i, record in enumerate(records, 1))
    if total > REQUEST_BYTES_MAX:
        raise invalid("Records size exceeds 10 MB limit")

    # All are looked at before any is stored: a bad hash key refuses the request whole.
    if _is_dry_run(state, request):
        for record in records:
            _check_hash_key(record)
        raise _would_succeed()
    shards = [stream.shard_for(record.get("PartitionKey"), record.get("ExplicitHashKey")) for record in records]
    rules = state.faults.for_records("PutRecords", stream.name, context.content_type)
    answers, failed = [], 0
    for record, shard in zip(records, shards):
        answer = _put(state, stream, shard, record, rules, context)
        failed += "ErrorCode" in answer
        answers.append(answer)
    state.count("records_refused", failed)
    return {"FailedRecordCount": failed, "EncryptionType": "NONE", "Records": answers}


def put_record(state, request: dict, context) -> dict:
    stream = _stream(state, request)
    _check_record(stream, 1, request)
    if _is_dry_run(state, request):
        _check_hash_key(request)
        raise _would_succeed()
    shard = stream.shard_for(request.get("PartitionKey"), request.get("ExplicitHashKey"))
    rules = state.faults.for_records("PutRecord", stream.name, context.content_type)
    answer = _put(state, stream, shard, request, rules, context)
    if "ErrorCode" in answer:
        raise ServiceError(answer["ErrorCode"], answer["ErrorMessage"],
                           400 if answer["ErrorCode"] == THROTTLED else 500)
    return {**answer, "EncryptionType": "NONE"}


def _is_dry_run(state, request: dict) -> bool:
    """A server that does not know the field takes no notice of it."""
    return state.dry_run and request.get("DryRun") is True


def _check_hash_key(record: dict) -> None:
    if record.get("ExplicitHashKey") is not None:
        parse_hash_key(record["ExplicitHashKey"])


def _would_succeed() -> ServiceError:
    return ServiceError("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")


def _put(state, stream: Stream, shard, record: dict, rules, context) -> dict:
    data = record["Data"]
    if rules:
        fault = Faults.strike_record(rules, shard.id, data)
        if fault is not None:
            if fault.effect == "throttle":
                shard.throttled += 1
                return _throttled(stream, shard.id, fault.message)
            return {"ErrorCode": fault.code, "ErrorMessage": fault.message or "Internal service failure."}
    key = record.get("PartitionKey")
    if stream.is_throttled(shard, len(data) + len((key or "").encode()), context.now):
        return _throttled(stream, shard.id, None)
    stored = stream.append(shard, data, key, record.get("ExplicitHashKey"),
                           context.now, context.request)
    return {"SequenceNumber": stored.sequence, "ShardId": shard.id}


def _throttled(stream: Stream, shard_id: str, message: str | None) -> dict:
    text = f"Rate exceeded for shard {shard_id} in stream {stream.name} under account {ACCOUNT}."
    return {"ErrorCode": THROTTLED, "ErrorMessage": message or text}


def _check_record(stream: Stream, index: int, record: dict) -> int:
    if not isinstance(record, dict):
        raise ServiceError("SerializationException", "a record is not a structure")
    data, key = record.get("Data"), record.get("PartitionKey")
    if not isinstance(data, bytes):
        raise validation(f"Value null at 'records.{index}.member.data' failed to satisfy constraint: Member must not be null")
    if key is None and stream.strategy == "AUTO":
        key = ""
    elif not isinstance(key, str) or not 1 <= len(key) <= 256:
        raise validation(f"Value at 'records.{index}.member.partitionKey' failed to satisfy constraint: "
                         "Member must have length less than or equal to 256 and at least 1")
    size = len(data) + len(key.encode())
    if size > stream.max_record_bytes:
        raise invalid(f"Record at index {index - 1} of {size} bytes is larger than the stream's "
                      f"maximum record size of {stream.max_record_bytes // 1024} KiB")
    return size


def list_shards(state, request: dict, context) -> dict:
    if "NextToken" in request:
        if "StreamName" in request or "ExclusiveStartShardId" in request:
            raise invalid("NextToken and StreamName cannot be provided together.")
        token = _decode_token(request["NextToken"], "ExpiredNextTokenException", context.now)
        stream, start, filtered = state.stream(token["stream"]), token["after"], token["filter"]
    else:
        stream, start = _stream(state, request), request.get("ExclusiveStartShardId", "")
        filtered = (request.get("ShardFilter") or {}).get("Type", "FROM_TRIM_HORIZON")
    shards = [shard for shard in stream.shards
              if shard.id > start and (shard.is_open or filtered != "AT_LATEST")]
    count = min(int(request.get("MaxResults", 1000)), 1000)
    answer = {"Shards": [shard.describe() for shard in shards[:count]]}
    if len(shards) > count:
        answer["NextToken"] = _encode_token({"stream": stream.name, "after": shards[count - 1].id,
                                             "filter": filtered, "at": context.now})
    return answer


def describe_stream_summary(state, request: dict, context) -> dict:
    stream = _stream(state, request)
    summary = {**_description(stream), "OpenShardCount": len(stream.open_shards()), "ConsumerCount": 0,
               "MaxRecordSizeInKiB": stream.max_record_bytes // 1024}
    if state.dry_run:  # a service of 2026
        summary |= {"ChannelCount": 0, "QueueCount": 0}
        if stream.mode == "ON_DEMAND":
            summary["RecordDistributionStrategy"] = stream.strategy
    return {"StreamDescriptionSummary": summary}


def describe_stream(state, request: dict, context) -> dict:
    stream = _stream(state, request)
    start = request.get("ExclusiveStartShardId", "")
    shards = [shard for shard in stream.shards if shard.id > start]
    count = min(int(request.get("Limit", 100)), 100)
    return {"StreamDescription": {**_description(stream), "HasMoreShards": len(shards) > count,
                                  "Shards": [shard.describe() for shard in shards[:count]]}}


def _description(stream: Stream) -> dict:
    return {"StreamName": stream.name, "StreamARN": stream.arn, "StreamStatus": stream.status,
            "StreamModeDetails": {"StreamMode": stream.mode}, "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": Timestamp(stream.created),
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            **({"EncryptionType": "KMS", "KeyId": stream.kms_key} if stream.kms_key else {"EncryptionType": "NONE"})}


def list_streams(state, request: dict, context) -> dict:
    return {"StreamNames": sorted(state.streams), "HasMoreStreams": False}


def create_stream(state, request: dict, context) -> dict:
    name = request.get("StreamName")
    if not isinstance(name, str) or not 1 <= len(name) <= 128:
        raise validation("Value at 'streamName' failed to satisfy constraint")
    if name in state.streams:
        raise ServiceError("ResourceInUseException", f"Stream {name} under account {ACCOUNT} already exists.")
    mode = (request.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
    state.streams[name] = Stream(name, int(request.get("ShardCount") or 4), state.region, context.now, mode,
                                 int(request.get("MaxRecordSizeInKiB") or 1024))
    return {}


def delete_stream(state, request: dict, context) -> dict:
    del state.streams[_stream(state, request).name]
    return {}


def split_shard(state, request: dict, context) -> dict:
    _stream(state, request).split(request["ShardToSplit"], int(request["NewStartingHashKey"]))
    return {}


def merge_shards(state, request: dict, context) -> dict:
    _stream(state, request).merge(request["ShardToMerge"], request["AdjacentShardToMerge"])
    return {}


def update_stream_record_distribution_strategy(state, request: dict, context) -> dict:
    strategy = request.get("RecordDistributionStrategy")
    if "StreamARN" not in request or strategy not in ("AUTO", "USER_PARTITION_KEY"):
        raise validation("Value at 'recordDistributionStrategy' failed to satisfy constraint")
    _stream(state, request).distribute(strategy)
    return {}


def update_max_record_size(state, request: dict, context) -> dict:
    size = int(request.get("MaxRecordSizeInKiB", 0))
    if "StreamARN" not in request or not 1024 <= size <= 10240:
        raise validation("Value at 'maxRecordSizeInKiB' failed to satisfy constraint")
    _stream(state, request).max_record_bytes = size * 1024
    return {}


def get_shard_iterator(state, request: dict, context) -> dict:
    stream = _stream(state, request)
    shard = stream.shard(request.get("ShardId", ""))
    kind = request.get("ShardIteratorType")
    records = shard.records
    if kind == "TRIM_HORIZON":
        index = 0
    elif kind == "LATEST":
        index = len(records)
    elif kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        sequence = request.get("StartingSequenceNumber", "")
        after = kind == "AFTER_SEQUENCE_NUMBER"
        index = next((i for i, record in enumerate(records)
                      if record.sequence > sequence or (not after and record.sequence == sequence)), len(records))
    elif kind == "AT_TIMESTAMP":
        at = request.get("Timestamp", 0)
        at = at.timestamp() if hasattr(at, "timestamp") else float(at)
        index = next((i for i, record in enumerate(records) if record.arrival >= at), len(records))
    else:
        raise validation("Value at 'shardIteratorType' failed to satisfy constraint")
    return {"ShardIterator": _iterator(stream, shard.id, index, context.now)}


def get_records(state, request: dict, context) -> dict:
    token = _decode_token(request.get("ShardIterator", ""), "ExpiredIteratorException", context.now)
    stream = state.stream(token["stream"])
    shard = stream.shard(token["shard"])
    if stream.enforce_rates:
        if shard.read_bucket is None:
            shard.read_bucket = Bucket(5, context.now)
        if not shard.read_bucket.has(1, context.now):
            raise ServiceError(THROTTLED, f"Rate exceeded for shard {shard.id} in stream {stream.name} under account {ACCOUNT}.")
        shard.read_bucket.take(1)

    limit = min(int(request.get("Limit", 10000)), 10000)
    end, size = token["index"], 0
    while end < len(shard.records) and end - token["index"] < limit:
        size += len(shard.records[end].data)
        if size > READ_BYTES_MAX and end > token["index"]:
            break
        end += 1
    records = shard.records[token["index"]:end]
    behind = 0 if end == len(shard.records) else int((context.now - shard.records[end].arrival) * 1000)
    answer = {"Records": [{"SequenceNumber": record.sequence, "Data": record.data,
                           **({} if record.key is None else {"PartitionKey": record.key}),
                           "ApproximateArrivalTimestamp": Timestamp(record.arrival), "EncryptionType": "NONE"}
                          for record in records],
              "MillisBehindLatest": behind}
    if shard.is_open or end < len(shard.records):
        answer["NextShardIterator"] = _iterator(stream, shard.id, end, context.now)
    else:
        answer["ChildShards"] = [
            {"ShardId": child.id, "ParentShards": [p for p in (child.parent, child.adjacent_parent) if p],
             "HashKeyRange": child.describe()["HashKeyRange"]}
            for child in stream.shards if shard.id in (child.parent, child.adjacent_parent)]
    return answer


def put_record_batch(state, request: dict, context) -> dict:
    """Firehose: a delivery stream is a stream here, too, and its ledger is read the same way."""
    stream = state.stream(request.get("DeliveryStreamName", ""), "Firehose")
    records = request.get("Records")
    if not isinstance(records, list) or not 1 <= len(records) <= RECORDS_MAX:
        raise validation("Value at 'records' failed to satisfy constraint")
    sizes = [len(record.get("Data") or b"") for record in records]
    if sum(sizes) > FIREHOSE_REQUEST_BYTES_MAX:
        raise invalid("Records size exceeds 4 MB limit")
    if max(sizes) > FIREHOSE_RECORD_BYTES_MAX:
        raise validation("Value at 'records.1.member.data' failed to satisfy constraint: "
                         "Member must have length less than or equal to 1024000")
    rules = state.faults.for_records("PutRecordBatch", stream.name, context.content_type)
    shard = stream.open_shards()[0]
    answers, failed = [], 0
    for record in records:
        fault = Faults.strike_record(rules, shard.id, record["Data"])
        if fault is not None or stream.is_throttled(shard, len(record["Data"]), context.now):
            answers.append({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."})
            failed += 1
        else:
            stored = stream.append(shard, record["Data"], "", None, context.now, context.request)
            answers.append({"RecordId": stored.sequence})
    state.count("records_refused", failed)
    return {"FailedPutCount": failed, "Encrypted": False, "RequestResponses": answers}


def describe_delivery_stream(state, request: dict, context) -> dict:
    stream = state.stream(request.get("DeliveryStreamName", ""), "Firehose")
    return {"DeliveryStreamDescription": {
        "DeliveryStreamName": stream.name, "DeliveryStreamStatus": "ACTIVE", "DeliveryStreamType": "DirectPut",
        "DeliveryStreamARN": f"arn:aws:firehose:{stream.region}:{ACCOUNT}:deliverystream/{stream.name}",
        "VersionId": "1", "Destinations": [], "HasMoreDestinations": False}}


KINESIS = {
    "PutRecords": put_records, "PutRecord": put_record, "ListShards": list_shards,
    "DescribeStreamSummary": describe_stream_summary, "DescribeStream": describe_stream,
    "ListStreams": list_streams, "CreateStream": create_stream, "DeleteStream": delete_stream,
    "SplitShard": split_shard, "MergeShards": merge_shards, "UpdateMaxRecordSize": update_max_record_size,
    "GetShardIterator": get_shard_iterator, "GetRecords": get_records,
    "UpdateStreamRecordDistributionStrategy": update_stream_record_distribution_strategy,
}
FIREHOSE = {"PutRecordBatch": put_record_batch, "DescribeDeliveryStream": describe_delivery_stream}


def _stream(state, request: dict) -> Stream:
    name, arn = request.get("StreamName"), request.get("StreamARN")
    if arn is not None:
        parts = arn.split(":", 5) if isinstance(arn, str) else []
        if len(parts) != 6 or parts[2] != "kinesis" or not parts[5].startswith("stream/"):
            raise invalid(f"StreamARN {arn} is not valid.")
        arn_name = parts[5].removeprefix("stream/")
        if name is not None and name != arn_name:
            raise invalid("StreamName and StreamARN do not name the same stream.")
        if parts[4] != ACCOUNT:
            raise ServiceError("ResourceNotFoundException", f"Stream {arn_name} under account {parts[4]} not found.")
        name = arn_name
    if not isinstance(name, str):
        raise validation("Value null at 'streamName' failed to satisfy constraint: Member must not be null")
    return state.stream(name)


def _iterator(stream: Stream, shard: str, index: int, now: float) -> str:
    return _encode_token({"stream": stream.name, "shard": shard, "index": index, "at": now})


def _encode_token(token: dict) -> str:
    return base64.b64encode(json.dumps(token).encode()).decode()


def _decode_token(text: str, expired: str, now: float) -> dict:
    try:
        token = json.loads(base64.b64decode(text, validate=True))
        age = now - token["at"]
    except (ValueError, TypeError, KeyError):
        raise invalid("Invalid token.") from None
    if age > ITERATOR_LIFE_S:
        raise ServiceError(expired, "The token is older than 5 minutes.")
    return token
