// DirectoryRecovery: finds the segments of one directory as they were left: cuts torn tails, gives
// segments their index, sets aside what is damaged or belongs elsewhere, sees that what is believed
// afterwards is on stable storage, and counts what is still to be delivered and what is lost.
//
// It has 23 functions and 13 members because a start is a sequence: each function is a step of it,
// and the members are what one step finds out for a later one.
//
// Thread: one, at start-up.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "spool/log_directory.h"
#include "spool/missing_entries.h"
#include "spool/overflow_recovery.h"
#include "spool/recovered_chunks.h"
#include "spool/segment_recovery.h"
#include "spool/spool_state.h"

namespace penstock::spool {

class DirectoryRecovery {
 public:
  // overflow: null for dead letters.
  DirectoryRecovery(SpoolState& state, std::string directory, StreamQueue& queue,
                    RecoveredChunks& chunks, OverflowRecovery* overflow)
      : state_(state),
        directory_(std::move(directory)),
        queue_(queue),
        chunks_(chunks),
        overflow_(overflow),
        log_id_(log_id(directory_, of_letters())) {}

  // First: what the log's checkpoint says, or the file of dead letters that are gone.
  IoResult<void> load_books() { return of_letters() ? find_gone() : find_checkpoint(); }
  // listed: the names in the directory.
  IoResult<void> run(const std::vector<std::string>& listed);
  [[nodiscard]] const std::vector<SegmentCut>& cuts() const { return cuts_; }
  [[nodiscard]] uint64_t next_number() const { return next_number_; }
  [[nodiscard]] uint64_t spare_bytes() const { return spare_bytes_; }
  [[nodiscard]] Tally stored() const { return missing_.stored(); }
  [[nodiscard]] bool of_letters() const { return overflow_ == nullptr; }
  [[nodiscard]] bool of_overflow() const { return queue_.is_overflow(); }

 private:
  IoResult<std::optional<Checkpoint>> read_checkpoint();
  IoResult<void> find_checkpoint();
  IoResult<void> find_gone();
  IoResult<void> move_away_no_files(std::vector<uint64_t>& numbers);
  IoResult<void> find_cuts(const std::vector<uint64_t>& numbers);
  IoResult<void> recover_one(uint64_t number);
  [[nodiscard]] bool is_foreign(const SegmentHeader& header) const {
    return header.log != 0 && log_id_ != 0 && header.log != log_id_;
  }
  [[nodiscard]] bool may_hold_pending(uint64_t number) const;
  IoResult<void> lay_aside(uint64_t number, const RecoveredSegment& segment, std::string_view why);
  void count_damage(uint64_t number, const RecoveredSegment& segment, bool cut);
  // Returns what of it is pending.
  Tally keep(uint64_t number, const RecoveredSegment& segment);
  void number_entries();
  void count_missing();
  IoResult<void> look_at_spare();

  SpoolState& state_;
  const std::string directory_;
  StreamQueue& queue_;
  RecoveredChunks& chunks_;
  OverflowRecovery* const overflow_;
  const uint64_t log_id_;
  MissingEntries missing_;
  uint64_t entries_before_read_ = 0;  // in the segment that the checkpoint's read is in
  std::set<Position> found_pending_;  // of what the checkpoint lists
  std::vector<SegmentCut> cuts_;
  std::optional<Position> break_;  // see find_break(); of an overflow log
  uint64_t next_number_ = 1;
  uint64_t spare_bytes_ = 0;
};

}  // namespace penstock::spool
