// Opens logs as they were left, makes new ones, and sets aside a log of which nobody knows where
// its events belong.
//
// Thread: one, at start-up.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "spool/recovered_chunks.h"
#include "spool/spool_state.h"

namespace penstock::spool {

// A log and its overflow logs, which know each other. All null: there is none.
struct LogGroup {
  // Older than what the main log holds. Null in memory.
  std::array<std::unique_ptr<StreamQueue>, kOverflowLogs> overflow;
  std::unique_ptr<StreamQueue> main;
};
[[nodiscard]] LogGroup make_logs(SpoolState& state, const StreamOptions& options);

// Opens the log in this directory as it was left. Torn tails are cut, segments get their index,
// what is being read afterwards is on stable storage. All null: there was nothing in it, and it
// is gone now.
IoResult<LogGroup> recover_log(SpoolState& state, AlignedBuffer& staging,
                              const std::string& streams_path, const std::string& name,
                              RecoveredChunks& chunks);
// The log of dead letters, made if there is none.
IoResult<std::unique_ptr<StreamQueue>> recover_dead_letters(SpoolState& state,
                                                            AlignedBuffer& staging,
                                                            const std::string& directory,
                                                            RecoveredChunks& chunks);
// Makes the directory of a new log.
IoResult<LogGroup> create_log(SpoolState& state, AlignedBuffer& staging,
                             const std::string& streams_path, const std::string& name,
                             const StreamOptions& options);

// What a log takes besides its segments: two descriptions and the checkpoint.
inline constexpr uint64_t kLogFixedBytes = 2 * 4096 + CheckpointFile::kFileBytes;

}  // namespace penstock::spool
