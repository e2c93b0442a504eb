// ClockOffset: how far the service's clock is from ours, learned from the Date of an answer that
// refused our signature (which may be at most 5 minutes off). Thread: any.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace penstock::kinesis {

class ClockOffset {
 public:
  // What to sign with.
  [[nodiscard]] WallTime correct(WallTime ours) const {
    return ours + std::chrono::duration_cast<WallTime::duration>(offset());
  }
  [[nodiscard]] nanoseconds offset() const {
    return nanoseconds(offset_.load(std::memory_order_relaxed));
  }
  // True when it changed by more than the Date header's own coarseness and a slow answer explain.
  bool learn(WallTime theirs, WallTime ours) {
    const nanoseconds seen = theirs - ours;
    const nanoseconds change = seen - offset();
    if (change < seconds(30) && change > seconds(-30)) return false;
    offset_.store(seen.count(), std::memory_order_relaxed);
    return true;
  }

 private:
  std::atomic<int64_t> offset_{0};
};

}  // namespace penstock::kinesis
