#include "record/memory_budget.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace penstock::record {
namespace {

TEST(MemoryBudget, LendsUntilItIsEmptyAndTakesBack) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 0});
  MemoryLease first = budget.try_acquire(60);
  ASSERT_TRUE(first);
  EXPECT_FALSE(budget.try_acquire(41));
  first.shrink(10);
  EXPECT_TRUE(budget.try_acquire(90));
  first.release();
  EXPECT_EQ(budget.lent_bytes(), 0u);
}

TEST(MemoryBudget, TheFirstInTheQueueGetsTheLargeLoanWhenOrdinaryIsTaken) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 500});
  const MemoryLease small = budget.try_acquire(80);
  MemoryLease large;
  EXPECT_EQ(budget.acquire(400, [&](MemoryLease lease) { large = std::move(lease); }), 0u);
  EXPECT_EQ(large.bytes(), 400u);

  std::vector<int> served;
  std::array<MemoryLease, 2> kept;
  for (int i = 0; i < 2; ++i) {
    budget.acquire(300, [&, i](MemoryLease lease) {
      served.push_back(i);
      kept[static_cast<size_t>(i)] = std::move(lease);
    });
  }
  EXPECT_TRUE(served.empty());
  EXPECT_FALSE(budget.try_acquire(1)) << "nobody overtakes those who wait";
  large.release();
  EXPECT_EQ(served, std::vector<int>{0});
  kept[0].release();
  EXPECT_EQ(served, (std::vector<int>{0, 1}));
}

TEST(MemoryBudget, ACancelledWaiterNoLongerHoldsUpTheNext) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 0});
  const MemoryLease held = budget.try_acquire(50);
  bool first_granted = false;
  MemoryLease second;
  const auto ticket = budget.acquire(100, [&](MemoryLease) { first_granted = true; });
  budget.acquire(50, [&](MemoryLease lease) { second = std::move(lease); });
  EXPECT_FALSE(second);
  EXPECT_TRUE(budget.cancel(ticket));
  EXPECT_TRUE(second);
  EXPECT_FALSE(first_granted);
}

TEST(MemoryBudget, TheLargeLoanIsOutUntilItsLastPieceIsBack) {
  MemoryBudget budget({.ordinary_bytes = 10, .large_bytes = 500});
  MemoryLease whole;
  budget.acquire(400, [&](MemoryLease lease) { whole = std::move(lease); });
  MemoryLease piece = whole.split(100);
  EXPECT_EQ(whole.bytes(), 300u);
  whole.release();
  bool granted = false;
  budget.acquire(400, [&](MemoryLease) { granted = true; });
  EXPECT_FALSE(granted);
  piece.release();
  EXPECT_TRUE(granted);
}

TEST(MemoryBudget, ALeaseGrowsInPlaceWhereThereIsRoom) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 0});
  MemoryLease lease = budget.try_acquire(10);
  EXPECT_TRUE(budget.try_resize(lease, 100));
  EXPECT_FALSE(budget.try_resize(lease, 101));
  EXPECT_EQ(budget.lent_bytes(), 100u);
}

}  // namespace
}  // namespace penstock::record
