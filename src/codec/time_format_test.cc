#include "codec/time_format.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>

namespace penstock::codec {
namespace {

std::string written(std::string_view format, EventTime time) {
  const auto parsed = TimeFormat::parse(format);
  EXPECT_TRUE(parsed) << format << ": " << parsed.error();
  ByteBuffer out;
  if (parsed) parsed->append_json(out, time);
  return std::string(as_text(out.view()));
}

constexpr EventTime kTime{1718093700, 279757487};

TEST(TimeFormat, WritesTextAndNumbers) {
  EXPECT_EQ(written("rfc3339", kTime), R"("2024-06-11T08:15:00.279757487Z")");
  EXPECT_EQ(written("unix", kTime), "1718093700");
  EXPECT_EQ(written("unix_ms", kTime), "1718093700279");
  EXPECT_EQ(written("unix_ms", {-1, 500'000'000}), "-500");
  EXPECT_EQ(written("unix_ms", {0, 0}), "0");
  EXPECT_EQ(written("%Y-%m-%dT%H:%M:%S.%LZ", kTime), R"("2024-06-11T08:15:00.279Z")");
  EXPECT_EQ(written("%N %3N %6N %9N %s", kTime), R"("279757487 279 279757 279757487 1718093700")");
  EXPECT_EQ(written("%z %:z %Z \"%%", kTime), R"("+0000 +00:00 UTC \"%")");
}

// The C library's in the C locale, which knows the same directives but those of parts of a second.
TEST(TimeFormat, AgreesWithStrftime) {
  constexpr const char* kDirectives =
      "%Y %m %d %H %M %S %y %C %e %j %k %l %I %p %b %h %B %a %A %u %w %F %T %D %R %%";
  std::mt19937_64 random(7);
  std::uniform_int_distribution<int64_t> seconds(-30'000'000'000, 250'000'000'000);
  for (int i = 0; i < 2'000; ++i) {
    const EventTime time{seconds(random), 0};
    std::tm parts{};
    const std::time_t unix_time = time.seconds;
    gmtime_r(&unix_time, &parts);
    char text[512];
    strftime(text, sizeof text, kDirectives, &parts);
    ASSERT_EQ(written(kDirectives, time), '"' + std::string(text) + '"') << time.seconds;
  }
}

TEST(TimeFormat, IsNullWhereTheCalendarEnds) {
  for (const char* format : {"rfc3339", "unix", "unix_ms", "%Y"}) {
    EXPECT_EQ(written(format, {INT64_MAX, 0}), "null");
    EXPECT_EQ(written(format, {0, 1'000'000'000}), "null");
  }
}

TEST(TimeFormat, NamesWhatItDoesNotTake) {
  const auto error = [](const std::string& text) {
    const auto parsed = TimeFormat::parse(text);
    return parsed ? std::string("taken") : parsed.error();
  };
  EXPECT_EQ(error("iso8601"), "use rfc3339, unix, unix_ms or a text such as %Y-%m-%dT%H:%M:%S");
  EXPECT_EQ(error("%Y %Q"), "%Q is no directive: use those of strftime, or %% for a percent sign");
  EXPECT_EQ(error("100%"), "% is no directive: use those of strftime, or %% for a percent sign");
  EXPECT_EQ(error("%5N"), "%5 is no directive: use those of strftime, or %% for a percent sign");
  EXPECT_EQ(error(std::string(256, ' ') + "%Y"), "use at most 256 bytes");
}

}  // namespace
}  // namespace penstock::codec
