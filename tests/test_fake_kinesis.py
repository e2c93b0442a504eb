"""The fake is only worth what it refuses: checked with AWS's own client, and with bytes made by hand."""

import gzip
import hashlib
import http.client
import json
import threading
import time

import boto3
import botocore.config
import botocore.exceptions
import cbor2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fake_kinesis import FakeKinesis, KinesisProcess
from fake_kinesis.codec import CBOR, JSON
from fake_kinesis.server import DEFAULT_KEY
from fake_kinesis.signature import canonical_request, sign
from fake_kinesis.unpack import events_of, misplaced, sub_records_of
from harness.waiting import wait_until

KEY, SECRET = DEFAULT_KEY.id, DEFAULT_KEY.secret


@pytest.fixture
def kinesis():
    with FakeKinesis(streams={"logs": 4}) as server:
        yield server


def client_of(kinesis, service="kinesis", key=KEY, secret=SECRET, token=None, region="us-east-1"):
    return boto3.client(service, endpoint_url=kinesis.endpoint, region_name=region, aws_access_key_id=key,
                        aws_secret_access_key=secret, aws_session_token=token,
                        config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=60))


def exchange(kinesis, operation, body, content_type, timeout=60):
    """One request made by hand, signed by botocore; returns status, headers and the body's bytes."""
    request = AWSRequest("POST", kinesis.endpoint + "/", data=body, headers={
        "Content-Type": content_type, "X-Amz-Target": f"Kinesis_20131202.{operation}"})
    SigV4Auth(Credentials(KEY, SECRET), "kinesis", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", kinesis.port, timeout=timeout)
    connection.request("POST", "/", body, dict(request.headers))
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, response.headers, answer


def call(kinesis, operation, value, content_type=CBOR, timeout=60):
    body = cbor2.dumps(value) if content_type == CBOR else json.dumps(value).encode()
    status, headers, answer = exchange(kinesis, operation, body, content_type, timeout)
    if headers["Content-Type"] == CBOR:
        answer = cbor2.loads(answer)
    return status, headers, answer


def records(count, size=10):
    return [{"Data": b"%06d" % i + b"x" * size, "PartitionKey": f"key-{i}"} for i in range(count)]


def error_code(raised):
    return raised.value.response["Error"]["Code"]


def test_boto3_puts_and_reads_back_by_shard(kinesis):
    client = client_of(kinesis)
    answer = client.put_records(StreamName="logs", Records=records(50))
    assert answer["FailedRecordCount"] == 0
    assert len({entry["ShardId"] for entry in answer["Records"]}) == 4

    read = []
    for shard in client.list_shards(StreamName="logs")["Shards"]:
        iterator = client.get_shard_iterator(StreamName="logs", ShardId=shard["ShardId"],
                                             ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        page = client.get_records(ShardIterator=iterator)
        first, last = (int(shard["HashKeyRange"][k]) for k in ("StartingHashKey", "EndingHashKey"))
        for record in page["Records"]:
            place = int(hashlib.md5(record["PartitionKey"].encode()).hexdigest(), 16)
            assert first <= place <= last
            read.append(record["Data"])
        assert page["MillisBehindLatest"] == 0
    assert sorted(read) == [record["Data"] for record in records(50)]


@pytest.mark.parametrize("body", [
    "a26a53747265616d4e616d65646c6f6773675265636f72647381a264446174614c7b226d223a226f6e65227d0a"
    "6c506172746974696f6e4b65796161",
    "bf6a53747265616d4e616d65646c6f6773675265636f7264739fbf64446174614c7b226d223a226f6e65227d0a"
    "6c506172746974696f6e4b65796161ffffff"], ids=["definite", "indefinite"])
def test_cbor_of_either_length_form_is_taken(kinesis, body):
    status, headers, answer = exchange(kinesis, "PutRecords", bytes.fromhex(body), CBOR)
    assert (status, headers["Content-Type"]) == (200, CBOR)
    assert cbor2.loads(answer)["Records"][0]["ShardId"] == "shardId-000000000000"
    assert kinesis.events("logs") == ['{"m":"one"}']


def test_cbor_times_are_tag_1_with_milliseconds_and_json_times_are_seconds(kinesis):
    _, _, answer = exchange(kinesis, "DescribeStreamSummary", cbor2.dumps({"StreamName": "logs"}), CBOR)
    name = b"StreamCreationTimestamp"
    at = answer.index(name) + len(name)
    assert answer[at:at + 2] == b"\xc1\x1b"  # tag 1, 8-byte unsigned
    assert abs(int.from_bytes(answer[at + 2:at + 10], "big") / 1000 - time.time()) < 60
    created = client_of(kinesis).describe_stream_summary(StreamName="logs")
    seconds = created["StreamDescriptionSummary"]["StreamCreationTimestamp"].timestamp()
    assert abs(seconds - time.time()) < 60


def test_arn_names_the_stream_and_its_account(kinesis):
    client = client_of(kinesis)
    arn = client.describe_stream_summary(StreamName="logs")["StreamDescriptionSummary"]["StreamARN"]
    client.put_record(StreamARN=arn, Data=b"x", PartitionKey="k")
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        client.put_record(StreamARN=arn.replace("111111111111", "222222222222"), Data=b"x", PartitionKey="k")
    assert error_code(raised) == "ResourceNotFoundException"


def test_signature_of_the_published_example_is_ours_too():
    headers = {"content-type": JSON, "host": "kinesis.us-east-1.amazonaws.com", "x-amz-date": "20150830T123600Z",
               "x-amz-target": "Kinesis_20131202.PutRecords"}
    body = b'{"StreamName":"logs","Records":[{"Data":"eyJtIjoib25lIn0K","PartitionKey":"a"}]}'
    canonical = canonical_request("POST", "/", headers, sorted(headers), body)
    assert (sign(SECRET, "20150830T123600Z", "20150830", "us-east-1", "kinesis", canonical)
            == "6c2571ef05b033f54dacb044d32e2d3e9c2a8bdf8e345a8c98eae99b03b0fd3f")


@pytest.mark.parametrize("wrong, code", [
    ({"secret": "other"}, "InvalidSignatureException"),
    ({"region": "eu-west-1"}, "InvalidSignatureException"),
    ({"key": "AKIDUNKNOWN"}, "UnrecognizedClientException"),
    ({"token": "unasked"}, "UnrecognizedClientException"),
])
def test_wrong_credentials_are_refused(kinesis, wrong, code):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        client_of(kinesis, **wrong).put_record(StreamName="logs", Data=b"x", PartitionKey="k")
    assert error_code(raised) == code
    assert kinesis.stats()["accepted"]["logs"] == 0


def test_session_token_must_be_sent_and_expires_on_command(kinesis):
    kinesis.add_key("ASIA1", "secret", "token-1")
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        client_of(kinesis, key="ASIA1", secret="secret").list_streams()
    assert error_code(raised) == "UnrecognizedClientException"
    client = client_of(kinesis, key="ASIA1", secret="secret", token="token-1")
    client.list_streams()
    kinesis.expire_key("ASIA1")
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        client.list_streams()
    assert error_code(raised) == "ExpiredTokenException"


def test_a_changed_body_breaks_the_signature(kinesis):
    body = json.dumps({"StreamName": "logs"}).encode()
    request = AWSRequest("POST", kinesis.endpoint + "/", data=body, headers={
        "Content-Type": JSON, "X-Amz-Target": "Kinesis_20131202.DescribeStreamSummary"})
    SigV4Auth(Credentials(KEY, SECRET), "kinesis", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", kinesis.port, timeout=60)
    connection.request("POST", "/", body.replace(b"logs", b"lags"), dict(request.headers))
    response = connection.getresponse()
    assert response.status == 400
    assert response.headers["x-amzn-ErrorType"] == "InvalidSignatureException"
    connection.close()


def test_a_clock_more_than_five_minutes_off_is_refused_both_ways(kinesis):
    client = client_of(kinesis)
    for offset, accepted in [(290, True), (310, False), (-290, True), (-310, False)]:
        kinesis.set_server(clock_offset_s=offset)
        if accepted:
            client.list_streams()
            continue
        with pytest.raises(botocore.exceptions.ClientError) as raised:
            client.list_streams()
        assert error_code(raised) == "InvalidSignatureException"


def test_limits_of_a_request_are_the_services(kinesis):
    client = client_of(kinesis)
    megabyte = b"x" * (1024 * 1024)
    for bad in (records(501), [{"Data": megabyte, "PartitionKey": "k"}]):
        status, _, answer = call(kinesis, "PutRecords", {"StreamName": "logs", "Records": bad})
        assert status == 400
        assert answer["__type"] in ("ValidationException", "InvalidArgumentException")
    arn = client.describe_stream_summary(StreamName="logs")["StreamDescriptionSummary"]["StreamARN"]
    client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10240)
    assert client.put_record(StreamName="logs", Data=megabyte, PartitionKey="k")["ShardId"]
    with pytest.raises(botocore.exceptions.ClientError):
        client.put_record(StreamName="logs", Data=b"x", PartitionKey="k", ExplicitHashKey=str(1 << 128))
    assert kinesis.stats()["accepted"]["logs"] == 1


def test_rates_are_kept_per_shard_and_only_there(kinesis):
    kinesis.create_stream("busy", 2, enforce_rates=True)
    first, second = kinesis.shards("busy")
    one_shard = [{"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": first["first"]} for _ in range(500)]
    answers = [call(kinesis, "PutRecords", {"StreamName": "busy", "Records": one_shard})[2] for _ in range(20)]
    assert answers[0]["FailedRecordCount"] == 0
    refused = [entry for answer in answers for entry in answer["Records"] if "ErrorCode" in entry]
    assert refused, "10,000 records are ten seconds' worth"
    assert {entry["ErrorCode"] for entry in refused} == {"ProvisionedThroughputExceededException"}
    assert all(first["id"] in entry["ErrorMessage"] and "ShardId" not in entry for entry in refused)
    other = [{"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": second["first"]}]
    assert call(kinesis, "PutRecords", {"StreamName": "busy", "Records": other})[2]["FailedRecordCount"] == 0


def test_bytes_are_limited_too(kinesis):
    kinesis.create_stream("busy", 1, enforce_rates=True)
    answers = [call(kinesis, "PutRecords", {"StreamName": "busy", "Records": records(10, 50_000)})[2]
               for _ in range(20)]
    assert sum(answer["FailedRecordCount"] for answer in answers) >= 10, "10 MB are ten seconds' worth"


def test_split_and_merge_keep_the_key_space_whole(kinesis):
    client = client_of(kinesis)
    client.put_records(StreamName="logs", Records=records(20))
    children = kinesis.split_shard("logs", "shardId-000000000001")
    assert children == ["shardId-000000000004", "shardId-000000000005"]
    merged = kinesis.merge_shards("logs", "shardId-000000000002", "shardId-000000000003")
    client.put_records(StreamName="logs", Records=records(20))

    open_shards = client.list_shards(StreamName="logs", ShardFilter={"Type": "AT_LATEST"})["Shards"]
    ranges = sorted((int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"]))
                    for s in open_shards)
    assert ranges[0][0] == 0 and ranges[-1][1] == (1 << 128) - 1
    assert all(left[1] + 1 == right[0] for left, right in zip(ranges, ranges[1:]))
    assert len(client.list_shards(StreamName="logs")["Shards"]) == 7

    iterator = client.get_shard_iterator(StreamName="logs", ShardId="shardId-000000000002",
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    page = client.get_records(ShardIterator=iterator)
    assert "NextShardIterator" not in page and page["ChildShards"][0]["ShardId"] == merged


def test_shards_are_listed_in_pages(kinesis):
    client = client_of(kinesis)
    page = client.list_shards(StreamName="logs", MaxResults=3)
    rest = client.list_shards(NextToken=page["NextToken"])
    assert [s["ShardId"][-1] for s in page["Shards"] + rest["Shards"]] == ["0", "1", "2", "3"]


def test_single_records_fail_by_chance_from_a_seed(kinesis):
    def failures():
        kinesis.remove_fault()
        kinesis.add_fault("fail_records", stream="logs", probability=0.3, seed=7)
        answer = call(kinesis, "PutRecords", {"StreamName": "logs", "Records": records(200)})[2]
        return [i for i, entry in enumerate(answer["Records"]) if "ErrorCode" in entry]
    first = failures()
    assert first == failures() and 30 < len(first) < 90
    assert kinesis.stats()["accepted"]["logs"] == 2 * (200 - len(first))


def test_one_shard_throttles_on_command(kinesis):
    kinesis.add_fault("throttle", shard="shardId-000000000002")
    answer = call(kinesis, "PutRecords", {"StreamName": "logs", "Records": records(100)})[2]
    assert 0 < answer["FailedRecordCount"] < 100
    assert all("shardId-000000000002" in entry["ErrorMessage"] for entry in answer["Records"] if "ErrorCode" in entry)


@pytest.mark.parametrize("form, content", [("service", b"__type"), ("xml", b"<ServiceUnavailable>"), ("html", b"<html>"),
                                           ("empty", b"")])
def test_whole_requests_fail_with_any_code_and_body(kinesis, form, content):
    kinesis.add_fault("error", operation="PutRecords", code="ServiceUnavailable", status=503, form=form, times=1)
    request = {"StreamName": "logs", "Records": [{"Data": "eA==", "PartitionKey": "k"}]}
    status, _, body = call(kinesis, "PutRecords", request, JSON)
    assert status == 503 and content in body
    assert call(kinesis, "PutRecords", request, JSON)[0] == 200


def test_a_poisoned_record_refuses_its_request_until_it_is_not_in_it(kinesis):
    kinesis.add_fault("error", data_contains="000003", code="ValidationException")
    assert call(kinesis, "PutRecords", {"StreamName": "logs", "Records": records(5)})[0] == 400
    assert call(kinesis, "PutRecords", {"StreamName": "logs", "Records": records(3)})[0] == 200


@pytest.mark.parametrize("effect, accepted", [("reset_before", 0), ("reset_after", 5), ("truncate", 5)])
def test_connections_break_before_or_after_the_write(kinesis, effect, accepted):
    kinesis.add_fault(effect, times=1)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        call(kinesis, "PutRecords", {"StreamName": "logs", "Records": records(5)})
    assert kinesis.stats()["accepted"]["logs"] == accepted


def test_a_request_hangs_until_it_is_released(kinesis):
    kinesis.add_fault("hang", times=1)
    outcome = []

    def put():
        try:
            call(kinesis, "PutRecords", {"StreamName": "logs", "Records": records(1)})
        except (ConnectionError, http.client.HTTPException) as error:
            outcome.append(error)
    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    wait_until(lambda: kinesis.stats()["in_hand"] == 1, "the request is in its hands")
    assert not outcome
    kinesis.release()
    thread.join(60)
    assert outcome and kinesis.stats()["accepted"]["logs"] == 0


def test_delays_are_before_or_after_the_write(kinesis):
    kinesis.add_fault("delay_after", seconds=0.2, times=1)
    began = time.monotonic()
    assert call(kinesis, "PutRecords", {"StreamName": "logs", "Records": records(1)})[0] == 200
    assert time.monotonic() - began >= 0.2


def test_a_body_over_the_limit_is_413_and_cbor_can_be_switched_off(kinesis):
    kinesis.set_server(max_body_bytes=1000, cbor=False)
    assert call(kinesis, "ListStreams", {})[0] == 404
    assert call(kinesis, "ListStreams", {}, JSON)[0] == 200
    request = {"StreamName": "logs", "Records": [{"Data": "eA==" * 500, "PartitionKey": "k"}]}
    assert call(kinesis, "PutRecords", request, JSON)[0] == 413


def test_firehose_takes_batches(kinesis):
    client = client_of(kinesis, "firehose")
    answer = client.put_record_batch(DeliveryStreamName="logs", Records=[{"Data": b"a\n"}, {"Data": b"b\n"}])
    assert answer["FailedPutCount"] == 0 and len(answer["RequestResponses"]) == 2
    assert kinesis.events("logs") == ["a", "b"]


def test_the_ledger_tells_how_many_times(kinesis):
    kinesis.add_fault("reset_after", times=1)
    request = {"StreamName": "logs", "Records": [
        {"Data": json.dumps({"id": i}).encode(), "PartitionKey": "k"} for i in range(3)]}
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        call(kinesis, "PutRecords", request)
    request["Records"].append({"Data": gzip.compress(b'{"id":7}\n{"id":8}\n'), "PartitionKey": "k"})
    assert call(kinesis, "PutRecords", request)[0] == 200
    assert kinesis.tally("logs", "id") == {"0": 2, "1": 2, "2": 2, "7": 1, "8": 1}


def test_aggregates_are_taken_apart_and_misplaced_ones_found():
    plain = bytes.fromhex(
        "f3899ac20a01610a01621a1008001a0c7b226d223a226f6e65227d0a1a1008011a0c7b226d223a2274776f227d0a"
        "1a1208001a0e7b226d223a227468726565227d0a8ed9855bfaa66ca83af6b4e58b97b3b9")
    assert [event for event in events_of(plain)] == [b'{"m":"one"}', b'{"m":"two"}', b'{"m":"three"}']
    assert misplaced(plain, 0, (1 << 127) - 1) == 1  # "b" hashes to the upper half
    keyed = bytes.fromhex(
        "f3899ac20a016112273137303134313138333436303436393233313733313638373330333731353838343130353732381a0808"
        "0010001a02686930dd04e8279943b64e28becb2ed424d1")
    assert sub_records_of(keyed) == [("a", str(1 << 127), b"hi")]
    assert misplaced(keyed, 1 << 127, (1 << 128) - 1) == 0
    assert sub_records_of(plain[:-1] + b"\0") is None


def test_a_process_of_its_own_answers_the_same_verbs_and_speaks_tls(tmp_path, certificates):
    with KinesisProcess(streams={"logs": 1}, cert=certificates.server_cert, key=certificates.server_key) as kinesis:
        client = boto3.client("kinesis", endpoint_url=kinesis.endpoint.replace("127.0.0.1", "localhost"),
                              region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                              verify=str(certificates.ca))
        kinesis.add_fault("error", code="InternalFailure", times=1)
        client.put_record(StreamName="logs", Data=b'{"id":1}', PartitionKey="k")
        assert kinesis.tally("logs", "id") == {"1": 1}
        assert kinesis.stats()["counters"]["error.InternalFailure"] == 1
        with pytest.raises(RuntimeError, match="unknown effect"):
            kinesis.add_fault("explode")


def test_it_is_not_the_bottleneck(kinesis):
    """Well over 60,000 records a second on an idle core; a floor that a loaded machine still holds."""
    batch = {"StreamName": "logs", "Records": records(500, 1200)}
    began = time.process_time()
    for _ in range(40):
        assert call(kinesis, "PutRecords", batch)[2]["FailedRecordCount"] == 0
    spent = time.process_time() - began  # client and server together, so this is an upper bound
    assert 40 * 500 / spent > 15_000




def error_of(call_it):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call_it()
    return raised.value.response["Error"]["Code"]


def test_a_stream_that_distributes_by_itself_takes_no_notice_of_keys(kinesis):
    client = client_of(kinesis)
    arn = "arn:aws:kinesis:us-east-1:111111111111:stream/logs"

    def distribute(strategy):
        client.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy=strategy)

    def put(**entry):
        return client.put_records(StreamName="logs", Records=[{"Data": b"x", **entry}] * 8)["Records"]

    assert error_of(lambda: distribute("AUTO")) == "InvalidArgumentException", "the stream is provisioned"
    assert error_of(put) == "ValidationException", "keys are required"
    kinesis.set_stream("logs", mode="ON_DEMAND")
    assert len({record["ShardId"] for record in put(PartitionKey="one")}) == 1
    distribute("AUTO")
    described = client.describe_stream_summary(StreamName="logs")["StreamDescriptionSummary"]
    assert described["RecordDistributionStrategy"] == "AUTO"
    assert len({record["ShardId"] for record in put(PartitionKey="one", ExplicitHashKey="0")}) == 4
    assert len({record["ShardId"] for record in put()}) == 4
    distribute("USER_PARTITION_KEY")
    assert len({record["ShardId"] for record in put(PartitionKey="one")}) == 1
    iterator = client.get_shard_iterator(StreamName="logs", ShardId="shardId-000000000000",
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    keys = [record.get("PartitionKey") for record in client.get_records(ShardIterator=iterator)["Records"]]
    assert None in keys and "one" in keys


def test_a_dry_run_writes_nothing_and_says_what_would_have_been(kinesis):
    client = client_of(kinesis)

    def put(stream="logs", **entry):
        return client.put_records(StreamName=stream, DryRun=True, Records=[{"Data": b"x", "PartitionKey": "k", **entry}])

    assert error_of(put) == "DryRunOperationException"
    assert error_of(lambda: put("other")) == "ResourceNotFoundException"
    assert error_of(lambda: put(ExplicitHashKey=str(1 << 128))) == "InvalidArgumentException"
    assert kinesis.stats()["accepted"]["logs"] == 0
    kinesis.set_server(dry_run=False)
    assert put()["FailedRecordCount"] == 0, "who does not know the field writes"
    assert kinesis.stats()["accepted"]["logs"] == 1
