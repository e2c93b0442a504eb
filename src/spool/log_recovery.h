// Opens logs as they were left, makes new ones, and sets aside a log of which nobody knows where
// its events belong.
//
// Thread: one, at start-up.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "spool/spool_directory.h"
#include "spool/spool_state.h"

namespace penstock::spool {

struct RecoveredSpool {
  std::optional<SpoolDirectory> directory;  // none: in memory
  std::unique_ptr<File> letters_lock;       // where they do not lie in the spool's directory
};
// Takes the directories, and opens every log as it was left. What it finds is entered as received.
Result<RecoveredSpool, Error> recover_spool(SpoolState& state, AlignedBuffer& staging);

// Makes a log; on disk its directory, too. streams_path: on disk.
IoResult<LogGroup> create_log(SpoolState& state, AlignedBuffer& staging,
                              const std::string& streams_path, const StreamOptions& options,
                              uint64_t generation);

}  // namespace penstock::spool
