#include "codec/rfc3339.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>

namespace penstock::codec {
namespace {

std::string written(codec::EventTime time) {
  uint8_t text[kRfc3339Size];
  const uint8_t* end = write_rfc3339(text, time);
  return std::string(reinterpret_cast<const char*>(text), static_cast<size_t>(end - text));
}

TEST(Rfc3339, WritesNineDigitsInUtc) {
  EXPECT_EQ(written({0, 0}), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(written({1718093700, 279757487}), "2024-06-11T08:15:00.279757487Z");
  EXPECT_EQ(written({951782400, 1}), "2000-02-29T00:00:00.000000001Z");
  EXPECT_EQ(written({-1, 999999999}), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(written({253402300799, 999999999}), "9999-12-31T23:59:59.999999999Z");
  EXPECT_EQ(written({-62167219200, 0}), "0000-01-01T00:00:00.000000000Z");
}

TEST(Rfc3339, KnowsWhatItCannotSay) {
  EXPECT_FALSE(has_rfc3339({253402300800, 0}));
  EXPECT_FALSE(has_rfc3339({-62167219201, 0}));
  EXPECT_FALSE(has_rfc3339({0, 1000000000}));
}

TEST(Rfc3339, AgreesWithTheCLibraryAndReadsBackEveryDay) {
  std::mt19937_64 random(7);
  for (int64_t day = -719528; day < 2932896; day += 17) {
    const int64_t seconds = day * 86400 + static_cast<int64_t>(random() % 86400);
    const time_t c_time = seconds;
    std::tm fields{};
    ASSERT_NE(gmtime_r(&c_time, &fields), nullptr);
    char expected[64];
    std::snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.000000042Z",
                  fields.tm_year + 1900, fields.tm_mon + 1, fields.tm_mday, fields.tm_hour,
                  fields.tm_min, fields.tm_sec);
    ASSERT_EQ(written({seconds, 42}), expected);
    ASSERT_EQ(parse_rfc3339(expected), (codec::EventTime{seconds, 42}));
  }
}

TEST(Rfc3339, ReadsFractionsAndOffsets) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01Z"), (codec::EventTime{1, 0}));
  EXPECT_EQ(parse_rfc3339("1970-01-01t01:00:01.5+01:00"), (codec::EventTime{1, 500000000}));
  EXPECT_EQ(parse_rfc3339("1969-12-31 23:30:00.1234567899-00:30"),
            (codec::EventTime{0, 123456789}));
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "now", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z",
        "1970-02-29T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00Zx", "70-01-01T00:00:00Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace penstock::codec
