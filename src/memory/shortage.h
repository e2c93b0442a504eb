// Whether there is too little memory for those who wait for it.
#pragma once

#include "memory/memory_budget.h"

namespace penstock::memory {

// Somebody waits, and not only for the one large lease: there is nothing left of ordinary, or
// others stand in line for it. A lease that is too large for the pot of small leases shows it.
[[nodiscard]] inline bool is_short(MemoryBudget& budget) {
  if (budget.waiting() == 0) return false;
  return !budget.try_acquire(budget.small_lease_max() + 1);
}

}  // namespace penstock::memory
