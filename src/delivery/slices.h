// Slices: the space of hash keys in equal parts. What is behind is told by slice: shards come and
// go, a key stays in its slice.
#pragma once

#include <bitset>
#include <cstddef>

#include "kinesis_format/u128.h"

namespace penstock::delivery {

// Of a thousand shards each still has one of its own. Where a shard ends within a slice, the keys
// of the slice's other part wait with it.
inline constexpr size_t kSliceCount = 1024;
using Slices = std::bitset<kSliceCount>;

[[nodiscard]] inline size_t slice_of(kinesis_format::Uint128 hash_key) {
  return static_cast<size_t>(hash_key >> 118);
}

}  // namespace penstock::delivery
