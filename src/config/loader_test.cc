#include "config/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/test_files.h"

namespace penstock::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Environment kRegion{{"AWS_REGION", "eu-central-1"}};

Config loaded(const std::string& yaml, const Environment& environment = kRegion) {
  LoadResult result = load_text(yaml, "test.yaml", environment);
  if (result) return result->config;
  for (const Problem& problem : result.error()) ADD_FAILURE() << to_string(problem);
  return {};
}

constexpr const char* kSmallest = R"(
sources:
  - forward: {listen: "127.0.0.1:0"}
routes:
  - {stream: logs}
streams:
  logs: {name: my-stream}
)";

TEST(Loader, TheSmallestFileGetsEveryDefaultOfTheContract) {
  const Config config = loaded(kSmallest);

  ASSERT_EQ(config.forward.size(), 1);
  const ForwardOptions& forward = config.forward[0];
  EXPECT_EQ(forward.name, "forward");
  EXPECT_EQ(to_string(forward.listen), "127.0.0.1:0");
  EXPECT_FALSE(forward.tls.has_value());
  EXPECT_EQ(forward.max_connections, 1024);
  EXPECT_EQ(forward.max_message, 64ull << 20);
  ASSERT_EQ(config.streams.size(), 1);
  const StreamOptions& stream = config.streams[0];
  EXPECT_EQ(stream.key, "logs");
  EXPECT_EQ(stream.name, "my-stream");
  EXPECT_EQ(stream.region, "eu-central-1");
  EXPECT_EQ(stream.aggregation, Aggregation::none);
  EXPECT_EQ(stream.oversized, Oversized::split);
  EXPECT_EQ(stream.max_record, 1ull << 20);
  EXPECT_EQ(stream.flush.interval, milliseconds(1000));
  EXPECT_EQ(stream.flush.size, 5ull << 20);
  EXPECT_EQ(stream.inject, InjectOptions{});
  EXPECT_EQ(stream.protocol, WireProtocol::cbor);
  EXPECT_EQ(config.spool.directory, "");
  EXPECT_EQ(config.spool.max_size, 8ull << 30);
  EXPECT_EQ(config.dead_letters.directory, "");
  EXPECT_EQ(config.dead_letters.max_size, 1ull << 30);
  EXPECT_EQ(config.dedup_window, milliseconds(3'600'000));
  EXPECT_EQ(config.ack, AckMode::delivered);
  EXPECT_EQ(config.memory_limit, 256ull << 20);
  EXPECT_EQ(config.drain_timeout, milliseconds(80'000));
  EXPECT_TRUE(config.own_logs.ignore);
  EXPECT_EQ(to_string(config.admin_listen), "0.0.0.0:9880");
  EXPECT_FALSE(config.drop_unrouted);
}

TEST(Loader, ReadsEveryKeyOfTheContract) {
  const TestFiles files;
  const Environment environment{{"CRT", files.certificate()},
                                {"KEY", files.private_key()},
                                {"SECRET", files.write("secret", "s3cret\n")},
                                {"POD_NAMESPACE", "openshift-logging"},
                                {"PENSTOCK_WORKLOAD", "penstock"}};
  const Config config = loaded(R"(
sources:
  - forward:
      name: collectors
      listen: 0.0.0.0:24224
      tls:
        cert: ${CRT}
        key: ${KEY}
        client_ca: ${CRT}
        min_version: "1.3"
      shared_key_files: ["${SECRET}", "${SECRET}"]
      users:
        - {name: alice, password_file: "${SECRET}"}
      max_connections: 10
      max_message: 16MiB
  - http:
      listen: 0.0.0.0:8443
      tls: {cert: "${CRT}", key: "${KEY}"}
      auth:
        bearer_token_files: ["${SECRET}"]
        basic: [{name: bob, password_file: "${SECRET}"}]
        service_accounts: ["openshift-logging/kds-collector"]
      max_body: 8m
      ack_timeout: 10s
  - syslog:
      listen: "[::]:6514"
      udp: true
      max_message: 64KiB
      unwrap_json: true
  - syslog: {listen: ":6515"}
routes:
  - {log_type: audit, stream: audit}
  - {log_type: operations, stream: operations}
  - {tag: "app.** {a,b}.*", stream: projects}
  - {where: {kubernetes.namespace_name: "pay-*", kubernetes.labels."a.io/b": x}, stream: projects}
  - {source: http, stream: projects}
  - {stream: projects}
streams:
  audit:
    name: my-stream-audit
    region: us-east-1
    endpoint: http://127.0.0.1:4567
    endpoint_mode: account
    aggregation: kpl
    compression: zstd
    partition_key: field:kubernetes.pod_name
    order: per_key
    oversized: truncate
    max_record: 2MiB
    flush: {interval: 500ms, size: 1MiB}
    newline: yes
    inject: {time: "@time", tag: "@tag", id: "@id", time_format: unix_ms, fields: {z: 1, a: "b c"}}
    protocol: json
    max_size: 2GiB
  operations: {arn: "arn:aws:kinesis:us-west-2:123456789012:stream/ops", partition_key: tag}
  projects: {firehose: to-s3, aggregation: lines, region: us-east-1, data_key: a."b.c"}
spool: {directory: /var/lib/penstock, max_size: 10GiB, when_full: drop_oldest}
dead_letters: {max_size: 2GiB, when_full: drop_oldest}
dedup: {window: 10m}
ack: delivered
memory_limit: 512MiB
drain_timeout: 30
ignore_own_logs: false
admin: {listen: "127.0.0.1:9880"}
aws:
  profile: prod
  fips: true
  dual_stack: true
  assume_role: [{role_arn: "arn:aws:iam::123456789012:role/writer", external_id: x}]
  ca_bundle: ${CRT}
)",
                               environment);

  ASSERT_EQ(config.forward.size(), 1);
  EXPECT_EQ(config.forward[0].name, "collectors");
  EXPECT_EQ(config.forward[0].tls->min_version, TlsVersion::tls_1_3);
  EXPECT_EQ(config.forward[0].tls->client_ca, files.path("tls.crt"));
  EXPECT_EQ(config.forward[0].shared_key_files.size(), 2);
  EXPECT_EQ(config.forward[0].users.at(0).name, "alice");
  EXPECT_EQ(config.forward[0].max_connections, 10);
  ASSERT_EQ(config.http.size(), 1);
  EXPECT_EQ(config.http[0].auth->service_accounts.at(0), "openshift-logging/kds-collector");
  EXPECT_EQ(config.http[0].max_body, 8ull << 20);
  EXPECT_EQ(config.http[0].ack_timeout, milliseconds(10'000));
  ASSERT_EQ(config.syslog.size(), 2);
  EXPECT_TRUE(config.syslog[0].udp);
  EXPECT_EQ(config.syslog[1].name, "syslog-2");
  ASSERT_EQ(config.routes.size(), 6);
  EXPECT_EQ(config.routes[1].log_type, LogType::infrastructure);
  EXPECT_THAT(config.routes[3].where.at(1).path, ElementsAre("kubernetes", "labels", "a.io/b"));
  EXPECT_EQ(config.routes[4].source, "http");
  ASSERT_EQ(config.streams.size(), 3);
  const StreamOptions& audit = config.streams[0];
  EXPECT_EQ(audit.endpoint_mode, EndpointMode::account);
  EXPECT_EQ(audit.aggregation, Aggregation::kpl);
  EXPECT_EQ(audit.compression, Compression::zstd);
  EXPECT_THAT(audit.partition_key.field, ElementsAre("kubernetes", "pod_name"));
  EXPECT_EQ(audit.order, Order::per_key);
  EXPECT_EQ(audit.oversized, Oversized::truncate);
  EXPECT_EQ(audit.max_record, 2ull << 20);
  EXPECT_EQ(audit.flush.interval, milliseconds(500));
  EXPECT_EQ(audit.inject.id, "@id");
  EXPECT_EQ(audit.inject.time_format, "unix_ms");
  EXPECT_THAT(audit.inject.fields, ElementsAre(FixedField{"z", "1"}, FixedField{"a", "b c"}));
  EXPECT_TRUE(audit.newline);
  EXPECT_TRUE(audit.data_key.empty());
  EXPECT_THAT(config.streams[2].data_key, ElementsAre("a", "b.c"));
  EXPECT_EQ(config.streams[2].oversized, Oversized::dead_letter);  // for a text
  EXPECT_EQ(audit.protocol, WireProtocol::json);
  EXPECT_EQ(audit.max_size, 2ull << 30);
  EXPECT_EQ(config.streams[1].name, "ops");
  EXPECT_EQ(config.streams[1].region, "us-west-2");
  EXPECT_EQ(config.streams[2].kind, StreamKind::firehose);
  EXPECT_EQ(config.streams[2].name, "to-s3");
  EXPECT_EQ(config.spool.when_full, WhenFull::drop_oldest);
  EXPECT_EQ(config.dead_letters.directory, "/var/lib/penstock/dead-letter");
  EXPECT_EQ(config.dedup_window, milliseconds(600'000));
  EXPECT_EQ(config.ack, AckMode::delivered);
  EXPECT_EQ(config.drain_timeout, milliseconds(30'000));
  EXPECT_FALSE(config.own_logs.ignore);
  EXPECT_EQ(config.own_logs.pod_namespace, "openshift-logging");
  EXPECT_TRUE(config.aws.fips);
  EXPECT_EQ(config.aws.assume_role.at(0).external_id, "x");
  EXPECT_THAT(watched_files(config), ElementsAre(files.path("secret"), files.path("tls.crt"),
                                                 files.path("tls.key"), "test.yaml"));
}

TEST(Loader, WithADirectoryAckIsStored) {
  const Config config = loaded(std::string(kSmallest) + "spool: {directory: /data/}\n");
  EXPECT_EQ(config.ack, AckMode::stored);
  EXPECT_EQ(config.dead_letters.directory, "/data/dead-letter");
}

TEST(Loader, SourcesMayBeNamedWithoutOptions) {
  const Config config = loaded(R"(
sources: [forward, {http: }]
streams: {logs: {name: s}}
)");
  EXPECT_EQ(to_string(config.forward.at(0).listen), "0.0.0.0:24224");
  EXPECT_EQ(to_string(config.http.at(0).listen), "0.0.0.0:8443");
}

TEST(Loader, OneStreamWithoutRoutesTakesEverything) {
  const Config config = loaded("sources: [forward]\nstreams: {logs: {name: s}}\n");
  ASSERT_EQ(config.routes.size(), 1);
  EXPECT_EQ(config.routes[0].stream, "logs");
}

TEST(Loader, RegionAndEndpointComeFromTheEnvironment) {
  const Environment environment{{"AWS_DEFAULT_REGION", "sa-east-1"},
                                {"AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:4567"},
                                {"AWS_ENDPOINT_URL", "http://127.0.0.1:1"}};
  const Config config = loaded(kSmallest, environment);
  EXPECT_EQ(config.streams.at(0).region, "sa-east-1");
  EXPECT_EQ(config.streams.at(0).endpoint, "http://127.0.0.1:4567");
}

TEST(Loader, RegionComesFromTheProfileLast) {
  const TestFiles files;
  const std::string path = files.write(
      "config", "[default]\nregion = us-west-1\n\n[profile prod]\noutput=json\nregion=eu-west-3\n");
  EXPECT_EQ(loaded(kSmallest, Environment{{"AWS_CONFIG_FILE", path}}).streams.at(0).region,
            "us-west-1");
  EXPECT_EQ(loaded(kSmallest, Environment{{"AWS_CONFIG_FILE", path}, {"AWS_PROFILE", "prod"}})
                .streams.at(0)
                .region,
            "eu-west-3");
}

TEST(Loader, AMissingFileIsOneProblemThatNamesIt) {
  const TestFiles files;
  const LoadResult result = load(files.path("none.yaml"), kRegion);
  ASSERT_FALSE(result.has_value());
  ASSERT_EQ(result.error().size(), 1);
  EXPECT_THAT(to_string(result.error()[0]), HasSubstr("none.yaml: No such file"));
}

TEST(Loader, AFileOnDiskIsReadAndWatched) {
  const TestFiles files;
  const LoadResult result = load(files.write("penstock.yaml", kSmallest), kRegion);
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(watched_files(result->config), ElementsAre(files.path("penstock.yaml")));
}

TEST(Loader, AllProblemsAreToldAtOnceInTheOrderOfTheirLines) {
  const LoadResult result = load_text(R"(sources:
  - forward: {lisen: ":1"}
memory_limit: lots
streams:
  logs: {nam: x}
)",
                                      "test.yaml", kRegion);
  ASSERT_FALSE(result.has_value());
  std::vector<int> lines;
  for (const Problem& problem : result.error()) {
    if (problem.severity == Severity::error) lines.push_back(problem.line);
  }
  EXPECT_THAT(lines, ElementsAre(2, 3, 5));  // that the stream has no name follows from the typo
}

TEST(Loader, MergeKeysBringInWhatAMapDoesNotHave) {
  const Config config = loaded(R"(
sources: [forward]
routes: [{stream: a}]
streams:
  a: &common {name: one, compression: zstd, flush: &slow {interval: 9s, size: 1m}}
  b: {<<: *common, name: two}
  c: {<<: [{name: three, order: per_key}, *common], flush: {<<: *slow, size: 2m}}
)");
  ASSERT_EQ(config.streams.size(), 3u);
  EXPECT_EQ(config.streams[1].name, "two");
  EXPECT_EQ(config.streams[1].compression, Compression::zstd);
  EXPECT_EQ(config.streams[1].flush.interval, milliseconds(9'000));
  EXPECT_EQ(config.streams[2].name, "three");
  EXPECT_EQ(config.streams[2].order, Order::per_key);
  EXPECT_EQ(config.streams[2].flush.interval, milliseconds(9'000));
  EXPECT_EQ(config.streams[2].flush.size, 2u << 20);
  const auto wrong = load_text(R"(
sources: [forward]
streams: {a: {<<: x, name: s}}
)",
                               "t.yaml", kRegion);
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().front().message, HasSubstr("merge key"));
}

TEST(Loader, AStreamsIdentityTakesFromAwsWhatItDoesNotSay) {
  const Config config = loaded(R"(
sources: [forward]
routes: [{stream: a}]
aws: {profile: base, assume_role: [{role_arn: "arn:aws:iam::111122223333:role/hub"}]}
streams:
  a: {name: s}
  b: {name: s, aws: {profile: other}}
  c: {name: s, aws: {assume_role: [{role_arn: "arn:aws:iam::444455556666:role/c", external_id: x}]}}
  d: {name: s, aws: {profile: other, assume_role: []}}
)");
  std::vector<std::string> names;
  for (const StreamOptions& stream : config.streams) {
    names.push_back(to_string(identity_of(stream, config.aws)));
  }
  EXPECT_THAT(names,
              ElementsAre("profile base > arn:aws:iam::111122223333:role/hub",
                          "profile other > arn:aws:iam::111122223333:role/hub",
                          "profile base > arn:aws:iam::444455556666:role/c", "profile other"));
}

}  // namespace
}  // namespace penstock::config
