"""deploy/cloudformation/streams.yaml: linted against the service's own schemas, and created, updated and deleted on
moto, in this process. moto has no AWS::Kinesis::Channel, AWS::KinesisFirehose::DeliveryStream, AWS::S3::BucketPolicy
and AWS::SecretsManager::Secret, makes buckets without versions and life cycle, users without their policies, and takes
no notice of Rules: there the template itself is looked at."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from moto import mock_aws

TEMPLATE = Path(__file__).resolve().parents[1] / "deploy/cloudformation/streams.yaml"
STREAMS = {"my-stream-projects", "my-stream-operations", "my-stream-audit"}
REGION = "us-east-1"


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their long ones."""


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".") if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _function)


@pytest.fixture(scope="module")
def template():
    return yaml.load(TEMPLATE.read_text(), Loader)


def evaluate(expression, parameters):
    """What Rules may hold."""
    if not isinstance(expression, dict):
        return expression
    (name, argument), = expression.items()
    if name == "Ref":
        return parameters[argument]
    arguments = [evaluate(part, parameters) for part in argument] if name != "Fn::Contains" else argument
    if name == "Fn::Equals":
        return arguments[0] == arguments[1]
    if name == "Fn::Contains":
        return evaluate(argument[1], parameters) in argument[0]
    raise AssertionError(f"{name} is not expected in Rules")


def broken_rules(template, **parameters):
    values = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()} | parameters
    return {assertion["AssertDescription"] for rule in template["Rules"].values()
            if evaluate(rule["RuleCondition"], values)
            for assertion in rule["Assertions"] if not evaluate(assertion["Assert"], values)}


