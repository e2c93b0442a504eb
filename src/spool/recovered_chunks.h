// RecoveredChunks: what is found of chunks while logs are recovered, newest first, and bounded.
//
// Thread: one, at start-up.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "spool/chunk_table.h"
#include "spool/repeat_log.h"
#include "spool/segment_format.h"

namespace penstock::spool {

class RecoveredChunks {
 public:
  RecoveredChunks(size_t count_max, int64_t window_begin_ns, bool until_released)
      : count_max_(count_max), window_begin_ns_(window_begin_ns), until_released_(until_released) {}

  void add(const IndexEntry& entry, bool final);
  void add(const RepeatRecord& record);
  // An entry that add() was told is not final is after all.
  void take_back(const IndexEntry& entry);
  // Into the table: what is safe is remembered, what is not is held.
  void settle(ChunkTable& chunks, int64_t now_ns);

 private:
  struct Found {
    int64_t received_ns = 0;
    std::vector<uint64_t> parts;
    uint16_t part_count = 1;
    bool complete = false;
    uint32_t unreleased = 0;
  };
  struct KeyHash {
    size_t operator()(const Hash128& key) const { return key.low ^ key.high; }
  };
  Found* find(const Hash128& key, int64_t received_ns);

  const size_t count_max_;
  const int64_t window_begin_ns_;
  const bool until_released_;
  std::unordered_map<Hash128, Found, KeyHash> found_;
};

}  // namespace penstock::spool
