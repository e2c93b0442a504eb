// The hashes we use that need not resist an adversary with a GPU, one name each:
// checksum64 for what lies on disk, hash128 to recognise a chunk that was sent twice.
#pragma once

#include <xxhash.h>

#include <compare>
#include <cstdint>

#include "base/bytes.h"

namespace penstock {

[[nodiscard]] inline uint64_t checksum64(ByteView bytes, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  auto operator<=>(const Hash128&) const = default;
};

[[nodiscard]] inline Hash128 hash128(ByteView bytes, uint64_t seed = 0) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.low64, hash.high64};
}

}  // namespace penstock