@pytest.fixture
def stacks(monkeypatch):
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("cloudformation", region_name=REGION)

        def call(method, parameters):
            getattr(client, method)(
                StackName="logs", TemplateBody=TEMPLATE.read_text(), Capabilities=["CAPABILITY_IAM"],
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
            stack = client.describe_stacks(StackName="logs")["Stacks"][0]
            return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

        class Stacks:
            def create(self, **parameters):
                return call("create_stack", parameters)

            def update(self, **parameters):
                return call("update_stack", parameters)

            def delete(self):
                client.delete_stack(StackName="logs")

            def resources(self):
                found = client.list_stack_resources(StackName="logs")["StackResourceSummaries"]
                return {r["LogicalResourceId"]: r for r in found if r["LogicalResourceId"]}

        yield Stacks()


def kinesis():
    return boto3.client("kinesis", region_name=REGION)


def test_the_linter_finds_nothing():
    done = subprocess.run([Path(sys.executable).parent / "cfn-lint", "--regions", "us-east-1", "eu-central-1", "--", TEMPLATE],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("parameters, says", [
    ({"Archive": "none"}, None),
    ({"Archive": "channel"}, None),
    ({"Archive": "firehose"}, None),
    ({"Archive": "firehose", "StreamMode": "PROVISIONED"}, None),
    ({"Archive": "channel", "ArchiveCompression": "ZSTD"}, None),
    ({"Archive": "channel", "StreamMode": "PROVISIONED"}, "on-demand streams only"),
    ({"Archive": "firehose", "ArchiveCompression": "ZSTD"}, "Firehose has no ZSTD"),
])
def test_parameters_that_do_not_fit_are_rejected_with_what_to_use(template, parameters, says):
    broken = broken_rules(template, **parameters)
    assert (says is None) == (not broken)
    assert says is None or any(says in text for text in broken)


def test_without_an_archive_there_are_streams_and_a_policy_and_nothing_else(stacks):
    outputs = stacks.create()
    assert set(kinesis().list_streams()["StreamNames"]) == STREAMS == set(outputs["StreamNames"].split())
    assert set(outputs) == {"StreamNames", "PolicyArn"}
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    assert set(stacks.resources()) == {"Projects", "Operations", "Audit", "WritePolicy"}


def test_a_deleted_stack_leaves_the_logs_and_takes_its_identities_along(stacks):
    outputs = stacks.create(CreateUser="yes", CreateReader="yes", Archive="firehose")
    iam = boto3.client("iam")
    keys = iam.list_access_keys(UserName=outputs["UserName"])["AccessKeyMetadata"]
    assert len(keys) == 1, "the stack's own key"
    stacks.delete()
    assert set(kinesis().list_streams()["StreamNames"]) == STREAMS
    assert [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]] == [outputs["ArchiveBucket"]]
    assert iam.list_users()["Users"] == []


def test_what_holds_logs_is_retained_and_the_rest_is_not(template):
    kept = {name for name, resource in template["Resources"].items() if resource.get("DeletionPolicy") == "Retain"}
    assert kept == {"Projects", "Operations", "Audit", "StreamKey", "ArchiveBucket"}
    for name in kept:
        assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_a_reader_may_read_and_not_write(stacks):
    outputs = stacks.create(CreateReader="yes", IssuerHostPath="issuer.example/abc")
    policy = boto3.resource("iam").Policy(outputs["ReaderPolicyArn"]).default_version.document
    (statement,) = [s for s in policy["Statement"] if isinstance(s, dict) and "Action" in s]
    assert statement["Action"] == ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    assert all(":stream/my-stream-" in arn for arn in statement["Resource"])
    trust = boto3.client("iam").get_role(RoleName=outputs["RoleArn"].rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Condition"]["StringEquals"]["issuer.example/abc:aud"] == "sts.amazonaws.com"


def test_the_reader_policy_is_attached_to_the_identities_of_the_pods(template):
    for identity in ("User", "Role"):
        assert template["Resources"][identity]["Properties"]["ManagedPolicyArns"] == [
            {"Ref": "WritePolicy"}, {"Fn::If": ["WithReader", {"Ref": "ReadPolicy"}, {"Ref": "AWS::NoValue"}]}]


@pytest.mark.parametrize("archive, service", [("channel", "kinesis"), ("firehose", "firehose")])
def test_only_channels_of_this_account_may_use_the_archives_role(stacks, archive, service):
    stacks.create(Archive=archive)
    role = stacks.resources()["ArchiveRole"]["PhysicalResourceId"]
    trust = boto3.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Principal"]["Service"] == f"{service}.amazonaws.com"
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert f":{service}:{REGION}:123456789012:" in trust["Condition"]["ArnLike"]["aws:SourceArn"]
    assert ("ArchiveKeyPolicy" in stacks.resources()) == (archive == "channel"), "that stream has a key of its own"


def test_the_archive_is_versioned_private_and_ends(template):
    bucket = template["Resources"]["ArchiveBucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4 and all(bucket["PublicAccessBlockConfiguration"].values())
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    days = {"Fn::FindInMap": ["Keep", {"Ref": "ArchiveKeep"}, "Days"]}
    assert rules["end"]["ExpirationInDays"] == days
    assert bucket["ObjectLockConfiguration"]["Fn::If"][1]["Rule"]["DefaultRetention"]["Days"] == days
    assert rules["end"]["Status"] == {"Fn::If": ["ArchiveEnds", "Enabled", "Disabled"]}
    assert rules["cold"]["Status"] == {"Fn::If": ["ArchiveCools", "Enabled", "Disabled"]}
    keep = template["Parameters"]["ArchiveKeep"]["AllowedValues"]
    assert set(keep) == set(template["Mappings"]["Keep"])
    assert [template["Mappings"]["Keep"][name]["Days"] for name in keep] == sorted(
        template["Mappings"]["Keep"][name]["Days"] for name in keep)
    for name in keep[2:-1]:  # never less than the years it promises, leap days included
        years = int(name.split("-")[0])
        assert template["Mappings"]["Keep"][name]["Days"] >= years * 365 + -(-years // 4)


def test_streams_with_a_channel_are_encrypted_with_a_key_of_the_accounts_own(stacks):
    outputs = stacks.create(Archive="channel")
    key = stacks.resources()["StreamKey"]["PhysicalResourceId"]
    writer = json.dumps(boto3.resource("iam").Policy(outputs["PolicyArn"]).default_version.document)
    assert "kms:GenerateDataKey" in writer and key in writer


def test_an_archive_can_be_added_to_a_stack_that_is_there(stacks):
    before = stacks.create()
    after = stacks.update(Archive="firehose")
    assert "ArchiveBucket" in after and after["StreamNames"] == before["StreamNames"]
    assert "ArchiveRole" in stacks.resources()


@pytest.mark.parametrize("stream", ["Projects", "Operations", "Audit"])
def test_every_stream_has_its_channel_and_its_delivery_stream(template, stream):
    folder = stream.lower()
    channel = template["Resources"][f"{stream}Channel"]["Properties"]
    assert channel["StreamConfigurationList"][0]["StreamARN"] == {"Fn::GetAtt": [stream, "Arn"]}
    storage = channel["S3DestinationConfiguration"]["StorageConfiguration"]
    assert storage["OutputKeyTemplate"].startswith(folder + "/")
    delivery = template["Resources"][f"{stream}Delivery"]["Properties"]
    assert delivery["KinesisStreamSourceConfiguration"]["KinesisStreamARN"] == {"Fn::GetAtt": [stream, "Arn"]}
    assert delivery["ExtendedS3DestinationConfiguration"]["Prefix"].startswith(folder + "/")
    processor, = delivery["ExtendedS3DestinationConfiguration"]["ProcessingConfiguration"]["Processors"]
    assert processor == {"Type": "AppendDelimiterToRecord",
                         "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}


def test_the_users_key_is_the_stacks_and_can_be_replaced(template):
    assert template["Resources"]["AccessKey"]["Properties"]["Serial"] == {"Ref": "KeySerial"}
    secret = template["Resources"]["AccessKeySecret"]["Properties"]["SecretString"]["Fn::Sub"]
    assert json.loads(secret) == {"AWS_KEY_ID": "${AccessKey}", "AWS_SEC_KEY": "${AccessKey.SecretAccessKey}"}
