#include "codec/msgpack_cursor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "codec/msgpack_writer.h"

namespace penstock::codec {
namespace {

using Bytes = std::vector<uint8_t>;
using nlohmann::json;

json random_value(std::mt19937_64& random, int depth) {
  const auto below = [&random](uint64_t n) { return random() % n; };
  switch (below(depth > 0 ? 10 : 8)) {
    case 0:
      return nullptr;
    case 1:
      return below(2) == 0;
    case 2:
      return random() >> below(64);
    case 3:
      return -static_cast<int64_t>((random() >> 1) >> below(63));
    case 4:
      return static_cast<double>(random()) / 7.0;
    case 5:
      return std::string(below(400), 'x');
    case 6:
      return std::string(below(30) == 0 ? 70'000 : below(40), 'y');
    case 7: {
      auto bytes = json::binary(Bytes(below(300), 7));
      if (below(2) == 0) bytes.get_binary().set_subtype(below(128));
      return bytes;
    }
    case 8: {
      json array = json::array();
      for (uint64_t i = below(below(20) == 0 ? 70 : 9); i > 0; --i) {
        array.push_back(random_value(random, depth - 1));
      }
      return array;
    }
    default: {
      json map = json::object();
      for (uint64_t i = below(below(20) == 0 ? 70 : 9); i > 0; --i) {
        map["key" + std::to_string(i)] = random_value(random, depth - 1);
      }
      return map;
    }
  }
}

// Rebuilds a tree through the cursor, so that it can be compared with what nlohmann made of it.
json read_value(MsgpackCursor& cursor) {
  MsgpackToken token;
  if (!cursor.next(token)) throw std::runtime_error("cursor failed");
  switch (token.type) {
    case MsgpackType::nil:
      return nullptr;
    case MsgpackType::boolean:
      return token.boolean;
    case MsgpackType::unsigned_integer:
      return token.unsigned_integer;
    case MsgpackType::negative_integer:
      return token.negative_integer;
    case MsgpackType::float32:
      return token.float32;
    case MsgpackType::float64:
      return token.float64;
    case MsgpackType::str:
      return std::string(as_text(token.bytes));
    case MsgpackType::bin:
      return json::binary(Bytes(token.bytes.begin(), token.bytes.end()));
    case MsgpackType::ext:
      return json::binary(Bytes(token.bytes.begin(), token.bytes.end()),
                          static_cast<uint8_t>(token.ext_type));
    case MsgpackType::array: {
      json array = json::array();
      for (uint32_t i = token.count; i > 0; --i) array.push_back(read_value(cursor));
      return array;
    }
    case MsgpackType::map: {
      json map = json::object();
      for (uint32_t i = token.count; i > 0; --i) {
        const std::string key = read_value(cursor);
        map[key] = read_value(cursor);
      }
      return map;
    }
  }
  throw std::runtime_error("no such type");
}

class RandomMsgpack : public ::testing::TestWithParam<uint64_t> {};

TEST_P(RandomMsgpack, IsReadAsAnIndependentWriterMeantIt) {
  std::mt19937_64 random(GetParam());
  for (int i = 0; i < 200; ++i) {
    const json value = random_value(random, 5);
    const Bytes bytes = json::to_msgpack(value);
    MsgpackCursor reader(bytes);
    EXPECT_EQ(read_value(reader), value);
    EXPECT_TRUE(reader.at_end());

    MsgpackCursor skipper(bytes);
    const auto skipped = skipper.skip();
    ASSERT_TRUE(skipped.has_value());
    EXPECT_EQ(skipped->size(), bytes.size());
  }
}

TEST_P(RandomMsgpack, CutAnywhereIsTruncated) {
  std::mt19937_64 random(GetParam());
  for (int i = 0; i < 50; ++i) {
    const Bytes bytes = json::to_msgpack(random_value(random, 3));
    const size_t step = bytes.size() > 2000 ? bytes.size() / 100 : 1;
    for (size_t cut = 0; cut < bytes.size(); cut += step) {
      // A copy of its own, so that a sanitizer sees a read behind it.
      const Bytes part(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut));
      MsgpackCursor cursor(part);
      const auto skipped = cursor.skip();
      ASSERT_FALSE(skipped.has_value());
      EXPECT_EQ(skipped.error(), MsgpackError::truncated);
    }
  }
}

TEST_P(RandomMsgpack, ArrivingInPiecesIsScannedToTheSameEnd) {
  std::mt19937_64 random(GetParam());
  for (int i = 0; i < 100; ++i) {
    const Bytes value = json::to_msgpack(random_value(random, 4));
    Bytes bytes = value;
    bytes.push_back(0xc1);  // must not be looked at
    MsgpackScanner scanner;
    size_t arrived = 0;
    auto state = MsgpackScanner::State::need_bytes;
    while (state == MsgpackScanner::State::need_bytes) {
      ASSERT_GT(scanner.needed(), arrived);
      ASSERT_LE(scanner.needed(), value.size());
      arrived += 1 + random() % 50;
      if (arrived > bytes.size()) arrived = bytes.size();
      state = scanner.scan(ByteView(bytes).first(arrived));
      if (state == MsgpackScanner::State::need_bytes && arrived < scanner.needed()) continue;
    }
    ASSERT_EQ(state, MsgpackScanner::State::done);
    EXPECT_EQ(scanner.position(), value.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomMsgpack, ::testing::Values(1, 2, 3));

TEST(MsgpackCursor, RefusesTheByteThatStartsNothing) {
  const Bytes bytes{0x91, 0xc1};
  MsgpackCursor cursor(bytes);
  EXPECT_EQ(cursor.skip().error(), MsgpackError::not_msgpack);
  MsgpackToken token;
  ASSERT_TRUE(cursor.next(token));
  EXPECT_FALSE(cursor.next(token));
  EXPECT_EQ(cursor.error(), MsgpackError::not_msgpack);
}

TEST(MsgpackCursor, RefusesAnArrayThatAnnouncesMoreThanThereIs) {
  const Bytes bytes{0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0};
  MsgpackCursor cursor(bytes);
  MsgpackToken token;
  EXPECT_FALSE(cursor.next(token));
  EXPECT_EQ(cursor.error(), MsgpackError::truncated);
  EXPECT_EQ(cursor.position(), 0u);
  EXPECT_EQ(cursor.skip().error(), MsgpackError::truncated);
}

TEST(MsgpackCursor, GoesDownToTheLimitAndNoFurther) {
  Bytes bytes(kNestingMax, 0x91);
  bytes.push_back(0xc0);
  EXPECT_TRUE(MsgpackCursor(bytes).skip().has_value());
  bytes.insert(bytes.begin(), 0x91);
  EXPECT_EQ(MsgpackCursor(bytes).skip().error(), MsgpackError::too_deep);
}

TEST(MsgpackCursor, IsNotDrownedByNestingWithoutEnd) {
  const Bytes bytes(10'000'000, 0x81);
  EXPECT_EQ(MsgpackCursor(bytes).skip().error(), MsgpackError::too_deep);
}

TEST(MsgpackScanner, SaysHowLongTheValueWillBeOnceItsHeadIsThere) {
  const Bytes bytes{0xc6, 0x00, 0x10, 0x00, 0x00};
  MsgpackScanner scanner;
  EXPECT_EQ(scanner.scan(ByteView(bytes).first(2)), MsgpackScanner::State::need_bytes);
  EXPECT_EQ(scanner.needed(), 5u);
  EXPECT_EQ(scanner.scan(bytes), MsgpackScanner::State::need_bytes);
  EXPECT_EQ(scanner.needed(), 5u + 0x100000);
}

TEST(MsgpackWriter, WritesEachIntegerInItsShortestForm) {
  for (const int64_t value :
       {int64_t{0}, int64_t{127}, int64_t{128}, int64_t{255}, int64_t{256}, int64_t{65535},
        int64_t{65536}, int64_t{4294967295}, int64_t{4294967296}, int64_t{-1}, int64_t{-32},
        int64_t{-33}, int64_t{-128}, int64_t{-129}, int64_t{-32768}, int64_t{-32769},
        int64_t{-2147483648}, int64_t{-2147483649}, std::numeric_limits<int64_t>::min()}) {
    ByteBuffer out;
    MsgpackWriter(out).integer(value);
    EXPECT_THAT(out.view(), ::testing::ElementsAreArray(json::to_msgpack(json(value)))) << value;
  }
}

TEST(MsgpackWriter, AgreesWithAnIndependentReader) {
  for (const size_t size : {0u, 1u, 16u, 31u, 32u, 255u, 256u, 65535u, 65536u}) {
    const std::string text(size, 'a');
    ByteBuffer out;
    MsgpackWriter writer(out);
    writer.array(4);
    writer.str(text);
    writer.bin(as_bytes(text));
    writer.ext(5, as_bytes(text));
    writer.map(static_cast<uint32_t>(size));
    for (size_t i = 0; i < size; ++i) {
      writer.str(std::to_string(i));
      writer.float64(0.5);
    }
    const json read = json::from_msgpack(out.data(), out.data() + out.size());
    EXPECT_EQ(read[0], text);
    EXPECT_EQ(read[1].get_binary().size(), size);
    EXPECT_EQ(read[2].get_binary().size(), size);
    EXPECT_EQ(read[2].get_binary().subtype(), 5u);
    EXPECT_EQ(read[3].size(), size);
  }
}

}  // namespace
}  // namespace penstock::codec
