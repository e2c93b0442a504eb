#include "record/memory_budget.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::record {

MemoryLease::MemoryLease(MemoryLease&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      large_(std::exchange(other.large_, false)),
      member_(std::move(other.member_)) {}

MemoryLease& MemoryLease::operator=(MemoryLease&& other) noexcept {
  if (this != &other) {
    release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    large_ = std::exchange(other.large_, false);
    member_ = std::move(other.member_);
  }
  return *this;
}

void MemoryLease::shrink(size_t bytes) {
  if (budget_ == nullptr || bytes >= bytes_) return;
  const size_t freed = bytes_ - bytes;
  bytes_ = bytes;
  budget_->give_back(freed, large_, member_.get());
}

MemoryLease MemoryLease::split(size_t bytes) {
  CHECK(bytes <= bytes_);
  if (budget_ == nullptr) return {};
  bytes_ -= bytes;
  return {budget_, bytes, large_, member_};
}

void MemoryLease::release() {
  if (budget_ == nullptr) return;
  MemoryBudget* budget = std::exchange(budget_, nullptr);
  const auto member = std::exchange(member_, nullptr);
  budget->give_back(std::exchange(bytes_, 0), std::exchange(large_, false), member.get());
}

MemoryBudget::~MemoryBudget() { CHECK(ordinary_lent_ == 0 && large_lent_ == 0); }

MemoryBudget::Member MemoryBudget::join() {
  const std::lock_guard lock(mutex_);
  auto member = std::make_shared<MemoryMember>();
  members_.push_back(member);
  return member;
}

// With these it has no more than its part.
bool MemoryBudget::is_own(size_t bytes, const MemoryMember* member) {
  if (member == nullptr) return false;
  std::erase_if(members_, [](const auto& other) { return other.expired(); });
  return member->lent + bytes <= options_.ordinary_bytes / 2 / members_.size();
}

bool MemoryBudget::has_room(size_t bytes, const MemoryMember* member) {
  const size_t free = options_.ordinary_bytes - ordinary_lent_;
  if (bytes > free) return false;
  if (member == nullptr || is_own(bytes, member)) return true;
  const size_t part = options_.ordinary_bytes / 2 / members_.size();
  size_t kept_for_others = 0;
  for (const auto& weak : members_) {
    const auto other = weak.lock();
    if (other && other.get() != member) kept_for_others += part - std::min(part, other->lent);
  }
  return bytes + kept_for_others <= free;
}

MemoryLease MemoryBudget::lend(size_t bytes, const Member& member) {
  if (has_room(bytes, member.get())) {
    ordinary_lent_ += bytes;
    if (member) member->lent += bytes;
    return {this, bytes, false, member};
  }
  if (large_lent_ == 0 && bytes <= options_.large_bytes) {
    large_lent_ = bytes;
    return {this, bytes, true};
  }
  return {};
}

MemoryLease MemoryBudget::try_acquire(size_t bytes, const Member& member) {
  const std::lock_guard lock(mutex_);
  if (!waiters_.empty() && !is_own(bytes, member.get())) return {};
  if (!has_room(bytes, member.get())) return {};
  ordinary_lent_ += bytes;
  if (member) member->lent += bytes;
  return {this, bytes, false, member};
}

MemoryBudget::Ticket MemoryBudget::acquire(size_t bytes, Granted granted, Member member) {
  CHECK(bytes <= loan_max());
  MemoryLease lease;
  {
    const std::lock_guard lock(mutex_);
    if (waiters_.empty() || is_own(bytes, member.get())) lease = lend(bytes, member);
    if (!lease) {
      waiters_.push_back({next_ticket_, bytes, std::move(granted), std::move(member)});
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
    MemoryMember* const member = lease.member_.get();
    if (!waiters_.empty() && !is_own(more, member)) return false;
    if (!has_room(more, member)) return false;
    ordinary_lent_ += more;
    if (member != nullptr) member->lent += more;
  }
  lease.bytes_ = bytes;
  return true;
}

void MemoryBudget::give_back(size_t bytes, bool large, MemoryMember* member) {
  {
    const std::lock_guard lock(mutex_);
    if (large) {
      large_lent_ -= bytes;
    } else {
      ordinary_lent_ -= bytes;
      if (member != nullptr) member->lent -= bytes;
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
      // A member that has its part holds up nobody; all others wait for those before them.
      auto next = waiters_.begin();
      for (; next != waiters_.end(); ++next) {
        lease = lend(next->bytes, next->member);
        if (lease || !next->member) break;
      }
      if (!lease) return;
      granted = std::move(next->granted);
      waiters_.erase(next);
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
