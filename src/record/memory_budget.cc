#include "record/memory_budget.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::record {

MemoryLease::MemoryLease(MemoryLease&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      large_(std::exchange(other.large_, false)) {}

MemoryLease& MemoryLease::operator=(MemoryLease&& other) noexcept {
  if (this != &other) {
    release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    large_ = std::exchange(other.large_, false);
  }
  return *this;
}

void MemoryLease::shrink(size_t bytes) {
  if (budget_ == nullptr || bytes >= bytes_) return;
  const size_t freed = bytes_ - bytes;
  bytes_ = bytes;
  budget_->give_back(freed, large_);
}

MemoryLease MemoryLease::split(size_t bytes) {
  CHECK(bytes <= bytes_);
  if (budget_ == nullptr) return {};
  bytes_ -= bytes;
  return {budget_, bytes, large_};
}

void MemoryLease::release() {
  if (budget_ == nullptr) return;
  MemoryBudget* budget = std::exchange(budget_, nullptr);
  budget->give_back(std::exchange(bytes_, 0), std::exchange(large_, false));
}

MemoryBudget::~MemoryBudget() { CHECK(ordinary_lent_ == 0 && large_lent_ == 0); }

MemoryLease MemoryBudget::lend(size_t bytes) {
  if (bytes <= options_.ordinary_bytes - ordinary_lent_) {
    ordinary_lent_ += bytes;
    return {this, bytes, false};
  }
  if (large_lent_ == 0 && bytes <= options_.large_bytes) {
    large_lent_ = bytes;
    return {this, bytes, true};
  }
  return {};
}

MemoryLease MemoryBudget::try_acquire(size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!waiters_.empty() || bytes > options_.ordinary_bytes - ordinary_lent_) return {};
  ordinary_lent_ += bytes;
  return {this, bytes, false};
}

MemoryBudget::Ticket MemoryBudget::acquire(size_t bytes, Granted granted) {
  CHECK(bytes <= std::max(options_.ordinary_bytes, options_.large_bytes));
  MemoryLease lease;
  {
    const std::lock_guard lock(mutex_);
    if (waiters_.empty()) lease = lend(bytes);
    if (!lease) {
      waiters_.push_back({next_ticket_, bytes, std::move(granted)});
      return next_ticket_++;
    }
  }
  granted(std::move(lease));
  return 0;
}

bool MemoryBudget::cancel(Ticket ticket) {
  std::list<Waiter> cancelled;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(waiters_.begin(), waiters_.end(),
                                    [&](const Waiter& waiter) { return waiter.ticket == ticket; });
    if (found == waiters_.end()) return false;
    cancelled.splice(cancelled.begin(), waiters_, found);
  }
  serve();  // the one behind may fit where this one did not
  return true;
}

bool MemoryBudget::try_resize(MemoryLease& lease, size_t bytes) {
  CHECK(lease.budget_ == this);
  if (bytes <= lease.bytes_) {
    lease.shrink(bytes);
    return true;
  }
  const std::lock_guard lock(mutex_);
  const size_t more = bytes - lease.bytes_;
  if (lease.large_) {
    if (more > options_.large_bytes - large_lent_) return false;
    large_lent_ += more;
  } else {
    if (!waiters_.empty() || more > options_.ordinary_bytes - ordinary_lent_) return false;
    ordinary_lent_ += more;
  }
  lease.bytes_ = bytes;
  return true;
}

void MemoryBudget::give_back(size_t bytes, bool large) {
  {
    const std::lock_guard lock(mutex_);
    if (large) {
      large_lent_ -= bytes;
    } else {
      ordinary_lent_ -= bytes;
    }
    if (waiters_.empty()) return;
  }
  serve();
}

void MemoryBudget::serve() {
  for (;;) {
    Granted granted;
    MemoryLease lease;
    {
      const std::lock_guard lock(mutex_);
      if (waiters_.empty()) return;
      lease = lend(waiters_.front().bytes);
      if (!lease) return;
      granted = std::move(waiters_.front().granted);
      waiters_.pop_front();
    }
    granted(std::move(lease));
  }
}

size_t MemoryBudget::lent_bytes() const {
  const std::lock_guard lock(mutex_);
  return ordinary_lent_ + large_lent_;
}

size_t MemoryBudget::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiters_.size();
}

}  // namespace penstock::record
