#include "base/hash.h"

#include <gtest/gtest.h>

#include <vector>

// hash.h takes the processor's own variants: compared with those built for every machine.
#undef XXH3_64bits_withSeed
#undef XXH3_128bits_withSeed

namespace penstock {
namespace {

std::vector<uint8_t> some_bytes(size_t count) {
  std::vector<uint8_t> bytes(count);
  uint32_t state = 1;
  for (uint8_t& byte : bytes)
    byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

TEST(Hash, every_size_hashes_as_on_every_other_machine) {
  const std::vector<uint8_t> bytes = some_bytes(5000);
  for (size_t size = 0; size < bytes.size(); size += size < 600 ? 1 : 37) {
    const ByteView view(bytes.data(), size);
    EXPECT_EQ(checksum64(view, size), XXH3_64bits_withSeed(view.data(), view.size(), size)) << size;
    const XXH128_hash_t expected = XXH3_128bits_withSeed(view.data(), view.size(), size);
    EXPECT_EQ(hash128(view, size), (Hash128{expected.low64, expected.high64})) << size;
  }
}

// These values lie on disks: no version of the library may change them.
TEST(Hash, the_values_on_disk_stay) {
  EXPECT_EQ(checksum64({}), 0x2d06800538d394c2u);
  EXPECT_EQ(hash128({}), (Hash128{0x6001c324468d497fu, 0x99aa06d3014798d8u}));
}

}  // namespace
}  // namespace penstock
