// The checkpoint of one log: which of its entries are final. If it is lost, no event is lost:
// entries are sent again.
//
// The file has two slots. A checkpoint is written into the slot that does not have the last synced
// one, and after a failure into the same slot again: what a failed sync left in it is not known to
// be on disk, whatever a read returns. So one slot is always whole.
//
// Every entry before `read` is final except those listed; every entry from `read` on is not. How
// much that is of what was stored is said, too; an older build passes over that, and writes none.
//
// Thread: one, the commit thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/file_system.h"
#include "spool/log_totals.h"
#include "spool/position.h"

namespace penstock::spool {

struct Checkpoint {
  Position read;
  std::vector<Position> pending;  // entries that are read but not final, in order, all before read
  std::optional<LogTotals> totals = {};
  uint64_t sequence = 0;  // of what was loaded: another one was written since if it is another
};

class CheckpointFile {
 public:
  static constexpr uint64_t kSlotBytes = 16384;
  static constexpr uint64_t kFileBytes = 2 * kSlotBytes;
  static constexpr size_t kTotalsBytes = 64;
  static constexpr size_t kPendingMax = (kSlotBytes - 48 - kTotalsBytes) / 16;

  // Opens or makes it.
  static IoResult<CheckpointFile> open(FileSystem& file_system, const std::string& path);
  // Reads it without touching it. Without the file, or a whole slot in it: nullopt.
  static IoResult<std::optional<Checkpoint>> load(FileSystem& file_system, const std::string& path);

  // Writes and syncs. If more entries are pending than a slot holds, later ones count as not read:
  // they are sent again.
  IoResult<void> write(Checkpoint checkpoint);

 private:
  std::unique_ptr<File> file_;
  uint64_t sequence_ = 0;  // of the last one that is synced
};

}  // namespace penstock::spool
