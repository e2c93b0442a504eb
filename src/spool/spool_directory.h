// SpoolDirectory: takes the directory (its lock, its version) and finds out what is in it.
//
//   DIR/lock         held while a process uses the directory; says which
//   DIR/format       "penstock spool 1": the version of all that lies beside it
//   DIR/repeats      see repeat_log.h
//   DIR/streams/     a directory a log, see log_directory.h
//   DIR/dead-letter/ one more log, see dead_letter.h
//
// Thread: one, at start-up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/file_system.h"
#include "spool/repeat_log.h"
#include "spool/spool_state.h"

namespace penstock::spool {

class SpoolDirectory {
 public:
  // Errors are written for the operator: in use (by whom), not writable, made by a later version.
  static Result<SpoolDirectory, Error> open(FileSystem& file_system, const std::string& path,
                                            uint64_t repeats_max);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string streams_path() const { return path_ + "/streams"; }
  [[nodiscard]] RepeatLog& repeat_log() { return *repeat_log_; }
  [[nodiscard]] RepeatLog take_repeat_log() { return std::move(*repeat_log_); }

 private:
  std::string path_;
  std::unique_ptr<File> lock_;
  std::optional<RepeatLog> repeat_log_;
};

// What is found of chunks while logs are recovered, newest first, and bounded.
class RecoveredChunks {
 public:
  RecoveredChunks(size_t count_max, int64_t window_begin_ns, bool until_released)
      : count_max_(count_max), window_begin_ns_(window_begin_ns), until_released_(until_released) {}

  void add(const IndexEntry& entry, bool final);
  void add(const RepeatRecord& record);
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

// Opens the log in this directory as it was left. Torn tails are cut, segments get their index,
// what is being read afterwards is on stable storage. nullptr: there was nothing in it, and it is
// gone now.
IoResult<std::unique_ptr<StreamQueue>> recover_log(SpoolState& state, AlignedBuffer& staging,
                                                   const std::string& streams_path,
                                                   const std::string& name,
                                                   RecoveredChunks& chunks);
// Makes the directory of a new log.
IoResult<std::unique_ptr<LogWriter>> create_log(SpoolState& state, AlignedBuffer& staging,
                                                const std::string& streams_path,
                                                const std::string& name,
                                                const StreamOptions& options);

// What a log takes besides its segments: description and checkpoint.
inline constexpr uint64_t kLogFixedBytes = 4096 + CheckpointFile::kFileBytes;

}  // namespace penstock::spool
