#include "cli/spool_redirect.h"

#include <gtest/gtest.h>

namespace penstock::cli {
namespace {

TEST(SpoolRedirect, ATargetIsMeantByItsNameItsArnOrAsItIsListed) {
  const std::string arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/my-projcets";
  for (const char* meant : {"my-projcets", "kinesis:us-east-1:my-projcets"}) {
    EXPECT_TRUE(is_target("kinesis:us-east-1:my-projcets", meant)) << meant;
  }
  EXPECT_TRUE(is_target("kinesis:eu-west-1:" + arn, arn));
  EXPECT_TRUE(is_target("kinesis:eu-west-1:" + arn, "my-projcets"));
  EXPECT_TRUE(is_target("firehose:us-east-1:to-s3", "to-s3"));
}

TEST(SpoolRedirect, NothingElseIs) {
  for (const char* meant :
       {"", "us-east-1", "projcets", "my-projcets2", "kinesis", "MY-PROJCETS"}) {
    EXPECT_FALSE(is_target("kinesis:us-east-1:my-projcets", meant)) << meant;
  }
  EXPECT_FALSE(is_target("", ""));
  EXPECT_FALSE(is_target("my-projcets-of-another-format", "my-projcets"));
}

}  // namespace
}  // namespace penstock::cli
