// DiskReservation: what one log takes of its stream's share: the files it has, and the files that
// its queued entries will need. A log in memory has no files: it reserves payload bytes.
//
// A log on disk grows by whole segments. Queued entries are laid out here as the commit thread will
// do it at worst: every entry in a run of its own.
//
// Invariants, checked here:
//   no more is given back than is held
//   the spare segment file is part of what is held
//
// Thread: SpoolState's lock guards it.
#pragma once

#include <cstdint>
#include <deque>

#include "spool/queued_entry.h"

namespace penstock::spool {

class DiskReservation {
 public:
  // Files, or payload in memory.
  [[nodiscard]] uint64_t held() const { return held_; }
  // The same, and what queued entries will need.
  [[nodiscard]] uint64_t planned() const { return held_ + planned_files_; }
  // The same with one more entry of this size.
  [[nodiscard]] uint64_t planned_with(uint64_t entry_bytes) const;

  void hold(uint64_t bytes) { held_ += bytes; }
  // Requires that as much is held.
  void give_back(uint64_t bytes);
  // The log is removed.
  void clear();

  // ---- a log on disk

  // A segment file was begun; from_spare: it is what was the spare file.
  void add_segment(uint64_t file_bytes, bool from_spare);
  // A spare file was found at start-up.
  void add_spare(uint64_t file_bytes);
  // The spare file is so large now, 0: there is none. What became of the bytes of the former one is
  // said by give_back() and add_segment().
  void set_spare(uint64_t file_bytes);
  [[nodiscard]] uint64_t spare() const { return spare_; }
  // The size of segments that are begun from now on.
  void set_segment_bytes(uint64_t bytes) { segment_bytes_ = bytes; }
  [[nodiscard]] uint64_t segment_bytes() const { return segment_bytes_; }

  // An entry of this size was queued.
  void plan(uint64_t entry_bytes);
  // Entries were written, or segment sizes have changed: plans for what is queued now. room: what
  // is left in the segment being filled.
  void plan_again(uint64_t room, const std::deque<QueuedEntry>& queued);

 private:
  [[nodiscard]] uint64_t new_segment(uint64_t entry_bytes) const;

  uint64_t held_ = 0;
  uint64_t spare_ = 0;  // part of held_
  uint64_t segment_bytes_ = 0;
  uint64_t planned_files_ = 0;    // of segments that queued entries will need
  uint64_t planned_room_ = 0;     // left in the last of them
  bool spare_is_planned_ = true;  // or there is none
};

}  // namespace penstock::spool
