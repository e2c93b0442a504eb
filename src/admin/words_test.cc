#include "admin/words.h"

#include <gtest/gtest.h>

namespace penstock::admin {
namespace {

TEST(Words, FiguresReadAsPeopleWriteThem) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(145'700), "145,700");
  EXPECT_EQ(count_text(1'000'000), "1,000,000");
  EXPECT_EQ(counted(1, "event"), "1 event");
  EXPECT_EQ(counted(2'000, "event"), "2,000 events");
  EXPECT_EQ(rate_text(0), "0");
  EXPECT_EQ(rate_text(0.42), "0.4");
  EXPECT_EQ(rate_text(1239.6), "1,240");
  EXPECT_EQ(size_text(512), "512 bytes");
  EXPECT_EQ(size_text(160ull << 20), "160 MiB");
  EXPECT_EQ(size_text((3ull << 30) / 2), "1.5 GiB");
}

TEST(Words, TimesAreUtc) {
  const WallTime time(std::chrono::milliseconds(1'732'343'680'017));
  EXPECT_EQ(rfc3339(time), "2024-11-23T06:34:40Z");
  EXPECT_EQ(rfc3339_milliseconds(time), "2024-11-23T06:34:40.017Z");
}

TEST(Words, DurationsHaveTwoUnits) {
  EXPECT_EQ(duration_text(-1), "0 s");
  EXPECT_EQ(duration_text(0.42), "0.4 s");
  EXPECT_EQ(duration_text(49.2), "49 s");
  EXPECT_EQ(duration_text(134), "2 min 14 s");
  EXPECT_EQ(duration_text(120), "2 min");
  EXPECT_EQ(duration_text(22'800), "6 h 20 min");
  EXPECT_EQ(duration_text(86'400), "1 day");
  EXPECT_EQ(duration_text(3 * 86'400 + 7'200), "3 days 2 h");
}

}  // namespace
}  // namespace penstock::admin
