// Signal: wakes one thread that sleeps between turns of its loop. A signal that is raised while the
// thread is awake is kept for its next sleep, so none is missed.
// Thread: any raises, one waits.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace penstock::spool {

class Signal {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    raised_ = true;
    raised_condition_.notify_one();
  }
  void wait_for(std::chrono::nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    raised_condition_.wait_for(lock, timeout, [this] { return raised_; });
    raised_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable raised_condition_;
  bool raised_ = false;
};

}  // namespace penstock::spool
