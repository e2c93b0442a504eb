#include "kinesis/endpoint.h"

#include <gtest/gtest.h>

#include <map>

namespace penstock::kinesis {
namespace {

struct Row {
  const char* service;
  const char* region;
  bool fips;
  bool dual_stack;
  EndpointMode mode;
  Operation operation;
  const char* host;
};

// What botocore 1.43.11's endpoint rules resolve to.
const Row kRules[] = {
    {"kinesis", "us-east-1", false, false, EndpointMode::regional, Operation::data,
     "kinesis.us-east-1.amazonaws.com"},
    {"kinesis", "us-east-1", false, true, EndpointMode::regional, Operation::data,
     "kinesis.us-east-1.api.aws"},
    {"kinesis", "us-east-1", true, false, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-east-1.amazonaws.com"},
    {"kinesis", "us-east-1", true, true, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-east-1.api.aws"},
    {"kinesis", "us-gov-west-1", false, false, EndpointMode::regional, Operation::data,
     "kinesis.us-gov-west-1.amazonaws.com"},
    {"kinesis", "us-gov-west-1", false, true, EndpointMode::regional, Operation::data,
     "kinesis.us-gov-west-1.api.aws"},
    {"kinesis", "us-gov-west-1", true, false, EndpointMode::regional, Operation::data,
     "kinesis.us-gov-west-1.amazonaws.com"},
    {"kinesis", "us-gov-west-1", true, true, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-gov-west-1.api.aws"},
    {"kinesis", "cn-north-1", false, false, EndpointMode::regional, Operation::data,
     "kinesis.cn-north-1.amazonaws.com.cn"},
    {"kinesis", "cn-north-1", false, true, EndpointMode::regional, Operation::data,
     "kinesis.cn-north-1.api.amazonwebservices.com.cn"},
    {"kinesis", "cn-north-1", true, false, EndpointMode::regional, Operation::data,
     "kinesis-fips.cn-north-1.amazonaws.com.cn"},
    {"kinesis", "cn-north-1", true, true, EndpointMode::regional, Operation::data,
     "kinesis-fips.cn-north-1.api.amazonwebservices.com.cn"},
    {"kinesis", "eusc-de-east-1", false, false, EndpointMode::regional, Operation::data,
     "kinesis.eusc-de-east-1.amazonaws.eu"},
    {"kinesis", "eusc-de-east-1", false, true, EndpointMode::regional, Operation::data,
     "kinesis.eusc-de-east-1.api.amazonwebservices.eu"},
    {"kinesis", "eusc-de-east-1", true, false, EndpointMode::regional, Operation::data,
     "kinesis-fips.eusc-de-east-1.amazonaws.eu"},
    {"kinesis", "eusc-de-east-1", true, true, EndpointMode::regional, Operation::data,
     "kinesis-fips.eusc-de-east-1.api.amazonwebservices.eu"},
    {"kinesis", "us-iso-east-1", false, false, EndpointMode::regional, Operation::data,
     "kinesis.us-iso-east-1.c2s.ic.gov"},
    {"kinesis", "us-iso-east-1", false, true, EndpointMode::regional, Operation::data,
     "kinesis.us-iso-east-1.api.aws.ic.gov"},
    {"kinesis", "us-iso-east-1", true, false, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-iso-east-1.c2s.ic.gov"},
    {"kinesis", "us-iso-east-1", true, true, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-iso-east-1.api.aws.ic.gov"},
    {"kinesis", "us-isob-east-1", false, false, EndpointMode::regional, Operation::data,
     "kinesis.us-isob-east-1.sc2s.sgov.gov"},
    {"kinesis", "us-isob-east-1", false, true, EndpointMode::regional, Operation::data,
     "kinesis.us-isob-east-1.api.aws.scloud"},
    {"kinesis", "us-isob-east-1", true, false, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-isob-east-1.sc2s.sgov.gov"},
    {"kinesis", "us-isob-east-1", true, true, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-isob-east-1.api.aws.scloud"},
    {"kinesis", "us-isof-south-1", false, false, EndpointMode::regional, Operation::data,
     "kinesis.us-isof-south-1.csp.hci.ic.gov"},
    {"kinesis", "us-isof-south-1", false, true, EndpointMode::regional, Operation::data,
     "kinesis.us-isof-south-1.api.aws.hci.ic.gov"},
    {"kinesis", "us-isof-south-1", true, false, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-isof-south-1.csp.hci.ic.gov"},
    {"kinesis", "us-isof-south-1", true, true, EndpointMode::regional, Operation::data,
     "kinesis-fips.us-isof-south-1.api.aws.hci.ic.gov"},
    {"kinesis", "eu-isoe-west-1", false, false, EndpointMode::regional, Operation::data,
     "kinesis.eu-isoe-west-1.cloud.adc-e.uk"},
    {"kinesis", "eu-isoe-west-1", false, true, EndpointMode::regional, Operation::data,
     "kinesis.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
    {"kinesis", "eu-isoe-west-1", true, false, EndpointMode::regional, Operation::data,
     "kinesis-fips.eu-isoe-west-1.cloud.adc-e.uk"},
    {"kinesis", "eu-isoe-west-1", true, true, EndpointMode::regional, Operation::data,
     "kinesis-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
    {"kinesis", "us-east-1", false, false, EndpointMode::account, Operation::data,
     "111122223333.data-kinesis.us-east-1.amazonaws.com"},
    {"kinesis", "us-east-1", false, false, EndpointMode::account, Operation::control,
     "111122223333.control-kinesis.us-east-1.amazonaws.com"},
    {"kinesis", "us-east-1", false, true, EndpointMode::account, Operation::data,
     "111122223333.data-kinesis.us-east-1.api.aws"},
    {"kinesis", "us-east-1", false, true, EndpointMode::account, Operation::control,
     "111122223333.control-kinesis.us-east-1.api.aws"},
    {"kinesis", "us-east-1", true, false, EndpointMode::account, Operation::data,
     "111122223333.data-kinesis-fips.us-east-1.amazonaws.com"},
    {"kinesis", "us-east-1", true, false, EndpointMode::account, Operation::control,
     "111122223333.control-kinesis-fips.us-east-1.amazonaws.com"},
    {"kinesis", "us-east-1", true, true, EndpointMode::account, Operation::data,
     "111122223333.data-kinesis-fips.us-east-1.api.aws"},
    {"kinesis", "us-east-1", true, true, EndpointMode::account, Operation::control,
     "111122223333.control-kinesis-fips.us-east-1.api.aws"},
    {"kinesis", "us-gov-west-1", false, false, EndpointMode::account, Operation::data,
     "111122223333.data-kinesis.us-gov-west-1.amazonaws.com"},
    {"kinesis", "us-gov-west-1", false, false, EndpointMode::account, Operation::control,
     "111122223333.control-kinesis.us-gov-west-1.amazonaws.com"},
    {"kinesis", "us-gov-west-1", false, true, EndpointMode::account, Operation::data,
     "111122223333.data-kinesis.us-gov-west-1.api.aws"},
    {"kinesis", "us-gov-west-1", false, true, EndpointMode::account, Operation::control,
     "111122223333.control-kinesis.us-gov-west-1.api.aws"},
    {"kinesis", "us-gov-west-1", true, false, EndpointMode::account, Operation::data,
     "111122223333.data-kinesis-fips.us-gov-west-1.amazonaws.com"},
    {"kinesis", "us-gov-west-1", true, false, EndpointMode::account, Operation::control,
     "111122223333.control-kinesis-fips.us-gov-west-1.amazonaws.com"},
    {"kinesis", "us-gov-west-1", true, true, EndpointMode::account, Operation::data,
     "111122223333.data-kinesis-fips.us-gov-west-1.api.aws"},
    {"kinesis", "us-gov-west-1", true, true, EndpointMode::account, Operation::control,
     "111122223333.control-kinesis-fips.us-gov-west-1.api.aws"},
    {"firehose", "us-east-1", false, false, EndpointMode::regional, Operation::data,
     "firehose.us-east-1.amazonaws.com"},
    {"firehose", "us-east-1", false, true, EndpointMode::regional, Operation::data,
     "firehose.us-east-1.api.aws"},
    {"firehose", "us-east-1", true, false, EndpointMode::regional, Operation::data,
     "firehose-fips.us-east-1.amazonaws.com"},
    {"firehose", "us-east-1", true, true, EndpointMode::regional, Operation::data,
     "firehose-fips.us-east-1.api.aws"},
    {"firehose", "us-gov-west-1", false, false, EndpointMode::regional, Operation::data,
     "firehose.us-gov-west-1.amazonaws.com"},
    {"firehose", "us-gov-west-1", false, true, EndpointMode::regional, Operation::data,
     "firehose.us-gov-west-1.api.aws"},
    {"firehose", "us-gov-west-1", true, false, EndpointMode::regional, Operation::data,
     "firehose-fips.us-gov-west-1.amazonaws.com"},
    {"firehose", "us-gov-west-1", true, true, EndpointMode::regional, Operation::data,
     "firehose-fips.us-gov-west-1.api.aws"},
    {"firehose", "cn-north-1", false, false, EndpointMode::regional, Operation::data,
     "firehose.cn-north-1.amazonaws.com.cn"},
    {"firehose", "cn-north-1", false, true, EndpointMode::regional, Operation::data,
     "firehose.cn-north-1.api.amazonwebservices.com.cn"},
    {"firehose", "cn-north-1", true, false, EndpointMode::regional, Operation::data,
     "firehose-fips.cn-north-1.amazonaws.com.cn"},
    {"firehose", "cn-north-1", true, true, EndpointMode::regional, Operation::data,
     "firehose-fips.cn-north-1.api.amazonwebservices.com.cn"},
    {"sts", "us-east-1", false, false, EndpointMode::regional, Operation::data,
     "sts.us-east-1.amazonaws.com"},
    {"sts", "us-east-1", false, true, EndpointMode::regional, Operation::data,
     "sts.us-east-1.api.aws"},
    {"sts", "us-east-1", true, false, EndpointMode::regional, Operation::data,
     "sts-fips.us-east-1.amazonaws.com"},
    {"sts", "us-east-1", true, true, EndpointMode::regional, Operation::data,
     "sts-fips.us-east-1.api.aws"},
    {"sts", "us-gov-west-1", false, false, EndpointMode::regional, Operation::data,
     "sts.us-gov-west-1.amazonaws.com"},
    {"sts", "us-gov-west-1", false, true, EndpointMode::regional, Operation::data,
     "sts.us-gov-west-1.api.aws"},
    {"sts", "us-gov-west-1", true, false, EndpointMode::regional, Operation::data,
     "sts.us-gov-west-1.amazonaws.com"},
    {"sts", "us-gov-west-1", true, true, EndpointMode::regional, Operation::data,
     "sts-fips.us-gov-west-1.api.aws"},
    {"sts", "cn-north-1", false, false, EndpointMode::regional, Operation::data,
     "sts.cn-north-1.amazonaws.com.cn"},
    {"sts", "cn-north-1", false, true, EndpointMode::regional, Operation::data,
     "sts.cn-north-1.api.amazonwebservices.com.cn"},
    {"sts", "cn-north-1", true, false, EndpointMode::regional, Operation::data,
     "sts-fips.cn-north-1.amazonaws.com.cn"},
    {"sts", "cn-north-1", true, true, EndpointMode::regional, Operation::data,
     "sts-fips.cn-north-1.api.amazonwebservices.com.cn"},
};

TEST(Endpoint, HostsAreThoseOfTheSdkRules) {
  for (const Row& row : kRules) {
    EndpointOptions options;
    options.service = row.service;
    options.region = row.region;
    options.fips = row.fips;
    options.dual_stack = row.dual_stack;
    options.mode = row.mode;
    options.account_id = "111122223333";
    const auto endpoint = resolve_endpoint(options, row.operation);
    ASSERT_TRUE(endpoint) << row.host;
    EXPECT_EQ(endpoint->host, row.host);
    EXPECT_EQ(endpoint->url, std::string("https://") + row.host);
    EXPECT_EQ(endpoint->path, "/");
  }
}

Result<Endpoint, Error> overridden(std::string url) {
  EndpointOptions options;
  options.region = "eu-west-1";
  options.override_url = std::move(url);
  return resolve_endpoint(options);
}

TEST(Endpoint, OverrideKeepsPortAndPath) {
  const auto endpoint = overridden("http://127.0.0.1:4567");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->url, "http://127.0.0.1:4567");
  EXPECT_EQ(endpoint->host, "127.0.0.1:4567");
  EXPECT_EQ(endpoint->path, "/");
  EXPECT_EQ(endpoint->region, "eu-west-1");

  const auto with_path = overridden("https://gateway.example/kinesis/v1");
  ASSERT_TRUE(with_path);
  EXPECT_EQ(with_path->url, "https://gateway.example/kinesis/v1");
  EXPECT_EQ(with_path->path, "/kinesis/v1");

  const auto six = overridden("http://[::1]:4567/");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "[::1]:4567");
  EXPECT_EQ(six->url, "http://[::1]:4567");
}

TEST(Endpoint, HostHeaderDropsThePortThatTheSchemeImplies) {
  EXPECT_EQ(overridden("https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com:443")->host,
            "vpce-1.kinesis.eu-west-1.vpce.amazonaws.com");
  EXPECT_EQ(overridden("http://host:80")->host, "host");
  EXPECT_EQ(overridden("https://host:80")->host, "host:80");
}

TEST(Endpoint, BrokenOverridesAreRefusedWithoutRepeatingThem) {
  for (const char* url : {"127.0.0.1:4567", "ftp://host", "https://", "https://host:0",
                          "https://host:99999", "https://host:", "https://me:secret@host",
                          "https://host?x=1", "https://ho st", "http://[::1"}) {
    const auto endpoint = overridden(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().message.find("secret"), std::string::npos);
  }
}

TEST(Endpoint, RegionIsNeededEvenWithAnOverride) {
  EndpointOptions options;
  options.override_url = "http://127.0.0.1:4567";
  EXPECT_FALSE(resolve_endpoint(options));
  options.region = "us-east-1/../x";
  EXPECT_FALSE(resolve_endpoint(options));
}

TEST(Endpoint, AccountModeNeedsAnAccount) {
  EndpointOptions options;
  options.region = "us-east-1";
  options.mode = EndpointMode::account;
  EXPECT_FALSE(resolve_endpoint(options));
}

TEST(Endpoint, EnvironmentNamesTheServiceFirst) {
  std::map<std::string, std::string> values = {{"AWS_ENDPOINT_URL", "http://all"}};
  const Environment environment = [&](const char* name) { return values[name]; };
  EXPECT_EQ(endpoint_override(environment, "kinesis"), "http://all");
  values["AWS_ENDPOINT_URL_KINESIS"] = "http://one";
  EXPECT_EQ(endpoint_override(environment, "kinesis"), "http://one");
  EXPECT_EQ(endpoint_override(environment, "sts"), "http://all");
  values["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "TRUE";
  EXPECT_EQ(endpoint_override(environment, "kinesis"), "");
}

TEST(Endpoint, ArnIsTakenApart) {
  const auto arn = parse_arn("arn:aws-cn:kinesis:cn-north-1:111122223333:stream/logs");
  ASSERT_TRUE(arn);
  EXPECT_EQ(arn->partition, "aws-cn");
  EXPECT_EQ(arn->service, "kinesis");
  EXPECT_EQ(arn->region, "cn-north-1");
  EXPECT_EQ(arn->account_id, "111122223333");
  EXPECT_EQ(arn->name(), "logs");
  EXPECT_FALSE(parse_arn("arn:aws:kinesis:us-east-1"));
  EXPECT_FALSE(parse_arn("logs"));
}

}  // namespace
}  // namespace penstock::kinesis
