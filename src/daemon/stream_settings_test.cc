#include <gtest/gtest.h>

#include "daemon/translate.h"

namespace penstock::daemon {
namespace {

TEST(StreamSettings, EveryOptionComesBackAsItWas) {
  config::StreamOptions stream;
  stream.key = "audit";
  stream.name = "my-stream-audit";
  stream.region = "eu-central-1";
  stream.endpoint = "http://127.0.0.1:4567";
  stream.aggregation = config::Aggregation::kpl;
  stream.compression = config::Compression::zstd;
  stream.partition_key = {config::PartitionKeyKind::field, {"kubernetes", "labels", "app.io/name"}};
  stream.order = config::Order::per_key;
  stream.oversized = config::Oversized::truncate;
  stream.max_record = 2u << 20;
  stream.flush = {milliseconds(250), 3u << 20};
  stream.inject.time = "@time";
  stream.inject.tag = "the 'tag'";
  stream.inject.time_format = "%d/%b/%Y: %H '%M'";
  stream.inject.fields = {{"cluster: a", "${x}, it's"}, {"b", "true"}};
  stream.data_key = {"log", "the.text"};
  stream.newline = true;
  stream.protocol = config::WireProtocol::json;
  stream.aws.emplace();
  stream.aws->profile = "two words";
  stream.aws->assume_role = {{"arn:aws:iam::111122223333:role/hub", "${x}, y", ""},
                             {"arn:aws:iam::444455556666:role/logs", "", "me"}};

  const auto read = read_settings_text(settings_text(stream));

  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, stream);
}

TEST(StreamSettings, NoRoleAtAllIsNotTheRolesOfAws) {
  config::StreamOptions stream;
  stream.key = "a";
  stream.name = "s";
  stream.region = "us-east-1";
  stream.oversized = config::Oversized::split;  // as the loader fills it in
  stream.aws.emplace();
  stream.aws->assume_role.emplace();
  const auto read = read_settings_text(settings_text(stream));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, stream);
}

// What is stored must be delivered although a later version takes no such name any more.
TEST(StreamSettings, SettingsThatTodaysRulesRejectStillCount) {
  const auto read = read_settings_text(
      "streams:\n  'a':\n    name: 'old name'\n    region: 'us-east-1'\n    max_record: 1\n");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->name, "old name");
}

TEST(StreamSettings, WhatIsNotOursIsAnErrorAndNotACrash) {
  EXPECT_FALSE(read_settings_text("streams: [1, 2"));
  EXPECT_FALSE(read_settings_text(""));
}

}  // namespace
}  // namespace penstock::daemon
