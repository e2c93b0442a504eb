#include "cli/iam_policy.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace penstock::cli {
namespace {

using nlohmann::json;

config::StreamOptions stream(const std::string& name, const std::string& region) {
  config::StreamOptions options;
  options.name = name;
  options.region = region;
  return options;
}

TEST(IamPolicy, NamesTheStreamsAndNothingElse) {
  config::Config config;
  config.streams = {stream("audit", "us-gov-west-1"), stream("apps", "eu-west-1")};
  config.streams.push_back(stream("shared", "us-east-1"));
  config.streams.back().arn = "arn:aws:kinesis:us-east-1:999:stream/shared";
  const json policy = json::parse(iam_policy(config, "111122223333"));
  EXPECT_EQ(policy["Version"], "2012-10-17");
  const json resources = {"arn:aws-us-gov:kinesis:us-gov-west-1:111122223333:stream/audit",
                          "arn:aws:kinesis:eu-west-1:111122223333:stream/apps",
                          "arn:aws:kinesis:us-east-1:999:stream/shared"};
  ASSERT_EQ(policy["Statement"].size(), 2u);
  EXPECT_EQ(policy["Statement"][0]["Action"], json({"kinesis:PutRecords"}));
  EXPECT_EQ(policy["Statement"][0]["Resource"], resources);
  EXPECT_EQ(policy["Statement"][1]["Action"],
            json({"kinesis:DescribeStreamSummary", "kinesis:ListShards"}));
  EXPECT_EQ(policy["Statement"][1]["Resource"], resources);
}

TEST(IamPolicy, FirehoseAndRolesHaveStatementsOfTheirOwn) {
  config::Config config;
  config.streams = {stream("cold", "us-east-1")};
  config.streams[0].kind = config::StreamKind::firehose;
  config.aws.assume_role.resize(1);
  config.aws.assume_role[0].role_arn = "arn:aws:iam::1:role/logs";
  const json policy = json::parse(iam_policy(config, ""));
  ASSERT_EQ(policy["Statement"].size(), 3u);
  EXPECT_EQ(policy["Statement"][1]["Action"], json({"firehose:DescribeDeliveryStream"}));
  EXPECT_EQ(policy["Statement"][0]["Action"], json({"firehose:PutRecordBatch"}));
  EXPECT_EQ(policy["Statement"][0]["Resource"],
            json({"arn:aws:firehose:us-east-1:1:deliverystream/cold"}));
  EXPECT_EQ(policy["Statement"][2]["Resource"], json({"arn:aws:iam::1:role/logs"}));
}

TEST(IamPolicy, EveryIdentityHasAPolicyOfItsOwn) {
  config::Config config;
  config.streams = {stream("audit", "us-east-1"), stream("apps", "eu-west-1"),
                    stream("more", "eu-west-1")};
  for (config::StreamOptions& each : config.streams) each.key = each.name;
  config.streams[0].aws.emplace();
  config.streams[0].aws->assume_role = {{"arn:aws:iam::444455556666:role/audit", "", ""}};
  const json policies = json::parse(iam_policy(config, "111122223333"));
  ASSERT_EQ(policies.size(), 2u);
  EXPECT_EQ(policies[0]["identity"], "default > arn:aws:iam::444455556666:role/audit");
  EXPECT_EQ(policies[0]["streams"], json({"audit"}));
  EXPECT_EQ(policies[0]["policy"]["Statement"][0]["Resource"],
            json({"arn:aws:kinesis:us-east-1:444455556666:stream/audit"}));
  EXPECT_EQ(policies[0]["policy"]["Statement"][2]["Action"], json({"sts:AssumeRole"}));
  EXPECT_EQ(policies[1]["identity"], "default");
  EXPECT_EQ(policies[1]["streams"], json({"apps", "more"}));
  EXPECT_EQ(policies[1]["policy"]["Statement"].size(), 2u);
}

TEST(IamPolicy, AReaderMayReadTheStreamsAndWriteNothing) {
  config::Config config;
  config.streams = {stream("audit", "us-east-1"), stream("cold", "us-east-1")};
  config.streams[1].kind = config::StreamKind::firehose;  // cannot be read back
  const json policy = json::parse(reader_policy(config, "111122223333"));
  ASSERT_EQ(policy["Statement"].size(), 1u);
  EXPECT_EQ(policy["Statement"][0]["Action"],
            json({"kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}));
  EXPECT_EQ(policy["Statement"][0]["Resource"],
            json({"arn:aws:kinesis:us-east-1:111122223333:stream/audit"}));
}

}  // namespace
}  // namespace penstock::cli
