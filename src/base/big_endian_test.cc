#include "base/big_endian.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(BigEndian, LoadsWhatItStored) {
  uint8_t bytes[9] = {};
  store_be<uint32_t>(bytes + 1, 0x01020304);
  EXPECT_EQ(bytes[1], 1);
  EXPECT_EQ(bytes[4], 4);
  EXPECT_EQ(load_be<uint32_t>(bytes + 1), 0x01020304u);
  EXPECT_EQ(load_le<uint32_t>(bytes + 1), 0x04030201u);
}

}  // namespace
}  // namespace penstock
