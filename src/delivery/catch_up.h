// CatchUp: in which order events that were set aside (event_tracker.h) are gone through again: from
// the oldest entry on, pass after pass, skipping entries that have nothing for a shard that takes
// something now. What a pass leaves behind in a slice it leaves in all later entries, too: so a
// key's events stay in order.
//
// Thread: the sender's.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "delivery/event_tracker.h"
#include "delivery/slices.h"

namespace penstock::delivery {

class CatchUp {
 public:
  // The next entry that has something in the open slices, in memory; nullopt: none now. It is gone
  // through between tracker.begin_again() and finished(). About so many bytes are read ahead.
  [[nodiscard]] std::optional<uint64_t> next(EventTracker& tracker, const Slices& open,
                                             size_t ahead_bytes_max, SteadyTime now);
  // Where it stands: an entry that comes next has to stay in memory.
  [[nodiscard]] uint64_t next_ticket() const { return next_; }
  void finished(EventTracker& tracker, uint64_t ticket);

  // Something was left behind there in this pass.
  [[nodiscard]] bool blocks(size_t slice) const { return blocked_.test(slice); }
  void block(size_t slice) { blocked_.set(slice); }

  // When next() is to be asked again; max: not before something happens.
  [[nodiscard]] SteadyTime again_at() const { return again_at_; }

 private:
  void begin_pass(const EventTracker& tracker);
  void ask_ahead(EventTracker& tracker, const Slices& open, size_t bytes_max) const;

  uint64_t next_ = 0;
  Slices blocked_;
  uint64_t taken_before_ = 0;  // what the tracker had taken back when the pass began
  bool opened_any_ = false;
  SteadyTime not_before_{};
  SteadyTime again_at_ = SteadyTime::max();
};

}  // namespace penstock::delivery
