// Neighbor: another one who shares the memory budget and now and then wants the large lease.
#pragma once

#include <cstddef>
#include <utility>

#include "memory/memory_budget.h"

namespace penstock::sim {

class Neighbor {
 public:
  Neighbor(memory::MemoryBudget& memory, size_t bytes) : memory_(memory), bytes_(bytes) {}
  ~Neighbor() { rest(); }
  Neighbor(const Neighbor&) = delete;
  Neighbor& operator=(const Neighbor&) = delete;

  // Wants it, until it rests.
  void want() {
    ticket_ =
        memory_.acquire(bytes_, [this](memory::MemoryLease lease) { lease_ = std::move(lease); });
  }
  void rest() {
    memory_.cancel(std::exchange(ticket_, 0));
    lease_.release();
  }
  [[nodiscard]] bool rests() const { return ticket_ == 0 && !lease_; }
  [[nodiscard]] bool waits() const { return ticket_ != 0 && !lease_; }

 private:
  memory::MemoryBudget& memory_;
  const size_t bytes_;
  memory::MemoryLease lease_;
  memory::MemoryBudget::Ticket ticket_ = 0;
};

}  // namespace penstock::sim
