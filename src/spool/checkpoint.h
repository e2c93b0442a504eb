// The checkpoint of one log: which of its entries are final. Two slots in one file, written in
// turn, so that one of them is always whole. Losing it loses nothing: entries are sent again.
//
// Every entry before `read` is final but for those listed; every entry from `read` on is not.
//
// Thread: one, the commit thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/file_system.h"
#include "spool/position.h"

namespace penstock::spool {

// An entry that is read but not final; the first events_final of its events are.
struct PendingEntry {
  Position position;
  uint32_t events_final = 0;
};

struct Checkpoint {
  Position read;
  std::vector<PendingEntry> pending;  // in order, all before read
};

class CheckpointFile {
 public:
  static constexpr uint64_t kSlotBytes = 16384;
  static constexpr uint64_t kFileBytes = 2 * kSlotBytes;
  static constexpr size_t kPendingMax = (kSlotBytes - 48) / 16;

  // Opens or makes it; load() what it holds first. Without a whole slot: nullopt.
  static IoResult<CheckpointFile> open(FileSystem& file_system, const std::string& path);
  // Reads it without touching it.
  static IoResult<std::optional<Checkpoint>> load(File& file);
  [[nodiscard]] const std::optional<Checkpoint>& found() const { return found_; }

  // Writes and syncs. When more are pending than a slot holds, later ones are taken as not read:
  // they will be sent again, which is safe.
  IoResult<void> write(Checkpoint checkpoint);

 private:
  std::unique_ptr<File> file_;
  std::optional<Checkpoint> found_;
  uint64_t sequence_ = 0;
};

}  // namespace penstock::spool
