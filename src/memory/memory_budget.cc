#include "memory/memory_budget.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::memory {
namespace {

// That the small pot has room for at least: many peers may each hold one and wait for more.
constexpr size_t kSmallLoans = 64;

}  // namespace

MemoryLease::MemoryLease(MemoryLease&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      pot_(std::exchange(other.pot_, Pot::ordinary)),
      member_(std::move(other.member_)) {}

MemoryLease& MemoryLease::operator=(MemoryLease&& other) noexcept {
  if (this != &other) {
    release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    pot_ = std::exchange(other.pot_, Pot::ordinary);
    member_ = std::move(other.member_);
  }
  return *this;
}

void MemoryLease::shrink(size_t bytes) {
  if (budget_ == nullptr || bytes >= bytes_) return;
  const size_t freed = bytes_ - bytes;
  bytes_ = bytes;
  budget_->give_back(freed, pot_, member_.get());
}

MemoryLease MemoryLease::split(size_t bytes) {
  CHECK(bytes <= bytes_);
  if (budget_ == nullptr) return {};
  bytes_ -= bytes;
  return {budget_, bytes, pot_, member_};
}

void MemoryLease::release() {
  if (budget_ == nullptr) return;
  MemoryBudget* budget = std::exchange(budget_, nullptr);
  const auto member = std::exchange(member_, nullptr);
  budget->give_back(std::exchange(bytes_, 0), std::exchange(pot_, Pot::ordinary), member.get());
}

MemoryBudget::~MemoryBudget() {
  CHECK(ordinary_lent_ == 0 && large_lent_ == 0 && small_lent_ == 0);
}

size_t MemoryBudget::small_loan_max() const { return options_.small_bytes / kSmallLoans; }

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

// By somebody who waits for ordinary, and whom it must not overtake there.
bool MemoryBudget::is_held_up(size_t bytes, const MemoryMember* member) {
  return waiters_for_ordinary_ > 0 && !is_own(bytes, member);
}

MemoryLease MemoryBudget::lend(size_t bytes, const Member& member) {
  if (MemoryLease ordinary = lend_ordinary(bytes, member)) return ordinary;
  if (MemoryLease small = lend_small(bytes, member.get())) return small;
  if (large_lent_ == 0 && bytes <= options_.large_bytes) {
    large_lent_ = bytes;
    return {this, bytes, Pot::large};
  }
  return {};
}

MemoryLease MemoryBudget::lend_ordinary(size_t bytes, const Member& member) {
  if (!has_room(bytes, member.get())) return {};
  ordinary_lent_ += bytes;
  if (member) member->lent += bytes;
  return {this, bytes, Pot::ordinary, member};
}

MemoryLease MemoryBudget::lend_small(size_t bytes, const MemoryMember* member) {
  if (member != nullptr || bytes > small_loan_max()) return {};
  if (bytes > options_.small_bytes - small_lent_) return {};
  small_lent_ += bytes;
  return {this, bytes, Pot::small};
}

// Without asking those who wait for what they wait for.
MemoryLease MemoryBudget::lend_beside_waiters(size_t bytes, const Member& member) {
  if (!is_held_up(bytes, member.get())) {
    if (MemoryLease ordinary = lend_ordinary(bytes, member)) return ordinary;
  }
  return lend_small(bytes, member.get());
}

MemoryLease MemoryBudget::try_acquire(size_t bytes, const Member& member) {
  const std::lock_guard lock(mutex_);
  return lend_beside_waiters(bytes, member);
}

MemoryBudget::Ticket MemoryBudget::acquire(size_t bytes, Granted granted, Member member) {
  CHECK(bytes <= loan_max());
  MemoryLease lease;
  {
    const std::lock_guard lock(mutex_);
    lease = waiters_.empty() ? lend(bytes, member) : lend_beside_waiters(bytes, member);
    if (!lease) {
      if (bytes <= options_.ordinary_bytes) ++waiters_for_ordinary_;
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
    take_out(found, cancelled);
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
  if (lease.pot_ == Pot::large) {
    if (more > options_.large_bytes - large_lent_) return false;
    large_lent_ += more;
  } else if (lease.pot_ == Pot::small) {
    if (bytes > small_loan_max()) return false;
    if (more > options_.small_bytes - small_lent_) return false;
    small_lent_ += more;
  } else {
    MemoryMember* const member = lease.member_.get();
    if (is_held_up(more, member) || !has_room(more, member)) return false;
    ordinary_lent_ += more;
    if (member != nullptr) member->lent += more;
  }
  lease.bytes_ = bytes;
  return true;
}

void MemoryBudget::give_back(size_t bytes, Pot pot, MemoryMember* member) {
  {
    const std::lock_guard lock(mutex_);
    if (pot == Pot::large) {
      large_lent_ -= bytes;
    } else if (pot == Pot::small) {
      small_lent_ -= bytes;
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
    std::list<Waiter> served;
    MemoryLease lease;
    {
      const std::lock_guard lock(mutex_);
      // A member that has its part holds up nobody, and neither does who waits for the large loan;
      // all others wait for those before them, unless they are small.
      bool held_up = false;
      for (auto next = waiters_.begin(); next != waiters_.end(); ++next) {
        lease =
            held_up ? lend_small(next->bytes, next->member.get()) : lend(next->bytes, next->member);
        if (lease) {
          take_out(next, served);
          break;
        }
        held_up = held_up || (!next->member && next->bytes <= options_.ordinary_bytes);
      }
      if (!lease) return;
    }
    served.front().granted(std::move(lease));
  }
}

void MemoryBudget::take_out(std::list<Waiter>::iterator waiter, std::list<Waiter>& into) {
  if (waiter->bytes <= options_.ordinary_bytes) --waiters_for_ordinary_;
  into.splice(into.begin(), waiters_, waiter);
}

size_t MemoryBudget::lent_bytes() const {
  const std::lock_guard lock(mutex_);
  return ordinary_lent_ + large_lent_ + small_lent_;
}

size_t MemoryBudget::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiters_.size();
}

}  // namespace penstock::memory
