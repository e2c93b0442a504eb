#include "kinesis/names.h"

#include <gmock/gmock.h>

namespace penstock::kinesis {
namespace {

using ::testing::HasSubstr;

TEST(Names, RegionsAreLowerCaseHostLabels) {
  for (const char* region : {"us-east-1", "us-gov-west-1", "eu-isoe-west-1", "local", "x1"}) {
    EXPECT_EQ(region_complaint(region), "") << region;
  }
  EXPECT_THAT(region_complaint("US-EAST-1"), HasSubstr("write us-east-1"));
  EXPECT_THAT(region_complaint("\"us-east-1\""), HasSubstr("quotes"));
  EXPECT_THAT(region_complaint("us-east-1b"), HasSubstr("write us-east-1"));
  for (const char* region : {"", "us east 1", "us_east_1", "-a", "a-", "us-east-1\n", "eu.west"}) {
    EXPECT_NE(region_complaint(region), "") << region;
  }
}

TEST(Names, StreamsAreNamedAsAwsNamesThem) {
  for (const char* name : {"a", "my-stream_1.x", ".hidden", "A"}) {
    EXPECT_EQ(stream_name_complaint(name, StreamService::kinesis), "") << name;
  }
  for (const char* name : {"", "a b", "a/b", "ä", "a:b", "a\n", "'a'"}) {
    EXPECT_NE(stream_name_complaint(name, StreamService::kinesis), "") << name;
  }
  EXPECT_EQ(stream_name_complaint(std::string(128, 'a'), StreamService::kinesis), "");
  EXPECT_NE(stream_name_complaint(std::string(129, 'a'), StreamService::kinesis), "");
  EXPECT_NE(stream_name_complaint(std::string(65, 'a'), StreamService::firehose), "");
}

TEST(Names, ArnsOfStreamsAreTakenApart) {
  const auto arn = parse_stream_arn("arn:aws-cn:kinesis:cn-north-1:111122223333:stream/logs");
  ASSERT_TRUE(arn) << arn.error();
  EXPECT_EQ(arn->region, "cn-north-1");
  EXPECT_EQ(arn->account_id, "111122223333");
  EXPECT_EQ(arn->name, "logs");
  EXPECT_EQ(parse_stream_arn("arn:aws:firehose:us-east-1:111122223333:deliverystream/f")->service,
            StreamService::firehose);
  for (const char* text :
       {"", "logs", "arn:aws:s3:::bucket", "arn:aws:kinesis:us-east-1:111122223333:logs",
        "arn:aws:kinesis:us-east-1:111122223333:stream/", "arn:aws:kinesis:us-east-1:1:stream/a",
        "arn:aws:kinesis::111122223333:stream/a", "arn:x:kinesis:us-east-1:111122223333:stream/a",
        "arn:aws:kinesis:US-EAST-1:111122223333:stream/a",
        "arn:aws:kinesis:us-east-1:111122223333:stream/a/consumer/c:1",
        "arn:aws:firehose:us-east-1:111122223333:stream/a",
        "arn:aws:kinesis:us-east-1:111122223333:stream/a b"}) {
    EXPECT_FALSE(parse_stream_arn(text)) << text;
  }
}

TEST(Names, ArnsOfRolesHaveNoRegionAndAnAccount) {
  EXPECT_EQ(role_arn_complaint("arn:aws:iam::111122223333:role/path/name+=,.@-_"), "");
  EXPECT_EQ(role_arn_complaint("arn:aws-us-gov:iam::111122223333:role/r"), "");
  for (const char* text :
       {"", "me", "arn:aws:iam::111122223333:user/x", "arn:aws:iam::1:role/r",
        "arn:aws:iam::111122223333:role/", "arn:aws:iam:us-east-1:1:role/r",
        "arn:aws:iam::111122223333:role/a b", "arn:aws:sts::111122223333:assumed-role/r/s"}) {
    EXPECT_NE(role_arn_complaint(text), "") << text;
  }
}

}  // namespace
}  // namespace penstock::kinesis
