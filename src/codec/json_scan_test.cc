#include "codec/json_scan.h"

#include <gtest/gtest.h>

namespace penstock::codec {
namespace {

std::string_view first_value(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  const uint8_t* const behind = skip_json_value(bytes.data(), bytes.data() + bytes.size());
  return text.substr(0, static_cast<size_t>(behind - bytes.data()));
}

TEST(JsonScan, AValueEndsWhereItEnds) {
  EXPECT_EQ(first_value("12,3"), "12");
  EXPECT_EQ(first_value("true}"), "true");
  EXPECT_EQ(first_value("-1e400]"), "-1e400");
  EXPECT_EQ(first_value("\"a\",1"), "\"a\"");
  EXPECT_EQ(first_value("\"a\\\"},b\" ,1"), "\"a\\\"},b\"");
  EXPECT_EQ(first_value("{\"a\":[1,{\"}\":2}]}]"), "{\"a\":[1,{\"}\":2}]}");
  EXPECT_EQ(first_value("[ ]x"), "[ ]");
  EXPECT_EQ(first_value("\"a message that is longer than a block of sixteen bytes\\\\\"1"),
            "\"a message that is longer than a block of sixteen bytes\\\\\"");
}

TEST(JsonScan, BrokenTextIsNeverReadBeyondItsEnd) {
  for (const std::string_view text : {"\"a", "\"a\\", "{\"a\":", "[[[[", "{\"a\\\"", ""}) {
    const std::string copy(text);  // a heap block of its own: a sanitizer sees the byte behind
    EXPECT_EQ(first_value(copy), text);
  }
}

TEST(JsonScan, EscapesAreUndone) {
  std::string scratch;
  EXPECT_EQ(unescape_json("plain", scratch), "plain");
  EXPECT_EQ(unescape_json(R"(a\"b\\c\/d\n\t\r\b\f)", scratch), "a\"b\\c/d\n\t\r\b\f");
  EXPECT_EQ(unescape_json(R"(\u0041\u00e9\u20AC)", scratch), "A\u00e9\u20ac");
  EXPECT_EQ(unescape_json(R"(\ud83d\ude00!)", scratch), "\U0001f600!");
  EXPECT_EQ(unescape_json(R"(\ud83d!)", scratch), "\ufffd!");
  EXPECT_EQ(unescape_json(R"(\ude00\ud83d\u0041)", scratch), "\ufffd\ufffdA");
  EXPECT_EQ(unescape_json(R"(\u0000)", scratch), std::string_view("\0", 1));
}

}  // namespace
}  // namespace penstock::codec
