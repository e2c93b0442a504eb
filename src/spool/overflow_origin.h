// OverflowOrigin: where the events of an entry of an overflow log came from. A stored overflow
// entry carries it behind its texts (segment_format.h), so that recovery knows which events of the
// main log are in the overflow log already.
//
// Thread: none of its own.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "spool/position.h"

namespace penstock::spool {

// Overflow logs beside each main log.
inline constexpr size_t kOverflowLogs = 4;

// Hash-key buckets of a stream, opaque to the spool: which of them an overflow entry has events of.
using BucketSet = std::bitset<1024>;

struct OverflowOrigin {
  Position position;             // the entry of the main log
  std::vector<uint32_t> events;  // index in that entry of each event, ascending
  BucketSet buckets;
};

// What encode() appends; a multiple of 8.
[[nodiscard]] size_t encoded_size(const OverflowOrigin& origin);
void encode(const OverflowOrigin& origin, std::string& to);
// nullopt: not what encode() makes for an entry of event_count events.
[[nodiscard]] std::optional<OverflowOrigin> decode_origin(ByteView bytes, uint32_t event_count);

// Every size that encode() may need for this number of events is at most this.
[[nodiscard]] uint64_t encoded_origin_max(uint64_t event_count);

// 1,024 buckets as they lie on disk.
struct StoredBuckets {
  uint64_t words[16] = {};
};
[[nodiscard]] StoredBuckets stored(const BucketSet& buckets);
[[nodiscard]] BucketSet loaded(const StoredBuckets& buckets);

}  // namespace penstock::spool
