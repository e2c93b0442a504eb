#include "base/log.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(Log, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(format_log_line(LogFormat::logfmt, LogLevel::warn, "T", "two words",
                            {{"peer", "127.0.0.1:9"}, {"why", "a \"b\"\n"}, {"count", 3}}),
            "ts=T level=warn msg=\"two words\" peer=127.0.0.1:9 why=\"a \\\"b\\\"\\n\" count=3");
}

TEST(Log, JsonLinesEscapeControlCharacters) {
  EXPECT_EQ(
      format_log_line(LogFormat::json, LogLevel::info, "T", "m", {{"k", std::string("\x1b[0m")}}),
      R"({"ts":"T","level":"info","msg":"m","k":"\u001b[0m"})");
}

TEST(Log, UnknownLevelIsAUsageError) {
  const auto level = parse_log_level("loud");
  ASSERT_FALSE(level);
  EXPECT_EQ(level.error().kind, Error::Kind::usage);
}

}  // namespace
}  // namespace penstock
