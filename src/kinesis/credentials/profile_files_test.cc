#include "kinesis/credentials/profile_files.h"

#include <gtest/gtest.h>

namespace penstock::kinesis {
namespace {

TEST(ProfileFiles, CredentialsWinOverConfigAndKeysAreMerged) {
  const ProfileFiles files = ProfileFiles::parse(
      "[default]\nregion = eu-west-1\naws_access_key_id=old\n"
      "[profile  audit]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile = default\n"
      "[audit]\nignored=because it is not 'profile audit'\n",
      "[default]\naws_access_key_id = AKID\naws_secret_access_key = a/b=c+d==\n"
      "[audit]\naws_session_token=T\n");
  const Profile* profile = files.find("default");
  ASSERT_NE(profile, nullptr);
  EXPECT_EQ(setting(*profile, "region"), "eu-west-1");
  EXPECT_EQ(setting(*profile, "aws_access_key_id"), "AKID");
  EXPECT_EQ(setting(*profile, "aws_secret_access_key"), "a/b=c+d==");
  const Profile* audit = files.find("audit");
  ASSERT_NE(audit, nullptr);
  EXPECT_EQ(setting(*audit, "source_profile"), "default");
  EXPECT_EQ(setting(*audit, "aws_session_token"), "T");
  EXPECT_EQ(setting(*audit, "ignored"), "");
  EXPECT_EQ(files.find("nobody"), nullptr);
}

TEST(ProfileFiles, CommentsNestingAndOddLinesDoNoHarm) {
  const ProfileFiles files = ProfileFiles::parse(
      "# comment\r\n; another\r\n\r\nstray = 1\r\n[profile a b]\r\n"
      "S3 =\r\n  max_concurrent_requests = 20\r\nRegion = us-east-1 # where\r\n"
      "colour = #fff\r\nno equals\r\n[broken\r\n= x",
      "");
  const Profile* profile = files.find("a b");
  ASSERT_NE(profile, nullptr);
  EXPECT_EQ(setting(*profile, "region"), "us-east-1");
  EXPECT_EQ(setting(*profile, "max_concurrent_requests"), "");
  EXPECT_EQ(setting(*profile, "stray"), "");
}

}  // namespace
}  // namespace penstock::kinesis
