// The hash-key buckets by which events overflow (overflow.h).
#pragma once

#include <cstddef>

#include "kinesis/shard_map.h"
#include "spool/overflow_origin.h"

namespace penstock::delivery {

// Bucket of a hash key: its upper ten bits.
[[nodiscard]] inline size_t bucket_of(kinesis::HashKey key) {
  return static_cast<size_t>(key >> 118);
}
[[nodiscard]] inline spool::BucketSet buckets_of(const kinesis::Shard& shard) {
  spool::BucketSet buckets;
  for (size_t bucket = bucket_of(shard.first); bucket <= bucket_of(shard.last); ++bucket) {
    buckets.set(bucket);
  }
  return buckets;
}

}  // namespace penstock::delivery
