"""What a record is: a line feed behind it, the text of one field, fixed fields, the time as asked. The bytes are those
that fluent-plugin-kinesis writes with chomp_record false, data_key, <inject> and a record_transformer before it."""

import base64
import gzip
import json

import pytest

from fake_kinesis.unpack import sub_records_of
from harness import forward_client as wire
from harness.daemon import ACCESS_KEY, forward_port, run_command, three_streams
from harness.forward_client import ForwardClient, event_time

TIME = event_time(1718093700, 279757487)  # 2024-06-11 08:15:00 UTC


def payloads(kinesis, compression="none"):
    """The data of each record, or of each user record of an aggregate; inflated."""
    found = []
    for record in kinesis.ledger("projects"):
        data = base64.b64decode(record["data"])
        users = sub_records_of(data)
        for payload in [data] if users is None else [user for _, _, user in users]:
            found.append(gzip.decompress(payload) if compression == "gzip" else payload)
    return found


@pytest.fixture
def send_with(kinesis, start_penstock, tmp_path):
    """send_with(records, stream options) -> penstock, once all of them are final."""
    def send(records, **streams):
        config = three_streams(kinesis.endpoint, spool=tmp_path / "spool", streams=streams)
        penstock = start_penstock(config)
        with ForwardClient(forward_port(config)) as client:
            client.send_acked(wire.forward, "app.a", [(TIME, record) for record in records])
        penstock.wait_settled(len(records))
        return penstock
    return send


def tail(kinesis):
    lines = run_command("tail", "--stream", "projects", "--endpoint", kinesis.endpoint, "--region", "us-east-1",
                        environment=ACCESS_KEY)
    assert lines.returncode == 0, lines.stderr
    return lines.stdout.splitlines()


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("aggregation", ["none", "kpl", "lines"])
def test_each_record_ends_with_one_line_feed(kinesis, send_with, aggregation, compression):
    records = [{"id": i, "message": f"café\n{i}"} for i in range(20)]
    penstock = send_with(records, newline=True, aggregation=aggregation, compression=compression)
    assert penstock.metrics().delivered == 20
    found = payloads(kinesis, compression)
    lines = [json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for record in records]
    if aggregation == "lines":
        assert len(found) < 20
        assert all(payload.endswith(b"}\n") for payload in found)
        assert sorted(b"".join(found).splitlines(keepends=True)) == sorted(lines)
    else:
        assert sorted(found) == sorted(lines)
    assert {line.decode().removesuffix("\n") for line in lines} == set(tail(kinesis))


def test_a_split_event_ends_with_line_feeds_and_is_joined(kinesis, send_with):
    record = {"id": 1, "message": "x" * 3_000_000}
    penstock = send_with([record], newline=True)
    assert penstock.metrics().delivered == 1
    parts = payloads(kinesis)
    assert len(parts) >= 3
    assert all(part.endswith(b"}\n") and len(part) <= 1 << 20 for part in parts)
    assert [json.loads(line) for line in tail(kinesis)] == [record]


@pytest.mark.parametrize("aggregation", ["none", "kpl", "lines"])
@pytest.mark.parametrize("newline", [False, True])
def test_data_key_sends_the_text_of_one_field(kinesis, send_with, aggregation, newline):
    values = ["plain", "two\nlines", "café \"q\"", 17, 1.0, True, ""]
    penstock = send_with([{"log": {"a.b": value}, "stream": "stdout"} for value in values],
                         data_key='log."a.b"', newline=newline, aggregation=aggregation)
    assert penstock.metrics().delivered == len(values)
    end = b"\n" if newline else b""
    texts = [text + end for text in (b"plain", b"two\nlines", "café \"q\"".encode(), b"17", b"1.0", b"true", b"")]
    found = payloads(kinesis)
    if aggregation == "lines":
        assert found == [(b"" if newline else b"\n").join(texts)]
    else:
        assert sorted(found) == sorted(texts)
    texts_read = b"".join(base64.b64decode(json.loads(line)["base64"]) for line in tail(kinesis))
    assert len(texts_read) == sum(map(len, found)), "a text is written as it came"


