#include "memory/memory_budget.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::memory {
namespace {

// That the small pot has room for at least: many peers may each hold one and wait for more.
constexpr size_t kSmallLeases = 64;

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
  CHECK(ordinary_leased_ == 0 && large_leased_ == 0 && small_leased_ == 0);
}

size_t MemoryBudget::small_lease_max() const { return options_.small_bytes / kSmallLeases; }

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
  return member->leased + bytes <= options_.ordinary_bytes / 2 / members_.size();
}

bool MemoryBudget::has_room(const Request& request) {
  const size_t most = ordinary_for(request.purpose);
  const size_t free = most - std::min(most, ordinary_leased_);
  const size_t bytes = request.bytes;
  const MemoryMember* const member = request.member.get();
  if (bytes > free) return false;
  if (member == nullptr || is_own(bytes, member)) return true;
  const size_t part = options_.ordinary_bytes / 2 / members_.size();
  size_t kept_for_others = 0;
  for (const auto& weak : members_) {
    const auto other = weak.lock();
    if (other && other.get() != member) kept_for_others += part - std::min(part, other->leased);
  }
  return bytes + kept_for_others <= free;
}

size_t& MemoryBudget::waiters_for_ordinary(Purpose purpose) {
  return purpose == Purpose::whole ? whole_for_ordinary_ : incoming_for_ordinary_;
}

// By somebody who waits for ordinary, and whom it must not overtake there.
bool MemoryBudget::is_held_up(const Request& request) {
  const bool is_first = request.purpose == Purpose::whole || incoming_for_ordinary_ == 0;
  return !(is_first && whole_for_ordinary_ == 0) && !is_own(request.bytes, request.member.get());
}

MemoryLease MemoryBudget::acquire_ordinary(const Request& request) {
  if (!has_room(request)) return {};
  ordinary_leased_ += request.bytes;
  if (request.member) request.member->leased += request.bytes;
  return {this, request.bytes, Pot::ordinary, request.member};
}

MemoryLease MemoryBudget::acquire_small(const Request& request) {
  if (request.member != nullptr || request.bytes > small_lease_max()) return {};
  if (request.bytes > options_.small_bytes - small_leased_) return {};
  small_leased_ += request.bytes;
  return {this, request.bytes, Pot::small};
}

MemoryLease MemoryBudget::acquire_large(size_t bytes) {
  if (large_leased_ > 0 || bytes > options_.large_bytes) return {};
  large_leased_ = bytes;
  return {this, bytes, Pot::large};
}

// Without asking those who wait for what they wait for.
MemoryLease MemoryBudget::acquire_beside_waiters(const Request& request) {
  if (!is_held_up(request)) {
    if (MemoryLease ordinary = acquire_ordinary(request)) return ordinary;
  }
  return acquire_small(request);
}

MemoryLease MemoryBudget::try_acquire(size_t bytes, const Member& member, Purpose purpose) {
  const std::lock_guard lock(mutex_);
  return acquire_beside_waiters({bytes, member, purpose});
}

MemoryBudget::Ticket MemoryBudget::acquire(size_t bytes, Granted granted, Member member,
                                           Purpose purpose) {
  CHECK(bytes <= lease_max());
  MemoryLease lease;
  {
    const std::lock_guard lock(mutex_);
    lease = acquire_beside_waiters({bytes, member, purpose});
    if (!lease && waiters_.empty()) lease = acquire_large(bytes);
    if (!lease) {
      if (bytes <= ordinary_for(purpose)) ++waiters_for_ordinary(purpose);
      waiters_.push_back({next_ticket_, bytes, std::move(granted), std::move(member), purpose});
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

bool MemoryBudget::try_resize(MemoryLease& lease, size_t bytes, Purpose purpose) {
  CHECK(lease.budget_ == this);
  if (bytes <= lease.bytes_) {
    lease.shrink(bytes);
    return true;
  }
  const std::lock_guard lock(mutex_);
  const size_t more = bytes - lease.bytes_;
  if (lease.pot_ == Pot::large) {
    if (more > options_.large_bytes - large_leased_) return false;
    large_leased_ += more;
  } else if (lease.pot_ == Pot::small) {
    if (bytes > small_lease_max()) return false;
    if (more > options_.small_bytes - small_leased_) return false;
    small_leased_ += more;
  } else {
    const Request request{more, lease.member_, purpose};
    if (is_held_up(request) || !has_room(request)) return false;
    ordinary_leased_ += more;
    if (lease.member_) lease.member_->leased += more;
  }
  lease.bytes_ = bytes;
  return true;
}

bool MemoryBudget::is_reserve_in_use() const {
  const std::lock_guard lock(mutex_);
  return ordinary_leased_ > ordinary_for(Purpose::incoming);
}

void MemoryBudget::give_back(size_t bytes, Pot pot, MemoryMember* member) {
  {
    const std::lock_guard lock(mutex_);
    if (pot == Pot::large) {
      large_leased_ -= bytes;
    } else if (pot == Pot::small) {
      small_leased_ -= bytes;
    } else {
      ordinary_leased_ -= bytes;
      if (member != nullptr) member->leased -= bytes;
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
      auto [granted, waiter] = serve_one();
      if (!granted) return;
      lease = std::move(granted);
      take_out(waiter, served);
    }
    served.front().granted(std::move(lease));
  }
}

// Whole messages come first. A member that has its part holds up nobody, and neither does who waits
// for the large lease; all others wait for those before them, unless they are small. The large
// lease is for the first in the queue, whatever it is for.
std::pair<MemoryLease, std::list<MemoryBudget::Waiter>::iterator> MemoryBudget::serve_one() {
  bool is_held_up = false;
  for (const Purpose purpose : {Purpose::whole, Purpose::incoming}) {
    for (auto next = waiters_.begin(); next != waiters_.end(); ++next) {
      if (next->purpose != purpose) continue;
      const Request request{next->bytes, next->member, purpose};
      MemoryLease lease;
      if (!is_held_up) lease = acquire_ordinary(request);
      if (!lease) lease = acquire_small(request);
      if (lease) return {std::move(lease), next};
      is_held_up = is_held_up || (!next->member && next->bytes <= ordinary_for(purpose));
    }
  }
  for (auto next = waiters_.begin(); next != waiters_.end(); ++next) {
    if (MemoryLease lease = acquire_large(next->bytes)) return {std::move(lease), next};
  }
  return {MemoryLease(), waiters_.end()};
}

void MemoryBudget::take_out(std::list<Waiter>::iterator waiter, std::list<Waiter>& into) {
  if (waiter->bytes <= ordinary_for(waiter->purpose)) --waiters_for_ordinary(waiter->purpose);
  into.splice(into.begin(), waiters_, waiter);
}

size_t MemoryBudget::leased_bytes() const {
  const std::lock_guard lock(mutex_);
  return ordinary_leased_ + large_leased_ + small_leased_;
}

size_t MemoryBudget::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiters_.size();
}

}  // namespace penstock::memory
