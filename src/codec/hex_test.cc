#include "codec/hex.h"

#include <gtest/gtest.h>

namespace penstock::codec {
namespace {

TEST(Hex, BytesAreTwoDigitsEach) {
  constexpr uint8_t kBytes[] = {0x00, 0x0f, 0xa5, 0xff};
  EXPECT_EQ(hex(kBytes), "000fa5ff");
  EXPECT_EQ(hex({}), "");
}

TEST(Hex, NumbersAreSixteenDigitsWhereverTheyGo) {
  std::string text = "x";
  append_hex(text, uint64_t{0x1234});
  EXPECT_EQ(text, "x0000000000001234");
  ByteBuffer bytes;
  append_hex(bytes, ~uint64_t{0});
  EXPECT_EQ(as_text(bytes.view()), "ffffffffffffffff");
}

}  // namespace
}  // namespace penstock::codec
