#include "cli/top/screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace penstock::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string status_of_two_streams() {
  return R"({
    "version": "0.2.0", "time": "2026-11-30T05:20:11Z",
    "banner": {"level": "bad", "text": "Not delivering to projects for 2 min 14 s."},
    "process": {"host": "pod-0", "uptime_seconds": 7200,
                "memory_bytes": 104857600, "memory_limit": 268435456},
    "streams": [
      {"name": "audit", "state": "delivering", "level": "good",
       "in_per_second": 10.5, "out_per_second": 1240.2,
       "oldest_pending_seconds": 0.4, "events_pending": 12,
       "spool_bytes": 1048576, "spool_bytes_max": 167772160, "full_in_seconds": null},
      {"name": "projects", "state": "retrying: unreachable", "level": "bad",
       "in_per_second": 4500, "out_per_second": 0,
       "oldest_pending_seconds": 134, "events_pending": 145700,
       "spool_bytes": 83886080, "spool_bytes_max": 167772160, "full_in_seconds": 22800}],
    "sources": [{"name": "forward", "type": "forward", "address": "0.0.0.0:24224",
                 "in_per_second": 4510, "connections": 3,
                 "auth_failures": {"bad_key": 3}, "messages_refused": {"truncated": 0}}],
    "spool": {"dead_letters": 2, "dead_letter_bytes": 2048},
    "dead_lettered": {"refused": 2}, "dropped": {},
    "problems": [{"level": "bad", "since": "2026-11-30T05:17:57Z",
                  "text": "Not delivering to projects.", "cure": "Check DNS.",
                  "command": "penstock check --online"}],
    "solved_problems": [{}]})";
}

std::vector<std::string> lines_of(const std::string& screen) {
  std::vector<std::string> lines;
  std::istringstream in(screen);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(TopScreen, ShowsBannerStreamsSourcesAndProblems) {
  const std::string screen =
      top_screen(status_of_two_streams(), {.columns = 140, .rows = 60, .colors = false});
  EXPECT_THAT(screen, HasSubstr("penstock 0.2.0 on pod-0, up 2 h, memory 100 MiB of 256 MiB"));
  EXPECT_THAT(screen, HasSubstr("✕ Not delivering to projects for 2 min 14 s"));
  EXPECT_THAT(screen, HasSubstr("retrying: unreachable"));
  EXPECT_THAT(screen, HasSubstr("2 min 14 s      145,700    80 MiB of 160 MiB   6 h 20 min"));
  EXPECT_THAT(screen, HasSubstr("bad_key 3"));
  EXPECT_THAT(screen, HasSubstr("dead letters: 2 stored (2.0 KiB); since the start: refused 2"));
  EXPECT_THAT(screen, HasSubstr("05:17:57 Not delivering to projects. Check DNS."));
  EXPECT_THAT(screen, HasSubstr("$ penstock check --online"));
  EXPECT_THAT(screen, HasSubstr("1 solved"));
  EXPECT_THAT(screen, Not(HasSubstr("\x1b")));
}

TEST(TopScreen, FitsTheTerminalWhateverItsSize) {
  for (const size_t columns : {20u, 80u, 200u}) {
    for (const size_t rows : {3u, 10u, 50u}) {
      const auto lines = lines_of(
          top_screen(status_of_two_streams(), {.columns = columns, .rows = rows, .colors = false}));
      EXPECT_LE(lines.size(), rows);
      for (const std::string& line : lines) {
        size_t characters = 0;
        for (const char c : line) characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
        EXPECT_LE(characters, columns) << line;
      }
    }
  }
}

TEST(TopScreen, ANarrowTerminalHasFewerColumnsAndCutsNone) {
  const auto screen = [](size_t columns) {
    return top_screen(status_of_two_streams(),
                      {.columns = columns, .rows = 60, .colors = false});
  };
  EXPECT_THAT(screen(112), HasSubstr("80 MiB of 160 MiB"));
  EXPECT_THAT(screen(112), Not(HasSubstr("FULL IN")));
  EXPECT_THAT(screen(110), Not(HasSubstr("SHARE")));
  EXPECT_THAT(screen(80), HasSubstr("2 min 14 s"));
  EXPECT_THAT(screen(80), Not(HasSubstr("WAITING")));
}

TEST(TopScreen, ScrollsToItsEndAndNoFurther) {
  TopView view{.columns = 140, .rows = 6, .colors = false, .scrolled = 1000};
  const auto lines = lines_of(top_screen(status_of_two_streams(), view));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[4], "1 solved");
}

TEST(TopScreen, OrdersStreamsAsAsked) {
  const auto first_stream = [](TopOrder order) {
    const std::string screen = top_screen(
        status_of_two_streams(), {.columns = 140, .rows = 60, .colors = false, .order = order});
    return screen.find("audit ") < screen.find("projects    ") ? "audit" : "projects";
  };
  EXPECT_STREQ(first_stream(TopOrder::name), "audit");
  EXPECT_STREQ(first_stream(TopOrder::behind), "projects");
  EXPECT_STREQ(first_stream(TopOrder::rate), "audit");
}

TEST(TopScreen, AnAnswerOfAnotherVersionIsShownAsFarAsItGoes) {
  EXPECT_THAT(top_screen(R"({"banner": 1, "streams": {}, "sources": [1]})", {.colors = false}),
              HasSubstr("STREAM"));
  EXPECT_TRUE(is_status(status_of_two_streams()));
  EXPECT_FALSE(is_status("<html>"));
  EXPECT_FALSE(is_status("[]"));
  EXPECT_THAT(top_screen_without("cannot connect to 127.0.0.1:9880 (connection refused)", {}),
              HasSubstr("cannot connect"));
}

}  // namespace
}  // namespace penstock::cli
