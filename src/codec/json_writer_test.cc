#include "codec/json_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "codec/utf8.h"

namespace penstock::codec {
namespace {

using codec::utf8_step;
using codec::Utf8Step;

std::string written(std::string_view text) {
  ByteBuffer out;
  append_json_string(out, text);
  return std::string(as_text(out.view()));
}

std::string written(double value) {
  uint8_t text[64];
  const uint8_t* end = write_double(text, value);
  return std::string(reinterpret_cast<const char*>(text), static_cast<size_t>(end - text));
}

// One byte at a time, nothing clever: what the loops of 16 are held against.
std::string oracle(std::string_view text) {
  std::string out = "\"";
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  const auto* const end = at + text.size();
  while (at < end) {
    const uint8_t byte = *at;
    if (byte >= 0x80) {
      const Utf8Step step = utf8_step(at, end);
      out += step.valid ? std::string(reinterpret_cast<const char*>(at), step.size)
                        : std::string("\xef\xbf\xbd");
      at += step.size;
      continue;
    }
    ++at;
    const char* short_form = "\"\"\\\\\bb\ff\nn\rr\tt";
    const char* found = nullptr;
    for (const char* pair = short_form; *pair != 0; pair += 2) {
      if (static_cast<uint8_t>(*pair) == byte) found = pair + 1;
    }
    if (found != nullptr) {
      out += '\\';
      out += *found;
    } else if (byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += static_cast<char>(byte);
    }
  }
  return out + '"';
}

TEST(JsonString, EscapesExactlyWhatMustBe) {
  EXPECT_EQ(written("\"\\/\b\f\n\r\t"), R"("\"\\/\b\f\n\r\t")");
  EXPECT_EQ(written(std::string_view("\0\x01\x1b\x1f\x7f", 5)),
            "\"\\u0000\\u0001\\u001b\\u001f\x7f\"");
  EXPECT_EQ(written("grüße 日本 🎉"), "\"grüße 日本 🎉\"");
  EXPECT_EQ(written(""), "\"\"");
}

// Unicode 15, section 3.9, tables 3-8 to 3-11.
TEST(JsonString, PutsOneReplacementForEachMaximalInvalidPart) {
  const std::string r = "\xef\xbf\xbd";
  EXPECT_EQ(written("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            "\"" + r + r + r + r + r + r + r + r + "A\"");
  EXPECT_EQ(written("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            "\"" + r + r + r + r + r + r + r + r + "A\"");
  EXPECT_EQ(written("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            "\"" + r + r + r + r + r + "A" + r + r + "B\"");
  EXPECT_EQ(written("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\"" + r + r + r + r + "A\"");
  EXPECT_EQ(written("\xf0\x9f\x8e"), "\"" + r + "\"");
}

TEST(JsonString, AgreesWithThePlainLoopForEveryByteAtEveryPlace) {
  for (size_t size = 0; size <= 50; ++size) {
    for (size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(size, 'a');
        text[place] = static_cast<char>(byte);
        ASSERT_EQ(written(text), oracle(text)) << size << " " << place << " " << byte;
      }
    }
  }
}

TEST(JsonString, AgreesWithThePlainLoopOnRandomText) {
  std::mt19937 random(4711);
  const std::string_view pieces[] = {"plain words ",    "\"", "\\",   "\n",       "é",
                                     "日本語",          "🎉",  "\xff", "\xe2\x82", "\x01",
                                     "0123456789abcdef"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t i = random() % 12; i > 0; --i) text += pieces[random() % std::size(pieces)];
    ASSERT_EQ(written(text), oracle(text));
  }
}

TEST(JsonString, StopsAtTheLimitAndLeavesTheBufferAlone) {
  const std::string text = "0123456789abcdef\n\n\n\n";  // 28 bytes written: 16 + 4 * 2 + quotes
  for (size_t limit = 0; limit < 40; ++limit) {
    ByteBuffer out = ByteBuffer::copy_of(as_bytes("kept"));
    JsonSink sink(out, limit);
    const ByteView bytes = as_bytes(text);
    uint8_t* at =
        write_string(sink, sink.begin(), bytes.data(), bytes.size(), bytes.data() + bytes.size());
    const bool done = at != nullptr && sink.commit(at);
    EXPECT_EQ(done, limit >= 26) << limit;
    EXPECT_EQ(as_text(out.view()), done ? "kept" + oracle(text) : "kept");
  }
}

TEST(JsonNumber, WritesDoublesAsPeopleKnowThem) {
  EXPECT_EQ(written(1.0), "1.0");
  EXPECT_EQ(written(-0.0), "-0.0");
  EXPECT_EQ(written(0.1), "0.1");
  EXPECT_EQ(written(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(written(100000.0), "100000.0");
  EXPECT_EQ(written(9007199254740993.0), "9007199254740992.0");
  EXPECT_EQ(written(1e16), "1e+16");
  EXPECT_EQ(written(1.5e300), "1.5e+300");
  EXPECT_EQ(written(0.0001), "0.0001");
  EXPECT_EQ(written(0.00001), "1e-05");
  EXPECT_EQ(written(5e-324), "5e-324");
  EXPECT_EQ(written(-1.7976931348623157e308), "-1.7976931348623157e+308");
  EXPECT_EQ(written(static_cast<double>(0.1f)), "0.10000000149011612");
  EXPECT_EQ(written(std::nan("")), "null");
  EXPECT_EQ(written(-std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonNumber, DoublesReadBackTheSameAndFitTheRoom) {
  std::mt19937_64 random(99);
  for (int i = 0; i < 200000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const std::string text = written(value);
    ASSERT_LE(text.size(), 25u);
    ASSERT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    ASSERT_NE(text.find_first_of(".e"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace penstock::codec
