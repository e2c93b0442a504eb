// One case for each kind of thing that can be wrong with a configuration: where it is told, and
// what the cure says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/loader.h"
#include "config/test_files.h"

namespace penstock::config {
namespace {

using testing::HasSubstr;

const Environment kRegion{{"AWS_REGION", "eu-central-1"}, {"EMPTY", ""}};

std::string told(const std::string& yaml) {
  const LoadResult result = load_text(yaml, "t.yaml", kRegion);
  std::string all;
  const std::vector<Problem>& problems = result ? result->warnings : result.error();
  for (const Problem& problem : problems) {
    all += (problem.severity == Severity::error ? "E " : "W ") + to_string(problem) + "\n";
  }
  return all;
}

// A whole configuration around some lines at the top level; these begin at line 1.
std::string with(const std::string& lines) {
  return lines + "\nsources: [forward]\nroutes: [{stream: a}]\nstreams: {a: {name: s}}\n";
}
std::string with_source(const std::string& source) {
  return "sources:\n  - " + source + "\nroutes: [{stream: a}]\nstreams: {a: {name: s}}\n";
}
std::string with_stream(const std::string& options) {
  return "sources: [forward]\nroutes: [{stream: a}]\nstreams:\n  a: {" + options + "}\n";
}
std::string with_routes(const std::string& routes) {
  return "sources: [forward]\nstreams: {a: {name: s}, bee: {name: t}}\nroutes:\n  - " + routes +
         "\n";
}

struct Case {
  const char* name;
  std::string yaml;
  std::vector<const char*> expected;
};

class EveryProblem : public testing::TestWithParam<Case> {};

TEST_P(EveryProblem, IsToldWithLineKeyAndCure) {
  const std::string all = told(GetParam().yaml);
  for (const char* part : GetParam().expected) EXPECT_THAT(all, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, EveryProblem,
    testing::Values(
        Case{"NotYaml", "sources: [forward\nx: {", {"E t.yaml:", "not valid YAML"}},
        Case{"Empty", "# nothing\n", {"E t.yaml: is empty"}},
        Case{"NoMap", "- a\n- b\n", {"t.yaml:1: expected keys and values"}},
        Case{"TwoDocuments", "a: 1\n---\nb: 2\n", {"several YAML documents"}},
        Case{"UnknownKey",
             with("memory_limits: 1"),
             {"E t.yaml:1: memory_limits: unknown key (cure: did you mean 'memory_limit'?)"}},
        Case{"UnknownKeyFarOff", with("colour: red"), {"unknown key (cure: known here: sources,"}},
        Case{"UnknownNestedKey",
             with_stream("name: s, flush: {intervall: 1s}"),
             {"t.yaml:4: streams.a.flush.intervall: unknown key (cure: did you mean 'interval'?)"}},
        Case{"UnknownKeyInGroup",
             with("dedup: {windows: 1s}"),
             {"t.yaml:1: dedup.windows: unknown key (cure: did you mean 'window'?)"}},
        Case{"DuplicateKey",
             with("ack: delivered\nack: delivered"),
             {"t.yaml:2: ack: is given twice"}},
        Case{
            "DuplicateStream",
            "sources: [forward]\nroutes: [{stream: a}]\nstreams:\n  a: {name: s}\n  a: {name: t}\n",
            {"t.yaml:5: streams.a: is given twice"}},
        Case{"NoValue", with("ack:"), {"t.yaml:1: ack: has no value"}},
        Case{"EmptyValue",
             with("spool: {directory: \"${EMPTY}\"}"),
             {"t.yaml:1: spool.directory: is empty"}},
        Case{"SectionWithoutKeys",
             with_source("forward: {tls: }"),
             {"t.yaml:2: sources[0].forward.tls: has no value"}},
        Case{"KeysInPlaceOfValue", with("ack: {a: b}"), {"ack: expected one value, found keys"}},
        Case{"ListInPlaceOfValue", with("ack: [a]"), {"ack: expected one value, found a list"}},
        Case{"ValueInPlaceOfList",
             with("aws: {assume_role: x}"),
             {"aws.assume_role: expected a list"}},
        Case{"UnsetVariable",
             with("drain_timeout: ${NOT_SET}"),
             {"t.yaml:1: drain_timeout: the environment variable NOT_SET is not set (cure: set it, "
              "or write ${NAME:-default})"}},
        Case{"BadSize",
             with("memory_limit: lots"),
             {"t.yaml:1: memory_limit: 'lots' cannot be used (cure: expected a size such as"}},
        Case{"BadDuration", with("drain_timeout: soon"), {"'soon' cannot be used", "500ms"}},
        Case{"BadSwitch", with("ignore_own_logs: maybe"), {"expected true or false"}},
        Case{"BadChoice", with("ack: perhaps"), {"use one of: stored, delivered"}},
        Case{"BadListen",
             with("admin: {listen: \"9880\"}"),
             {"t.yaml:1: admin.listen: '9880' cannot be used (cure: expected host:port"}},
        Case{"BareSecureAdmin",
             with("admin: {secure: {listen: \":9443\"}}"),
             {"E t.yaml:1: admin.secure.tls: is missing", "E t.yaml:1: admin.secure.auth: is missing",
              "W t.yaml:1: admin.listen: 0.0.0.0:9880 shows the same to other hosts"}},
        Case{"SecureAdminForNobody",
             with("admin: {secure: {tls: {cert: /none, key: /none}, auth: {}}}"),
             {"admin.secure.tls.cert: cannot read /none", "admin.secure.auth: asks for nothing"}},
        Case{"SecureAdminOnTheSamePort",
             with("admin: {listen: \":9443\", secure: {listen: \":9443\"}}"),
             {"admin.secure.listen: [::]:9443 is taken by admin.listen"}}),
    [](const auto& each) { return each.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Sources, EveryProblem,
    testing::Values(
        Case{"None", "streams: {a: {name: s}}\n", {"E t.yaml: sources: there is none"}},
        Case{"UnknownKind",
             with_source("forwrd: {}"),
             {"t.yaml:2: sources[0].forwrd: unknown kind of source (cure: did you mean "
              "'forward'?)"}},
        Case{"TwoKindsInOne",
             with_source("{forward: {}, http: {}}"),
             {"t.yaml:2: sources[0]: expected one of forward, http, syslog"}},
        Case{"SameName",
             with_source("forward: {name: x}\n  - http: {name: x}"),
             {"t.yaml:3: sources[1].http.name: 'x' names another source too"}},
        Case{"BadName",
             with_source("forward: {name: \"a b\"}"),
             {"name: cannot be used as a label"}},
        Case{"TakenName", with_source("forward: {name: recovered}"), {"'recovered' is taken"}},
        Case{"SameAddress",
             with_source("forward: {listen: \":9880\"}"),
             {"admin.listen: 0.0.0.0:9880 is taken by sources[0].forward.listen"}},
        Case{"EveryAddressAndOne",
             with_source("forward: {listen: \"*:24224\"}\n  - http: {listen: \"[::1]:24224\"}"),
             {"sources[1].http.listen: [::1]:24224 is taken by sources[0].forward.listen"}},
        Case{"TooManyConnections",
             with_source("forward: {max_connections: 0}"),
             {"expected a whole number from 1 to 1000000"}},
        Case{"MessageTooSmall",
             with_source("forward: {max_message: 1}"),
             {"max_message: 1B is out of range"}},
        Case{"CertificateWithoutKey",
             with_source("forward: {tls: {cert: /none}}"),
             {"forward.tls.key: is missing", "forward.tls.cert: cannot read /none: No such file"}},
        Case{"KeyOfBothSpellings",
             with_source("forward: {shared_key_file: /a, shared_key_files: [/b]}"),
             {"shared_key_files: conflicts with shared_key_file"}},
        Case{"MissingSecret",
             with_source("forward: {shared_key_file: /none}"),
             {"t.yaml:2: sources[0].forward.shared_key_file: cannot read /none: No such file"}},
        Case{"SecretIsADirectory",
             with_source("forward: {shared_key_file: /}"),
             {"cannot read /: it is a directory"}},
        Case{"UsersWithoutKey",
             with_source("forward: {users: [{name: a, password_file: /none}]}"),
             {"users: need a shared key", "users[0].password_file: cannot read /none"}},
        Case{"UserWithoutName",
             with_source("http: {auth: {basic: [{password_file: /none}]}}"),
             {"auth.basic[0].name: is missing"}},
        Case{"SameUserTwice",
             with_source("http: {auth: {basic: [{name: a, password_file: /n}, {name: a, "
                         "password_file: /n}]}}"),
             {"auth.basic[1].name: 'a' is given twice"}},
        Case{"AuthOfNothing", with_source("http: {auth: {}}"), {"auth: asks for nothing"}},
        Case{"BadServiceAccount",
             with_source("http: {auth: {service_accounts: [collector]}}"),
             {"service_accounts[0]: 'collector' is not namespace/name"}},
        Case{"PlainPasswords",
             with_source("http: {auth: {service_accounts: [a/b]}}"),
             {"W t.yaml:2: sources[0].http.auth: tokens and passwords come in as plain text"}},
        Case{"AckTimeoutTooShort",
             with_source("http: {ack_timeout: 1ms}"),
             {"ack_timeout: is shorter than 100ms"}},
        Case{"MemoryTooSmall",
             with("memory_limit: 128MiB"),
             {"t.yaml:1: memory_limit: 128MiB is too little for messages of 64MiB",
              "raise "
              "memory_limit to 160MiB"}}),
    [](const auto& each) { return each.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Routes, EveryProblem,
    testing::Values(
        Case{"Missing",
             "sources: [forward]\nstreams: {a: {name: s}, b: {name: t}}\n",
             {"E t.yaml: routes: are missing"}},
        Case{"UnknownStream",
             with_routes("{stream: be}"),
             {"t.yaml:4: routes[0].stream: there is no stream 'be' (cure: did you mean 'bee'?)"}},
        Case{"UnknownSource",
             with_routes("{source: http, stream: a}"),
             {"t.yaml:4: routes[0].source: there is no source 'http' (cure: there are: forward)"}},
        Case{"WithoutStream", with_routes("{tag: a}"), {"t.yaml:4: routes[0].stream: is missing"}},
        Case{"BadLogType",
             with_routes("{log_type: app, stream: a}"),
             {"routes[0].log_type: 'app' cannot be used (cure: use one of: application"}},
        Case{"BadPattern",
             with_routes("{tag: \"{a,b\", stream: a}"),
             {"t.yaml:4: routes[0].tag: '{a,b' cannot be used", "has a '{' without its '}'"}},
        Case{"BadFieldPath",
             with_routes("{where: {a..b: x}, stream: a}"),
             {"routes[0].where.a..b: the field's path has an empty part"}},
        Case{"EmptyWhere",
             with_routes("{where: {}, stream: a}"),
             {"routes[0].where: expected fields and their values"}},
        Case{"NeverReached",
             with_routes("{stream: a}\n  - {stream: bee}"),
             {"W t.yaml:5: routes[1]: is never reached"}},
        Case{"StreamWithoutRoute",
             with_routes("{stream: a}"),
             {"W t.yaml:2: streams.bee: no route leads to it"}}),
    [](const auto& each) { return each.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Streams, EveryProblem,
    testing::Values(
        Case{"None", "sources: [forward]\n", {"E t.yaml: streams: there is none"}},
        Case{"BadKey",
             "sources: [forward]\nroutes: []\nstreams: {a/b: {name: s}}\n",
             {"t.yaml:3: streams.a/b: cannot be a stream's key"}},
        Case{"WithoutTarget", with_stream("region: us-east-1"), {"streams.a: names no stream"}},
        Case{"BadName", with_stream("name: \"a b\""), {"'a b' cannot be the name of a stream"}},
        Case{"TextCannotBeSplit",
             with_stream("name: s, data_key: log, oversized: split"),
             {"E t.yaml:4: streams.a.oversized: a text of data_key cannot be split",
              "(cure: use truncate or dead_letter, or remove data_key)"}},
        Case{"TextHasNoFields",
             with_stream("name: s, data_key: log, inject: {tag: t}"),
             {"E t.yaml:4: streams.a.inject: adds fields to an object"}},
        Case{"BadDataKey",
             with_stream("name: s, data_key: a..b"),
             {"streams.a.data_key: 'a..b' cannot be used (cure: the field's path has an empty"}},
        Case{"BadTimeFormat",
             with_stream("name: s, inject: {time: t, time_format: \"%Q\"}"),
             {"E t.yaml:4: streams.a.inject.time_format: '%Q' cannot be used (cure: %Q is no"}},
        Case{"TimeFormatOfNoTime",
             with_stream("name: s, inject: {time_format: unix}"),
             {"W t.yaml:4: streams.a.inject.time_format: formats nothing"}},
        Case{"FieldTwice",
             with_stream("name: s, inject: {tag: t, fields: {t: x}}"),
             {"streams.a.inject.fields: 't' is used for two values"}},
        Case{"FieldsOfNoText",
             with_stream("name: s, inject: {fields: {t: [x]}}"),
             {"streams.a.inject.fields.t: expected one value, found a list"}},
        Case{"NewlineOfFirehose",
             with_stream("firehose: s, newline: true"),
             {"W t.yaml:4: streams.a.newline: Firehose records end with a line feed anyway"}},
        Case{"BadRegion",
             with_stream("name: s, region: US-EAST-1"),
             {"t.yaml:4: streams.a.region: 'US-EAST-1' is not a region (cure: regions are in lower "
              "case: write us-east-1)"}},
        Case{"QuotedRegion",
             with_stream("name: s, region: \"'us-east-1'\""),
             {"is not a region (cure: remove the quotes)"}},
        Case{"AvailabilityZone",
             with_stream("name: s, region: us-east-1a"),
             {"'us-east-1a' is not a region", "write us-east-1)"}},
        Case{"LongName",
             with_stream("name: " + std::string(129, 'n')),
             {"has 129 characters: AWS takes at most 128"}},
        Case{"ArnOfNoAccount",
             with_stream("arn: \"arn:aws:kinesis:us-east-1:1:stream/t\""),
             {"streams.a.arn: ", "account is no number of 12 digits"}},
        Case{"BadRoleOfOneStream",
             with_stream("name: s, aws: {assume_role: [{role_arn: me}]}"),
             {"t.yaml:4: streams.a.aws.assume_role[0].role_arn: 'me' is not the ARN of a role"}},
        Case{"UnknownKeyOfOneStreamsAws",
             with_stream("name: s, aws: {fips: true}"),
             {"streams.a.aws.fips: unknown key"}},
        Case{"BadArn",
             with_stream("arn: \"arn:aws:s3:::bucket\""),
             {"t.yaml:4: streams.a.arn: 'arn:aws:s3:::bucket' is not the ARN of a stream"}},
        Case{"ArnAndName",
             with_stream("name: s, arn: \"arn:aws:kinesis:us-east-1:111122223333:stream/t\""),
             {"streams.a.arn: conflicts with name"}},
        Case{"NameAndFirehose",
             with_stream("name: s, firehose: f"),
             {"streams.a.firehose: conflicts with name"}},
        Case{"OtherRegion",
             with_stream(
                 "region: us-west-1, arn: \"arn:aws:kinesis:us-east-1:111122223333:stream/t\""),
             {"streams.a.region: is not the region of the arn, us-east-1"}},
        Case{"BadEndpoint",
             with_stream("name: s, endpoint: localhost"),
             {"streams.a.endpoint: 'localhost' is not a URL"}},
        Case{"BadPartitionKey",
             with_stream("name: s, partition_key: host"),
             {"use random, tag or field:kubernetes.pod_name"}},
        Case{"BadPartitionField",
             with_stream("name: s, partition_key: \"field:a.\""),
             {"the field's path has an empty part"}},
        Case{"RecordTooLarge",
             with_stream("name: s, max_record: 11MiB"),
             {"max_record: 11MiB is out of range"}},
        Case{"RequestTooLarge",
             with_stream("name: s, flush: {size: 11MiB}"),
             {"t.yaml:4: streams.a.flush.size: 11MiB is out of range"}},
        Case{"FlushTooSlow",
             with_stream("name: s, flush: {interval: 1h}"),
             {"flush.interval: is longer than 15 minutes"}},
        Case{"SameInjectedField",
             with_stream("name: s, inject: {time: t, tag: t}"),
             {"inject: 't' is used for two values"}},
        Case{"OrderOfRandomKeys",
             with_stream("name: s, order: per_key"),
             {"W t.yaml:4: streams.a.order: per_key orders nothing"}},
        Case{"FirehoseWithKpl",
             with_stream("firehose: s, aggregation: kpl"),
             {"E t.yaml:4: streams.a.aggregation: Firehose does not take the KPL's format"}},
        Case{"FirehoseWithOrder",
             with_stream("firehose: s, order: per_key, partition_key: tag"),
             {"order: Firehose keeps no order", "partition_key: Firehose has no partition keys"}},
        Case{"FirehoseRecordTooLarge",
             with_stream("firehose: s, max_record: 2MiB"),
             {"max_record: Firehose takes records of at most 1MiB"}},
        Case{"StoredWithoutDirectory",
             with("ack: stored"),
             {"E t.yaml:1: ack: stored needs spool.directory"}},
        Case{"UnknownCipher",
             with_source("forward: {tls: {cert: /none, key: /none, ciphers: [ECDHE-RSA-AES257]}}"),
             {"E t.yaml:2: sources[0].forward.tls.ciphers: 'ECDHE-RSA-AES257' is no cipher"}},
        Case{"CiphersOfText",
             with_source("syslog: {tls: {cert: /none, key: /none, ciphers: \"!aNULL:x\"}}"),
             {"E t.yaml:2: sources[0].syslog.tls.ciphers: 'x' is no cipher"}},
        Case{"NoCiphers",
             with_source("http: {tls: {cert: /none, key: /none, ciphers: []}}"),
             {"E t.yaml:2: sources[0].http.tls.ciphers: names no cipher"}},
        Case{"SharesAboveTheWhole",
             with_stream("name: s, max_size: 9GiB"),
             {"spool.max_size: 8GiB is less than the streams' max_size together, 9GiB"}},
        Case{"ShareBelowOneMessage",
             with("spool: {max_size: 32MiB}"),
             {"W t.yaml:1: spool.max_size: a stream's share of 32MiB cannot hold a message"}},
        Case{"NoDeadLetters", with(""), {"W t.yaml: dead_letters: there is no directory"}},
        Case{"DeadLettersInTheSpool",
             with("spool: {directory: /d}\ndead_letters: {directory: /d}"),
             {"t.yaml:2: dead_letters.directory: is the spool's own directory"}},
        Case{"BadRole",
             with("aws: {assume_role: [{role_arn: me}]}"),
             {"t.yaml:1: aws.assume_role[0].role_arn: 'me' is not the ARN of a role"}},
        Case{"RoleMissing",
             with("aws: {assume_role: [{external_id: x}]}"),
             {"aws.assume_role[0].role_arn: is missing"}},
        Case{"MissingBundle",
             with("aws: {ca_bundle: /none}"),
             {"t.yaml:1: aws.ca_bundle: cannot read /none"}}),
    [](const auto& each) { return each.param.name; });

// Errors of what follows from an error would only hide it.
TEST(Problems, OneBadValueIsOneError) {
  const auto errors = [](const std::string& yaml) {
    const std::string all = told(yaml);
    size_t count = 0;
    for (size_t at = all.find("E t.yaml"); at != std::string::npos;
         at = all.find("E t.yaml", at + 1))
      ++count;
    return count == 1 ? std::string() : all;
  };
  for (const std::string& options : std::vector<std::string>{
           "nmae: s", "name: ${NOT_SET}", "name: [s]", "name: \"${EMPTY}\"", "arn: nonsense",
           "name: s, region: US-EAST-1", "name: s, region: [x]", "name: s, endpoint: x",
           "name: s, max_record: lots", "name: s, order: perkey", "name: \"a b\"",
           "arn: \"arn:aws:kinesis:US-EAST-1:111122223333:stream/t\""}) {
    EXPECT_EQ(errors(with_stream(options)), "") << options;
  }
  for (const std::string& source : std::vector<std::string>{
           "forward: {listen: \"9880\"}", "forward: {listen: \"${NOT_SET}\"}", "forwrd: {}",
           "forward: {max_message: much}", "forward: {shared_key_file: /none}"}) {
    EXPECT_EQ(errors(with_source(source)), "") << source;
  }
  EXPECT_EQ(errors("sources: [forward]\nroutes: [{stream: a}]\nstreams: {a/b: {name: s}, a: 1}\n")
                .find("there is no stream"),
            std::string::npos);
}

TEST(Problems, AVariableThatEveryStreamTakesOverIsWrongOnce) {
  const Environment environment{{"AWS_REGION", "US-EAST-1"}};
  const LoadResult file = load_text(
      "sources: [forward]\nroutes: [{stream: a}, {stream: b}]\nstreams: {a: {name: s}, b: {name: "
      "t}}\n",
      "t.yaml", environment);
  ASSERT_FALSE(file);
  EXPECT_EQ(
      to_string(file.error()[0]),
      "t.yaml: AWS_REGION: 'US-EAST-1' is not a region (cure: regions are in lower case: write "
      "us-east-1)");
  EXPECT_EQ(std::count_if(file.error().begin(), file.error().end(),
                          [](const Problem& each) { return each.severity == Severity::error; }),
            1);
  const LoadResult alone = from_environment(Environment{{"LOGGINGNAMES", "audit projects"},
                                                        {"KINESIS_STREAM_NAME", "a b"},
                                                        {"KINESIS_REGION", "us-east-1b"}});
  ASSERT_FALSE(alone);
  EXPECT_EQ(std::count_if(alone.error().begin(), alone.error().end(),
                          [](const Problem& each) { return each.key == "KINESIS_REGION"; }),
            1);
}

TEST(Problems, ValuesOfVariablesAreNotRepeated) {
  const Environment secret{{"AWS_REGION", "us-east-1"}, {"SECRET", "hunter2 is it"}, {"S", "q"}};
  const auto all = [&](const std::string& yaml) {
    const LoadResult result = load_text(yaml, "t.yaml", secret);
    std::string text;
    for (const Problem& problem : result ? result->warnings : result.error()) {
      text += to_string(problem) + "\n";
    }
    return text;
  };
  for (const std::string& options : std::vector<std::string>{
           "name: \"${SECRET}\"", "name: s, region: \"${SECRET}\"",
           "name: s, endpoint: \"${SECRET}\"", "arn: \"${SECRET}\"",
           "name: s, max_record: \"${SECRET}\"", "name: s, order: \"x-${SECRET}\"",
           "name: s, partition_key: \"${SECRET}\"",
           "name: s, aws: {assume_role: [{role_arn: \"${SECRET}\"}]}"}) {
    EXPECT_THAT(all(with_stream(options)),
                testing::AllOf(HasSubstr("${SECRET}"), testing::Not(HasSubstr("hunter2"))))
        << options;
  }
  EXPECT_THAT(all(with_source("forward: {listen: \"${SECRET}\"}")),
              testing::AllOf(HasSubstr("${SECRET}"), testing::Not(HasSubstr("hunter2"))));
  EXPECT_THAT(all(with_source("forward: {shared_key_file: \"/x/${SECRET}\"}")),
              testing::AllOf(HasSubstr("/x/${SECRET}"), testing::Not(HasSubstr("hunter2"))));
  EXPECT_THAT(all(with_routes("{stream: \"${SECRET}\"}")),
              testing::AllOf(HasSubstr("'${SECRET}'"), testing::Not(HasSubstr("hunter2"))));
  // A short value is not looked for inside of words.
  EXPECT_THAT(all(with_routes("{stream: \"${S}\"}")), HasSubstr("there is no stream '${S}'"));
}

TEST(Problems, WhiteSpaceAroundValuesIsNoError) {
  const Environment broken{{"AWS_REGION", "us-east-1\n"}, {"NAME", " s\r\n"}, {"SIZE", "8m\n"}};
  const LoadResult result =
      load_text(with_stream("name: \"${NAME}\", max_record: \"${SIZE}\""), "t.yaml", broken);
  ASSERT_TRUE(result) << to_string(result.error().front());
  EXPECT_EQ(result->config.streams[0].region, "us-east-1");
  EXPECT_EQ(result->config.streams[0].name, "s");
  EXPECT_EQ(result->config.streams[0].max_record, 8u << 20);
}

TEST(Problems, MoreThan64StreamsAreTooMany) {
  std::string yaml = "sources: [forward]\nroutes: [{stream: s0}]\nstreams:\n";
  for (int i = 0; i < 65; ++i) yaml += "  s" + std::to_string(i) + ": {name: s}\n";
  EXPECT_THAT(told(yaml), HasSubstr("E t.yaml:3: streams: 65 are too many"));
}

TEST(Problems, ARegionMustBeKnownUnlessTheEndpointIsGiven) {
  const auto errors_with = [](const std::string& options) {
    const LoadResult result =
        load_text(with_stream(options), "t.yaml", Environment{{"HOME", "/nonexistent"}});
    return result ? std::string() : to_string(result.error().at(0));
  };
  EXPECT_THAT(errors_with("name: s"), HasSubstr("streams.a.region: no region is known"));
  EXPECT_EQ(errors_with("name: s, endpoint: \"http://127.0.0.1:4567\""), "");
}

TEST(Problems, FilesThatAreNoPemAreTold) {
  const TestFiles files;
  const std::string text = files.write("x", "hello\n");
  const std::string locked = files.write("k", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n");
  EXPECT_THAT(told(with_source("forward: {tls: {cert: " + text + ", key: " + text + "}}")),
              testing::AllOf(HasSubstr("tls.cert: " + text + " holds no PEM certificate"),
                             HasSubstr("tls.key: " + text + " holds no PEM private key")));
  EXPECT_THAT(
      told(with_source("forward: {tls: {cert: " + files.certificate() + ", key: " + locked + "}}")),
      HasSubstr("holds an encrypted key"));
}

TEST(Problems, AnEmptySecretIsTold) {
  const TestFiles files;
  const std::string empty = files.write("key", "\nsecond line\n");
  EXPECT_THAT(told(with_source("forward: {shared_key_file: " + empty + "}")),
              HasSubstr("the first line of " + empty + " is empty"));
}

}  // namespace
}  // namespace penstock::config
