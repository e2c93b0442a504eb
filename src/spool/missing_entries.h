// MissingEntries: compares what a log's files hold with what its checkpoint says they should. What
// was in a file that is gone, cut or damaged from its beginning is known from the totals alone.
//
//   expected = pending at the checkpoint + stored since, says the newest segment's header
//   missing  = expected - found pending
//
// Where no totals tell, what is seen to be broken counts (add_unknown()). An event is lost by one
// of the two: events_lost() is the larger number, not the sum.
//
// Thread: one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spool/log_totals.h"
#include "spool/segment_format.h"

namespace penstock::spool {

class MissingEntries {
 public:
  // What the log's checkpoint says; nullopt: it was written by a version that did not say it.
  explicit MissingEntries(std::optional<LogTotals> totals = {}) : totals_(totals) {}

  // A segment of the log, newest first. all: what was once stored in it, broken entries too.
  // pending: what is whole and not final by the checkpoint.
  void found(const SegmentHeader& header, Tally all, Tally pending);

  [[nodiscard]] bool is_known() const { return totals_.has_value(); }
  // Whether the totals tell what was stored in this segment, whatever is left of it.
  [[nodiscard]] bool covers(uint64_t number) const;
  // This segment has a header of its own: those before it were begun, too.
  void note_begun(uint64_t number) { newest_begun_ = number; }
  // Whether its making was finished: another one was begun behind it, or the checkpoint names it.
  [[nodiscard]] bool was_begun(uint64_t number) const {
    return number < newest_begun_ || number <= named_by_checkpoint();
  }
  // The segment with the highest number that is known to have been begun; 0: none.
  [[nodiscard]] uint64_t newest_known() const {
    return std::max(newest_begun_, named_by_checkpoint());
  }
  // So many events are lost at least, of which the totals do not tell.
  void add_unknown(uint64_t events) { unknown_events_ += events; }
  [[nodiscard]] Tally missing() const;
  [[nodiscard]] uint64_t events_lost() const { return std::max(missing().events, unknown_events_); }
  // Since the log was begun, as far as is known.
  [[nodiscard]] Tally stored() const;
  // The segments that should be there and are not, from this one on: "…02.seg, …04.seg to …06.seg".
  [[nodiscard]] std::string missing_files(uint64_t first) const;

 private:
  struct Gap {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  [[nodiscard]] uint64_t named_by_checkpoint() const { return totals_ ? totals_->newest : 0; }

  std::optional<LogTotals> totals_;
  uint64_t newest_begun_ = 0;
  uint64_t unknown_events_ = 0;
  Tally found_;
  Tally found_pending_;
  std::optional<Tally> stored_;  // says the newest segment whose header says it
  uint64_t newest_counted_ = 0;  // that one
  Tally uncounted_;              // in newer ones
  std::vector<Gap> gaps_;        // newest first
  uint64_t newest_ = 0;
  uint64_t oldest_ = 0;
  std::optional<Tally> oldest_before_;  // what was stored before that one
};

}  // namespace penstock::spool
