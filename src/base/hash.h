// The hashes we use that need not resist an adversary with a GPU, one name each:
// checksum64 for what lies on disk, hash128 to recognize a chunk that was sent twice. Both are
// XXH3, the same value on every machine.
#pragma once

#include <xxhash.h>
#if defined(__x86_64__)
// The library's plain entry points are built for every x86-64. These ask the processor once, and
// hash a chunk of 110 KB at 46 GB/s instead of 15 where it has AVX-512 (hash_test tells they
// agree).
#include <xxh_x86dispatch.h>
#endif

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
