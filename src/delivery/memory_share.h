// MemoryShare: the bytes that one part of delivery holds, in one lease that grows and shrinks.
//
// Thread: the delivery thread's.
#pragma once

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "memory/memory_budget.h"

namespace penstock::delivery {

// How soon what was not to be had is asked for again.
inline constexpr milliseconds kMemoryRetry{100};

class MemoryShare {
 public:
  MemoryShare(memory::MemoryBudget& budget, memory::MemoryBudget::Member member)
      : budget_(budget), member_(std::move(member)) {}

  // Now or not at all; takes a little more, so that it is not asked for each record.
  [[nodiscard]] bool ensure(size_t bytes) {
    constexpr size_t kStep = 256_KiB;
    if (bytes <= lease_.bytes()) return true;
    const size_t wanted = (bytes / kStep + 1) * kStep;
    if (lease_) return budget_.try_resize(lease_, wanted);
    lease_ = budget_.try_acquire(wanted, member_);
    return static_cast<bool>(lease_);
  }
  // For one thing that may be larger than the budget allows at once: then what it allows.
  [[nodiscard]] bool ensure_most(size_t bytes) {
    const memory::MemoryBudget::Options& pots = budget_.options();
    const bool fits = bytes <= pots.large_bytes || bytes <= pots.ordinary_bytes / 4;
    return ensure(fits ? bytes : std::max(pots.large_bytes, pots.ordinary_bytes / 4));
  }
  // The most that one member gets for one thing, whatever the others hold.
  [[nodiscard]] static size_t most_of(const memory::MemoryBudget& budget) {
    const memory::MemoryBudget::Options& pots = budget.options();
    return std::max(pots.large_bytes, pots.ordinary_bytes / 2);
  }
  // Pays for `bytes` as far as memory goes: up to most_of() where that is to be had now, else as
  // ensure_most(). A member that holds something beside may never get all of that.
  [[nodiscard]] bool ensure_up_to_most(size_t bytes) {
    return ensure(std::min(bytes, most_of(budget_))) || ensure_most(bytes);
  }
  [[nodiscard]] const memory::MemoryBudget& budget() const { return budget_; }
  void release() { lease_.release(); }
  [[nodiscard]] size_t bytes() const { return lease_.bytes(); }

 private:
  memory::MemoryBudget& budget_;
  const memory::MemoryBudget::Member member_;
  memory::MemoryLease lease_;
};

}  // namespace penstock::delivery
