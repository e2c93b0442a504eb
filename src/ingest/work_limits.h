// What work on one message may cost: what is done at once on the thread of a session, and how many
// events there may be. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"

namespace penstock::ingest {

// Inflating, walking and routing so many bytes takes a few milliseconds, even if their events are
// as small as can be. More is done beside the thread (net::run_aside).
[[nodiscard]] constexpr bool is_long_work(size_t bytes) { return bytes > 1_MiB; }

// An entry lies in one segment of the spool, whose offsets have 31 bits.
inline constexpr size_t kEntryBytesMax = 2_GiB - 1_MiB;

// Each event costs about as much as 8 bytes do, however empty it is: 64 KB of gzip can hold
// 21 million of three bytes each. (Entries made of JSON and OTLP are larger than that.)
[[nodiscard]] constexpr uint64_t events_max(uint64_t message_bytes_max) {
  constexpr uint64_t kEventCost = 8;
  constexpr uint64_t kAlways = 64 << 10;  // whatever the limit of a message
  return std::max(message_bytes_max / kEventCost, kAlways);
}

}  // namespace penstock::ingest
