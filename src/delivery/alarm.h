// Alarm: the time that a stream's parts go by, and when the stream is to be pumped again at the
// latest, whatever else wakes it.
//
// Thread: the delivery thread's.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>

#include "base/clock.h"

namespace penstock::delivery {

class Alarm {
 public:
  Alarm(const Clock& clock, std::function<void(SteadyTime)> wake_at)
      : clock_(clock), wake_at_(std::move(wake_at)) {}

  // As of the last begin() or refresh(): asking a clock for each event would cost more than most
  // of what is done for it.
  [[nodiscard]] SteadyTime now() const { return now_; }
  void refresh() { now_ = clock_.steady(); }
  void by(SteadyTime when) { next_ = std::min(next_, when); }
  // A pump begins: it says itself what it waits for.
  void begin() {
    refresh();
    next_ = SteadyTime::max();
  }
  // It ends.
  void set() const {
    if (next_ != SteadyTime::max()) wake_at_(next_);
  }

 private:
  const Clock& clock_;
  const std::function<void(SteadyTime)> wake_at_;
  SteadyTime now_{};
  SteadyTime next_ = SteadyTime::max();
};

}  // namespace penstock::delivery
