// LogRecovery: finds a log as it was left: cuts torn tails, gives segments their index, sees that
// what is believed afterwards is on stable storage, and counts what is still to be delivered.
//
// Thread: one, at start-up.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "spool/repeat_log.h"
#include "spool/spool_state.h"

namespace penstock::spool {

// What is found of chunks while logs are recovered, newest first, and bounded.
class RecoveredChunks {
 public:
  RecoveredChunks(size_t count_max, int64_t window_begin_ns, bool until_released)
      : count_max_(count_max), window_begin_ns_(window_begin_ns), until_released_(until_released) {}

  void add(const IndexEntry& entry, bool final);
  void add(const RepeatRecord& record);
  // An entry that add() was told is not final is after all.
  void take_back(const IndexEntry& entry);
  // Into the table: what is safe is remembered, what is not is held.
  void settle(ChunkTable& chunks);

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

// A log and its overflow log, which know each other. Both null: there is none.
struct LogPair {
  std::unique_ptr<StreamQueue> overflow;  // older than what the main log holds
  std::unique_ptr<StreamQueue> main;
};
// In memory: without an overflow log.
[[nodiscard]] LogPair make_pair_of_logs(SpoolState& state, const StreamOptions& options);

// Opens the log in this directory as it was left. Torn tails are cut, segments get their index,
// what is being read afterwards is on stable storage. A pair of nulls: there was nothing in it, and
// it is gone now.
IoResult<LogPair> recover_log(SpoolState& state, AlignedBuffer& staging,
                              const std::string& streams_path, const std::string& name,
                              RecoveredChunks& chunks);
// The log of dead letters, made if there is none.
IoResult<std::unique_ptr<StreamQueue>> recover_dead_letters(SpoolState& state,
                                                            AlignedBuffer& staging,
                                                            const std::string& directory,
                                                            RecoveredChunks& chunks);
// Makes the directory of a new log.
IoResult<LogPair> create_log(SpoolState& state, AlignedBuffer& staging,
                             const std::string& streams_path, const std::string& name,
                             const StreamOptions& options);

// What a log takes besides its segments: two descriptions and the checkpoint.
inline constexpr uint64_t kLogFixedBytes = 2 * 4096 + CheckpointFile::kFileBytes;

}  // namespace penstock::spool
