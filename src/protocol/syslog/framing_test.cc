#include "protocol/syslog/framing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace penstock::protocol::syslog {
namespace {

using ::testing::ElementsAre;
using Outcome = FrameReader::Outcome;

struct Read {
  std::vector<std::string> messages;
  int too_large = 0;
  bool is_out_of_step = false;
  bool is_cut_off = false;
};

// Feeds the stream in pieces of `step` bytes.
Read read(std::string_view stream, size_t step, size_t message_max = 100) {
  FrameReader reader(message_max);
  Read result;
  std::string buffer;
  for (size_t at = 0; at < stream.size(); at += step) {
    buffer += stream.substr(at, step);
    for (;;) {
      size_t consumed = 0;
      ByteView message;
      const Outcome outcome = reader.next(as_bytes(buffer), consumed, message);
      if (outcome == Outcome::message) result.messages.emplace_back(as_text(message));
      if (outcome == Outcome::too_large) ++result.too_large;
      buffer.erase(0, consumed);
      if (outcome == Outcome::out_of_step) {
        result.is_out_of_step = true;
        return result;
      }
      if (outcome == Outcome::need_bytes) break;
    }
    EXPECT_LE(buffer.size(), message_max + FrameReader::kHeadMax);
  }
  const auto rest = reader.finish(as_bytes(buffer));
  if (!rest.message.empty()) result.messages.emplace_back(as_text(rest.message));
  result.is_cut_off = rest.is_cut_off;
  return result;
}

// However the stream is cut, the messages are the same.
std::vector<std::string> messages(std::string_view stream) {
  const Read whole = read(stream, stream.size() + 1);
  for (size_t step = 1; step <= std::min<size_t>(stream.size(), 40); ++step) {
    EXPECT_EQ(read(stream, step).messages, whole.messages) << "in pieces of " << step;
  }
  return whole.messages;
}

TEST(SyslogFraming, LinesEndWithLfCrLfOrNul) {
  EXPECT_THAT(messages("<13>a\n<13>b\r\n<13>c\0<13>d\n"), ElementsAre("<13>a", "<13>b", "<13>c"))
      << "a literal ends at its first zero";
  EXPECT_THAT(messages(std::string_view("<13>a\0<13>b\n", 12)), ElementsAre("<13>a", "<13>b"));
  EXPECT_THAT(messages("\n\r\n<13>a\n\n\n<13>b"), ElementsAre("<13>a", "<13>b"));
}

TEST(SyslogFraming, CountedMessagesMayHoldNewlines) {
  EXPECT_THAT(messages("9 <13>a\nb\nc6 <13>xy"), ElementsAre("<13>a\nb\nc", "<13>xy"));
  EXPECT_THAT(messages("6 <13>a\n\n6 <13>b\n"), ElementsAre("<13>a", "<13>b"))
      << "newlines inside the count, behind it, or both";
}

TEST(SyslogFraming, LinesAreToldOneByOneUntilTheFirstCount) {
  EXPECT_THAT(messages("<13>line\n5 <13>c5 <13>d\n"), ElementsAre("<13>line", "<13>c", "<13>d"));
}

TEST(SyslogFraming, DigitsWithoutAPriorityBehindThemAreALine) {
  EXPECT_THAT(messages("2024 was a year\n42\n7 x\n5 <b>\n12345678901 <13>z\n123"),
              ElementsAre("2024 was a year", "42", "7 x", "5 <b>", "12345678901 <13>z", "123"));
}

TEST(SyslogFraming, SpacesAndMarksAroundACountAndLeadingZerosAreNoHarm) {
  EXPECT_THAT(messages("\xef\xbb\xbf"
                       "5 <13>a"
                       "05 <13>b"
                       "  5 <13>c"),
              ElementsAre("<13>a", "<13>b", "<13>c"));
  EXPECT_THAT(messages("8 \xef\xbb\xbf<13>a6  <13>b"), ElementsAre("\xef\xbb\xbf<13>a", " <13>b"));
  EXPECT_THAT(messages("5 <13>a0 5 <13>b"), ElementsAre("<13>a", "<13>b")) << "0 is an empty one";
  EXPECT_THAT(messages("\xef\xbb\xbf<13>a\n<13>b\n"), ElementsAre("\xef\xbb\xbf<13>a", "<13>b"));
}

// One count that is wrong: what was whole before it is there, what follows is not guessed at.
TEST(SyslogFraming, AConnectionWithAWrongCountIsOutOfStep) {
  const std::string good = "6 <13>ok";
  const std::string message = "<13>some text";
  for (const std::string count : {"3", "9", "12", "14", "15", "17", "20", "0", "00", "-1", "1x", "",
                                  " ", "99999999999", "9999999999", "70000000"}) {
    std::string stream = good + count + " " + message;
    for (int i = 0; i < 10; ++i) stream += good;
    for (const size_t step : {size_t{1}, size_t{3}, stream.size()}) {
      const Read got = read(stream, step);
      EXPECT_TRUE(got.is_out_of_step) << count;
      ASSERT_GE(got.messages.size(), 1u) << count;
      EXPECT_EQ(got.messages.front(), "<13>ok");
      EXPECT_LE(got.messages.size(), 2u) << count;
    }
  }
}

TEST(SyslogFraming, ACountedConnectionIsNeverReadByLines) {
  for (const std::string rest :
       {"<13>line\n", "text\n", "17\n", "17 text\n", "\xef\xbb\xbf<13>x\n"}) {
    const Read got = read("5 <13>a" + rest + "5 <13>b", 1);
    EXPECT_THAT(got.messages, ElementsAre("<13>a")) << rest;
    EXPECT_TRUE(got.is_out_of_step) << rest;
  }
}

TEST(SyslogFraming, TooLargeOnesAreLeftOutAndTheRestGoesOn) {
  const std::string large(250, 'x');
  for (const size_t step : {1u, 7u, 1'000u}) {
    const Read lines = read("<13>a\n" + large + "\n<13>b\n", step);
    EXPECT_THAT(lines.messages, ElementsAre("<13>a", "<13>b"));
    EXPECT_EQ(lines.too_large, 1);
    const Read counted = read("254 <13>" + large + "5 <13>c", step);
    EXPECT_THAT(counted.messages, ElementsAre("<13>c"));
    EXPECT_EQ(counted.too_large, 1);
  }
  EXPECT_TRUE(read("9999999999 <13>x", 1).is_out_of_step) << "nobody's message";
  EXPECT_THAT(read(std::string(100, 'x') + "\n", 3).messages, ElementsAre(std::string(100, 'x')));
}

TEST(SyslogFraming, WhatIsLeftAtTheEndIsALineOrHalfAMessage) {
  EXPECT_THAT(read("<13>a\n<13>b", 4).messages, ElementsAre("<13>a", "<13>b"));
  const Read half = read("<13>a\n20 <13>b", 4);
  EXPECT_THAT(half.messages, ElementsAre("<13>a"));
  EXPECT_TRUE(half.is_cut_off);
  EXPECT_FALSE(read("", 1).is_cut_off);
  EXPECT_FALSE(read("5 <13>a\n", 1).is_cut_off);
  EXPECT_TRUE(read("5 <13>a12", 1).is_cut_off) << "half a count";
}

}  // namespace
}  // namespace penstock::protocol::syslog
