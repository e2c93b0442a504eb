// StatusBoard: the state of things for the admin port. The daemon pins up a new one a few times a
// second; the admin's thread reads the last.
#pragma once

#include <deque>
#include <mutex>
#include <string>

#include "metrics/status.h"

namespace penstock::daemon {

// Thread: any.
class StatusBoard final : public metrics::StatusSource {
 public:
  void pin(metrics::Status status) {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
  }
  [[nodiscard]] metrics::Status status() const override {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  metrics::Status status_;
};

// When the number of events of a source last grew.
struct LastEvent {
  uint64_t events = 0;
  std::optional<WallTime> when;
};

// The last few things that went wrong, each text once, newest first. Thread: the daemon's.
class ErrorMemory {
 public:
  void note(const std::string& where, const std::string& message) {
    if (message.empty()) return;
    for (auto known = errors_.begin(); known != errors_.end(); ++known) {
      if (known->where == where && known->message == message) {
        errors_.erase(known);
        break;
      }
    }
    errors_.push_front({where, message, std::chrono::system_clock::now()});
    if (errors_.size() > kErrorsMax) errors_.pop_back();
  }
  [[nodiscard]] std::vector<metrics::ErrorStatus> newest_first() const {
    return {errors_.begin(), errors_.end()};
  }

 private:
  static constexpr size_t kErrorsMax = 10;
  std::deque<metrics::ErrorStatus> errors_;
};

}  // namespace penstock::daemon
