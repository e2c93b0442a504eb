// ReaderWake: tells delivery that a log may have something to be read (StreamLog::on_readable).
//
// Thread: set() on any, without SpoolState's lock; the others with it.
#pragma once

#include <functional>
#include <mutex>
#include <utility>

#include "spool/chunk_table.h"

namespace penstock::spool {

class ReaderWake {
 public:
  // When this returns, the callback set before is not running, and is not called again.
  void set(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
  }
  // Delivery has found nothing.
  void wait() { waits_ = true; }
  // Adds the call to calls if delivery waits.
  void wake(Calls& calls) {
    if (!std::exchange(waits_, false)) return;
    calls.emplace_back([this] {
      const std::lock_guard lock(mutex_);
      if (wake_) wake_();
    });
  }
  // The same, whether it waits or not.
  void wake_always(Calls& calls) {
    waits_ = true;
    wake(calls);
  }

 private:
  bool waits_ = false;
  std::mutex mutex_;  // held while wake_ runs; never taken while SpoolState's lock is held
  std::function<void()> wake_;
};

}  // namespace penstock::spool
