// AwaitedLease: memory that a thread of the spool has asked for, in the line of all who wait for
// memory. Where it is not granted at once, the signal is raised when it is.
//
// Thread: one; the grant comes on any.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "memory/memory_budget.h"
#include "spool/signal.h"

namespace penstock::spool {

class AwaitedLease {
 public:
  // signal: kept until the grant.
  AwaitedLease(memory::MemoryBudget& budget, size_t bytes, std::shared_ptr<Signal> signal)
      : budget_(budget), bytes_(bytes), grant_(std::make_shared<Grant>()) {
    ticket_ = budget_.acquire(
        bytes, [grant = grant_, signal = std::move(signal)](memory::MemoryLease lease) {
          {
            const std::lock_guard lock(grant->mutex);
            grant->lease = std::move(lease);
          }
          signal->raise();
        });
  }
  ~AwaitedLease() { budget_.cancel(ticket_); }
  AwaitedLease(const AwaitedLease&) = delete;
  AwaitedLease& operator=(const AwaitedLease&) = delete;

  [[nodiscard]] size_t bytes() const { return bytes_; }
  // Empty: not granted yet.
  [[nodiscard]] memory::MemoryLease take() {
    const std::lock_guard lock(grant_->mutex);
    return std::move(grant_->lease);
  }

 private:
  struct Grant {
    std::mutex mutex;
    memory::MemoryLease lease;
  };

  memory::MemoryBudget& budget_;
  const size_t bytes_;
  const std::shared_ptr<Grant> grant_;
  memory::MemoryBudget::Ticket ticket_ = 0;
};

}  // namespace penstock::spool
