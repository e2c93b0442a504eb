#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/loader.h"
#include "config/test_files.h"

namespace penstock::config {
namespace {

using testing::HasSubstr;

using Variables = std::map<std::string, std::string, std::less<>>;

Config started_with(const Variables& variables) {
  LoadResult result = from_environment(Environment(variables));
  if (result) return result->config;
  for (const Problem& problem : result.error()) ADD_FAILURE() << to_string(problem);
  return {};
}

std::string refused_with(const Variables& variables) {
  const LoadResult result = from_environment(Environment(variables));
  if (result) return "";
  std::string all;
  for (const Problem& problem : result.error()) all += to_string(problem) + "\n";
  return all;
}

TEST(EnvironmentAlone, ThePredecessorsVariablesMakeThreeStreams) {
  const TestFiles files;
  const Config config = started_with({{"LOGGINGNAMES", "projects operations audit"},
                                      {"KINESIS_STREAM_NAME", "s-projects s-operations s-audit"},
                                      {"KINESIS_REGION", "us-east-2"},
                                      {"FORWARD_FLUSH_INTERVAL", "5s"},
                                      {"BUFFER_SIZE_LIMIT", "8m"},
                                      {"SHARED_KEY_FILE", files.write("key", "secret\n")},
                                      {"TLS_CERT_FILE", files.certificate()},
                                      {"TLS_KEY_FILE", files.private_key()},
                                      {"SPOOL_DIRECTORY", "/var/lib/penstock"},
                                      {"AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:4567"}});

  ASSERT_EQ(config.streams.size(), 3);
  EXPECT_EQ(config.streams[0].key, "projects");
  EXPECT_EQ(config.streams[0].name, "s-projects");
  EXPECT_EQ(config.streams[2].region, "us-east-2");
  EXPECT_EQ(config.streams[2].endpoint, "http://127.0.0.1:4567");
  EXPECT_EQ(config.streams[1].flush.interval, milliseconds(5000));
  EXPECT_EQ(config.streams[1].flush.size, 8ull << 20);
  ASSERT_EQ(config.routes.size(), 3);
  EXPECT_EQ(config.routes[1].log_type, LogType::infrastructure);
  EXPECT_EQ(config.routes[1].stream, "operations");
  EXPECT_TRUE(config.drop_unrouted);
  EXPECT_EQ(to_string(config.forward.at(0).listen), "0.0.0.0:24224");
  EXPECT_EQ(config.forward[0].shared_key_files.size(), 1);
  EXPECT_TRUE(config.forward[0].tls.has_value());
  EXPECT_EQ(config.ack, AckMode::stored);
  EXPECT_EQ(to_string(config.admin_listen), "0.0.0.0:9880");
  EXPECT_EQ(config.file, "");
}

TEST(EnvironmentAlone, OneStreamAloneTakesEverything) {
  const Config config =
      started_with({{"KINESIS_STREAM_NAME", "all"}, {"KINESIS_REGION", "us-east-2"}});
  ASSERT_EQ(config.routes.size(), 1);
  EXPECT_FALSE(config.routes[0].log_type.has_value());
  EXPECT_FALSE(config.drop_unrouted);
}

TEST(EnvironmentAlone, ABufferLargerThanAnyRequestIsCutToOne) {
  const Config config = started_with({{"KINESIS_STREAM_NAME", "all"},
                                      {"KINESIS_REGION", "us-east-2"},
                                      {"BUFFER_SIZE_LIMIT", "64m"}});
  EXPECT_EQ(config.streams.at(0).flush.size, 10ull << 20);
}

TEST(EnvironmentAlone, ListsOfUnequalLengthAreRefused) {
  EXPECT_THAT(refused_with({{"LOGGINGNAMES", "projects operations"},
                            {"KINESIS_STREAM_NAME", "a"},
                            {"KINESIS_REGION", "us-east-2"}}),
              HasSubstr("LOGGINGNAMES: lists 2 kinds of log, KINESIS_STREAM_NAME 1 streams"));
  EXPECT_THAT(refused_with({{"KINESIS_STREAM_NAME", "a b"}, {"KINESIS_REGION", "us-east-2"}}),
              HasSubstr("LOGGINGNAMES: lists 0"));
}

TEST(EnvironmentAlone, EachProblemNamesItsVariable) {
  const Variables good = {{"KINESIS_STREAM_NAME", "s"}, {"KINESIS_REGION", "us-east-2"}};
  const auto refused_also_with = [&](const std::string& name, const std::string& value) {
    Variables variables = good;
    variables[name] = value;
    return refused_with(variables);
  };
  EXPECT_THAT(refused_with({}), HasSubstr("KINESIS_STREAM_NAME: is not set"));
  EXPECT_THAT(refused_with({{"KINESIS_STREAM_NAME", "s"}, {"HOME", "/nonexistent"}}),
              HasSubstr("KINESIS_REGION: no region is known"));
  EXPECT_THAT(refused_also_with("FORWARD_FLUSH_INTERVAL", "soon"),
              HasSubstr("FORWARD_FLUSH_INTERVAL: 'soon' cannot be used"));
  EXPECT_THAT(refused_also_with("BUFFER_SIZE_LIMIT", "big"),
              HasSubstr("BUFFER_SIZE_LIMIT: 'big' cannot be used"));
  EXPECT_THAT(refused_also_with("SHARED_KEY_FILE", "/none"),
              HasSubstr("SHARED_KEY_FILE: cannot read /none"));
  EXPECT_THAT(refused_also_with("TLS_CERT_FILE", "/none"),
              testing::AllOf(HasSubstr("TLS_CERT_FILE: cannot read /none"),
                             HasSubstr("TLS_KEY_FILE: is missing")));
  EXPECT_THAT(refused_also_with("LOGGINGNAMES", "logs"), HasSubstr("'logs' is no kind of log"));
  EXPECT_THAT(refused_with({{"KINESIS_STREAM_NAME", "s t"},
                            {"KINESIS_REGION", "us-east-2"},
                            {"LOGGINGNAMES", "audit audit"}}),
              HasSubstr("lists 'audit' twice"));
}

}  // namespace
}  // namespace penstock::config
