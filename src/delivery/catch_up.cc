#include "delivery/catch_up.h"

#include <algorithm>

namespace penstock::delivery {
namespace {

// So many are read while an entry is gone through.
constexpr int kAskedAhead = 8;
// A pass that took nothing was for nothing: not again at once. Longer when it has read entries.
constexpr auto kPauseAfterLook = milliseconds(20);
constexpr auto kPauseAfterRead = milliseconds(250);

}  // namespace

void CatchUp::begin_pass(const EventTracker& tracker) {
  next_ = tracker.first_ticket();
  blocked_.reset();
  taken_before_ = tracker.taken_back();
  opened_any_ = false;
}

std::optional<uint64_t> CatchUp::next(EventTracker& tracker, const Slices& open,
                                      size_t ahead_bytes_max, SteadyTime now) {
  again_at_ = SteadyTime::max();
  if ((tracker.behind() & open).none()) return std::nullopt;
  if (now < not_before_) {
    again_at_ = not_before_;
    return std::nullopt;
  }
  for (;;) {
    next_ = std::max(next_, tracker.first_ticket());
    for (; next_ < tracker.end_ticket(); ++next_) {
      const Slices* const slices = tracker.slices(next_);
      if (slices == nullptr) continue;
      if ((*slices & open & ~blocked_).none()) {
        blocked_ |= *slices;
        continue;
      }
      ask_ahead(tracker, open, ahead_bytes_max);
      if (!tracker.in_memory(next_)) return std::nullopt;  // its coming wakes us
      opened_any_ = true;
      return next_;
    }
    const bool took_any = tracker.taken_back() != taken_before_;
    const auto pause = opened_any_ ? kPauseAfterRead : kPauseAfterLook;
    begin_pass(tracker);
    if (took_any) continue;
    not_before_ = again_at_ = now + pause;
    return std::nullopt;
  }
}

void CatchUp::ask_ahead(EventTracker& tracker, const Slices& open, size_t bytes_max) const {
  int asked = 0;
  const uint64_t end = std::min(tracker.end_ticket(), next_ + 8 * kAskedAhead);
  for (uint64_t ticket = next_; ticket < end && asked < kAskedAhead; ++ticket) {
    const Slices* const slices = tracker.slices(ticket);
    if (slices == nullptr || (*slices & open & ~blocked_).none()) continue;
    if (++asked > 1 && tracker.asked_bytes() >= bytes_max) return;
    if (!tracker.in_memory(ticket)) tracker.ask_again(ticket, false);
  }
}

void CatchUp::finished(EventTracker& tracker, uint64_t ticket) {
  tracker.end_again(ticket);
  next_ = std::max(next_, ticket + 1);
}

}  // namespace penstock::delivery