def test_a_record_without_the_field_becomes_a_dead_letter(kinesis, send_with, tmp_path):
    records = [{"log": "a"}, {"other": 1}, {"log": None}, {"log": ["x"]}, {"log": "b"}]
    penstock = send_with(records, data_key="log")
    metrics = penstock.metrics()
    assert metrics.delivered == 2
    assert metrics.by("penstock_events_dead_lettered_total", "reason")["no_data_key"] == 3
    assert sorted(payloads(kinesis)) == [b"a", b"b"]
    dump = run_command("dead-letter", "dump", str(tmp_path / "spool"))
    kept = [json.loads(line) for line in dump.stdout.splitlines()]
    assert [letter["event"] for letter in kept] == [{"other": 1}, {"log": None}, {"log": ["x"]}]
    assert {letter["reason"] for letter in kept} == {"no_data_key"}


@pytest.mark.parametrize("time_format, written", [
    (None, '"2024-06-11T08:15:00.279757487Z"'),
    ("unix", "1718093700"),
    ("unix_ms", "1718093700279"),
    ("%Y-%m-%dT%H:%M:%S%:z", '"2024-06-11T08:15:00+00:00"'),
    ("%d/%b/%Y %H:%M:%S.%L", '"11/Jun/2024 08:15:00.279"'),
])
def test_the_time_is_written_as_asked(kinesis, send_with, time_format, written):
    inject = {"time": "time", "tag": "tag", **({"time_format": time_format} if time_format else {})}
    send_with([{"message": "m"}], inject=inject)
    assert payloads(kinesis) == [f'{{"message":"m","time":{written},"tag":"app.a"}}'.encode()]


@pytest.mark.parametrize("aggregation", ["none", "kpl", "lines"])
def test_fixed_fields_stand_in_the_order_given_and_a_record_keeps_its_own(kinesis, send_with, aggregation):
    send_with([{"message": "m"}, {"zone": None, "message": "n"}], aggregation=aggregation,
              inject={"fields": {"zone": "b", "cluster": "prod-1"}, "tag": "tag"})
    lines = sorted(line for payload in payloads(kinesis) for line in payload.splitlines())
    assert lines == [b'{"message":"m","zone":"b","cluster":"prod-1","tag":"app.a"}',
                     b'{"zone":null,"message":"n","cluster":"prod-1","tag":"app.a"}']


def test_each_option_changes_on_reload(kinesis, start_penstock, tmp_path):
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    penstock = start_penstock(config)
    steps = [
        ({}, b'{"log":"m"}'),
        ({"newline": True}, b'{"log":"m"}\n'),
        ({"inject": {"fields": {"a": "b"}}}, b'{"log":"m","a":"b"}'),
        ({"inject": {"time": "t", "time_format": "unix"}}, b'{"log":"m","t":1718093700}'),
        ({"data_key": "log"}, b"m"),
        ({}, b'{"log":"m"}'),
    ]
    plain = dict(config["streams"]["projects"])
    with ForwardClient(forward_port(config)) as client:
        for number, (options, _) in enumerate(steps):
            config["streams"]["projects"] = {**plain, **options}
            if number > 0:
                penstock.reload(config)
            client.send_acked(wire.forward, "app.a", [(TIME, {"log": "m"})])
            penstock.wait_settled(number + 1)
    assert payloads(kinesis) == [expected for _, expected in steps]


def test_what_cannot_be_configured_is_named(start_penstock, tmp_path):
    def check(**options):
        config = three_streams("http://127.0.0.1:1", streams=options)
        file = tmp_path / "check.yaml"
        file.write_text(json.dumps(config))
        found = run_command("check", "--config", file, environment=ACCESS_KEY)
        return found.returncode, found.stdout + found.stderr
    code, text = check(inject={"time": "t", "time_format": "iso"})
    assert code == 2 and "time_format: 'iso' cannot be used (cure: use rfc3339, unix, unix_ms or a text" in text
    code, text = check(data_key="log", oversized="split")
    assert code == 2 and "use truncate or dead_letter, or remove data_key" in text
    assert check(data_key="log")[0] == 0
