#include "kinesis/cbor.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace penstock::kinesis {
namespace {

using Bytes = std::vector<uint8_t>;

TEST(CborReader, ReadsWhatAnIndependentWriterWrites) {
  const nlohmann::json value = {{"text", "abc"},
                                {"numbers", {0, 23, 24, 255, 256, 65535, 65536, 4294967296}},
                                {"skipped", {-1, -300, 1.5, nullptr, true, {{"deep", {1, 2}}}}}};
  const Bytes bytes = nlohmann::json::to_cbor(value);
  CborReader reader(bytes);
  CborReader::Elements members;
  ASSERT_TRUE(reader.enter_map(members));
  std::vector<uint64_t> numbers;
  std::string text;
  while (members.more()) {
    std::string_view name;
    ASSERT_TRUE(reader.read_text(name));
    if (name == "numbers") {
      CborReader::Elements elements;
      ASSERT_TRUE(reader.enter_array(elements));
      while (elements.more()) {
        uint64_t number = 0;
        ASSERT_TRUE(reader.read_number(number));
        numbers.push_back(number);
      }
    } else if (name == "text") {
      std::string_view read;
      ASSERT_TRUE(reader.read_text(read));
      text = read;
    } else {
      ASSERT_TRUE(reader.skip());
    }
  }
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.at_end());
  EXPECT_EQ(text, "abc");
  EXPECT_EQ(numbers, (std::vector<uint64_t>{0, 23, 24, 255, 256, 65535, 65536, 4294967296}));
}

TEST(CborReader, IndefiniteLengthsChunkedStringsAndTagsAreUnderstood) {
  // {_ "a": (_ "b", "cd"), "t": 1(5)} with an unknown tag before the map
  const Bytes bytes = {0xd9, 0xd9, 0xf7, 0xbf, 0x61, 'a', 0x7f, 0x61, 'b',
                       0x62, 'c',  'd',  0xff, 0x61, 't', 0xc1, 0x05, 0xff};
  CborReader reader(bytes);
  CborReader::Elements members;
  ASSERT_TRUE(reader.enter_map(members));
  std::string_view text;
  ASSERT_TRUE(members.more());
  ASSERT_TRUE(reader.read_text(text));
  ASSERT_TRUE(reader.read_text(text));
  EXPECT_EQ(text, "bcd");
  ASSERT_TRUE(members.more());
  ASSERT_TRUE(reader.read_text(text));
  uint64_t number = 0;
  ASSERT_TRUE(reader.read_number(number));
  EXPECT_EQ(number, 5u);
  EXPECT_FALSE(members.more());
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.at_end());
}

TEST(CborReader, EveryKindIsSkippedWhole) {
  // floats of 16, 32 and 64 bits, negative numbers, null, simple values, chunked bytes
  const Bytes bytes = {0x8b, 0xf9, 0x3c, 0x00, 0xfa, 0,    0,    0,    0,    0xfb, 0,
                       0,    0,    0,    0,    0,    0,    0,    0x20, 0x3b, 1,    2,
                       3,    4,    5,    6,    7,    8,    0xf6, 0xf8, 0xff, 0x5f, 0x41,
                       0x01, 0xff, 0x9f, 0x01, 0xff, 0xbf, 0x01, 0x02, 0xff, 0xc0, 0x60};
  CborReader reader(bytes);
  EXPECT_TRUE(reader.skip());
  EXPECT_TRUE(reader.at_end());
}

TEST(CborReader, EveryTruncationIsRefused) {
  const nlohmann::json value = {{"a", {1, 2, {{"b", "text"}, {"c", -70000}}}}, {"d", 1.25}};
  const Bytes whole = nlohmann::json::to_cbor(value);
  for (size_t size = 0; size < whole.size(); ++size) {
    CborReader reader(ByteView(whole.data(), size));
    EXPECT_FALSE(reader.skip()) << size;
    EXPECT_FALSE(reader.ok());
  }
}

TEST(CborReader, LyingCountsAndLengthsEndAtOnce) {
  const Bytes array = {0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  EXPECT_FALSE(CborReader(array).skip());
  const Bytes text = {0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x'};
  EXPECT_FALSE(CborReader(text).skip());
  for (const int reserved : {0x1c, 0x1d, 0x1e, 0x1f, 0x3f, 0xdf, 0xff, 0xfc}) {
    const Bytes bytes = {static_cast<uint8_t>(reserved), 0, 0, 0, 0, 0, 0, 0, 0};
    EXPECT_FALSE(CborReader(bytes).skip()) << reserved;
  }
}

TEST(CborReader, DepthIsBounded) {
  Bytes deep(100'000, 0x81);
  deep.push_back(0x00);
  EXPECT_FALSE(CborReader(deep).skip());
  Bytes allowed(64, 0x81);
  allowed.push_back(0x00);
  EXPECT_TRUE(CborReader(allowed).skip());
}

}  // namespace
}  // namespace penstock::kinesis
