// DirectoryRecovery: finds the segments of one directory as they were left: cuts torn tails, gives
// segments their index, sets aside what is damaged or belongs elsewhere, sees that what is believed
// afterwards is on stable storage, and counts what is still to be delivered and what is lost.
//
// Thread: one, at start-up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/log_directory.h"
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
        of_letters_(overflow == nullptr),
        log_id_(log_id(directory_, of_letters_)) {}

  // First: what the log's checkpoint says, or the file of dead letters that are gone.
  IoResult<void> load_books() { return of_letters_ ? find_gone() : find_checkpoint(); }
  // listed: the names in the directory.
  IoResult<void> run(const std::vector<std::string>& listed);
  [[nodiscard]] const std::vector<SegmentCut>& cuts() const { return cuts_; }
  [[nodiscard]] uint64_t next_number() const { return next_number_; }
  [[nodiscard]] uint64_t spare_bytes() const { return spare_bytes_; }
  [[nodiscard]] bool of_letters() const { return of_letters_; }
  [[nodiscard]] bool of_overflow() const { return queue_.is_overflow(); }

 private:
  IoResult<void> find_checkpoint();
  IoResult<void> find_gone();
  IoResult<void> move_away_no_files(std::vector<uint64_t>& numbers);
  IoResult<void> find_cuts(const std::vector<uint64_t>& numbers);
  IoResult<void> find_break(const std::vector<uint64_t>& numbers);
  void forget_behind_break(uint64_t number, RecoveredSegment& segment) const;
  IoResult<RecoveredSegment> read_durable(const std::string& path, uint64_t number);
  IoResult<void> recover_one(uint64_t number);
  [[nodiscard]] bool is_foreign(const SegmentHeader& header) const {
    return header.log != 0 && log_id_ != 0 && header.log != log_id_;
  }
  [[nodiscard]] bool may_hold_pending(uint64_t number) const;
  [[nodiscard]] uint64_t events_lost(uint64_t number, const LostEntry& entry) const;
  IoResult<void> lay_aside(uint64_t number, const RecoveredSegment& segment, std::string_view why);
  void count_damage(uint64_t number, const RecoveredSegment& segment, bool cut);
  IoResult<void> keep(uint64_t number, RecoveredSegment& segment);
  IoResult<void> look_at_spare();

  SpoolState& state_;
  const std::string directory_;
  StreamQueue& queue_;
  RecoveredChunks& chunks_;
  OverflowRecovery* const overflow_;
  const bool of_letters_;
  const uint64_t log_id_;
  uint64_t last_born_ = 0;  // the newest with a header of its own: those before it were born, too
  std::vector<SegmentCut> cuts_;
  std::optional<Position> break_;  // of an overflow log: the first one in what was not synced
  uint64_t next_number_ = 1;
  uint64_t spare_bytes_ = 0;
};

}  // namespace penstock::spool
