#include "memory/memory_budget.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace penstock::memory {
namespace {

TEST(MemoryBudget, LeasesUntilItIsEmptyAndTakesBack) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 0});
  MemoryLease first = budget.try_acquire(60);
  ASSERT_TRUE(first);
  EXPECT_FALSE(budget.try_acquire(41));
  first.shrink(10);
  EXPECT_TRUE(budget.try_acquire(90));
  first.release();
  EXPECT_EQ(budget.leased_bytes(), 0u);
}

TEST(MemoryBudget, TheFirstInTheQueueGetsTheLargeLeaseWhenOrdinaryIsTaken) {
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
  EXPECT_TRUE(budget.try_acquire(20)) << "they wait for the large lease, and not for this";
  large.release();
  EXPECT_EQ(served, std::vector<int>{0});
  kept[0].release();
  EXPECT_EQ(served, (std::vector<int>{0, 1}));
}

TEST(MemoryBudget, WhoWaitsForOrdinaryIsNotOvertakenThere) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 500});
  MemoryLease held = budget.try_acquire(30);
  MemoryLease large;
  budget.acquire(400, [&](MemoryLease lease) { large = std::move(lease); });
  MemoryLease waiting;
  budget.acquire(90, [&](MemoryLease lease) { waiting = std::move(lease); });
  EXPECT_FALSE(budget.try_acquire(1));
  held.release();
  EXPECT_EQ(waiting.bytes(), 90u);
  EXPECT_TRUE(budget.try_acquire(10));
}

TEST(MemoryBudget, SmallLeasesGoOnWhenAllElseIsHeldByOthersWhoWait) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 500, .small_bytes = 640});
  MemoryLease held = budget.try_acquire(95);
  MemoryLease large;
  budget.acquire(400, [&](MemoryLease lease) { large = std::move(lease); });
  MemoryLease waiting;
  budget.acquire(90, [&](MemoryLease lease) { waiting = std::move(lease); });
  MemoryLease later;
  budget.acquire(11, [&](MemoryLease lease) { later = std::move(lease); });
  EXPECT_FALSE(later) << "more than a 64th of 640";

  std::vector<MemoryLease> small;
  for (int i = 0; i < 56; ++i) small.push_back(budget.try_acquire(10));
  for (int i = 0; i < 8; ++i) small.push_back(budget.try_acquire(5));
  EXPECT_TRUE(small.back());
  EXPECT_TRUE(budget.try_resize(small.back(), 10));
  EXPECT_FALSE(budget.try_resize(small.back(), 11));
  for (int i = 0; i < 7; ++i) small.push_back(budget.try_acquire(5));
  EXPECT_TRUE(small.back());
  MemoryLease next;
  budget.acquire(6, [&](MemoryLease lease) { next = std::move(lease); });
  EXPECT_FALSE(next) << "640 are out";
  small.pop_back();
  EXPECT_FALSE(next);
  small.pop_back();
  EXPECT_EQ(next.bytes(), 6u);
  EXPECT_FALSE(waiting || later);
  held.release();
  EXPECT_EQ(waiting.bytes(), 90u);
  waiting.release();
  EXPECT_EQ(later.bytes(), 11u);
  large.release();
  small.clear();
  next.release();
  later.release();
  EXPECT_EQ(budget.leased_bytes(), 0u);
}

TEST(MemoryBudget, TheReserveIsForWholeMessagesAndTheyComeFirst) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 50, .reserve_bytes = 30});
  EXPECT_EQ(budget.lease_max(), 70u);
  MemoryLease held = budget.try_acquire(70);
  EXPECT_FALSE(budget.try_acquire(1));
  EXPECT_FALSE(budget.try_resize(held, 71));
  MemoryLease large;
  budget.acquire(50, [&](MemoryLease lease) { large = std::move(lease); });
  MemoryLease incoming;
  budget.acquire(20, [&](MemoryLease lease) { incoming = std::move(lease); });
  EXPECT_TRUE(large && !incoming);

  EXPECT_FALSE(budget.is_reserve_in_use());
  MemoryLease whole = budget.try_acquire(20, nullptr, Purpose::whole);
  ASSERT_TRUE(whole) << "it waits for nobody who waits for others";
  EXPECT_TRUE(budget.is_reserve_in_use());
  EXPECT_TRUE(budget.try_resize(whole, 30, Purpose::whole));
  MemoryLease next_whole;
  budget.acquire(
      25, [&](MemoryLease lease) { next_whole = std::move(lease); }, nullptr, Purpose::whole);
  held.shrink(50);
  EXPECT_FALSE(next_whole || incoming) << "20 are not enough for the first, who is whole";
  held.shrink(40);
  EXPECT_TRUE(next_whole);
  EXPECT_FALSE(incoming);
  next_whole.release();
  EXPECT_FALSE(incoming) << "30 are free, which are the reserve";
  whole.release();
  EXPECT_TRUE(incoming);
}

TEST(MemoryBudget, TheLargeLeaseIsForTheFirstInTheQueueWhateverItIsFor) {
  MemoryBudget budget({.ordinary_bytes = 100, .large_bytes = 50, .reserve_bytes = 30});
  const MemoryLease held = budget.try_acquire(100, nullptr, Purpose::whole);
  MemoryLease large, incoming, whole;
  budget.acquire(50, [&](MemoryLease lease) { large = std::move(lease); });
  budget.acquire(20, [&](MemoryLease lease) { incoming = std::move(lease); });
  budget.acquire(
      20, [&](MemoryLease lease) { whole = std::move(lease); }, nullptr, Purpose::whole);
  EXPECT_TRUE(large && !incoming && !whole);
  large.release();
  EXPECT_TRUE(incoming.large());
  EXPECT_FALSE(whole);
  incoming.release();
  EXPECT_TRUE(whole.large());
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

TEST(MemoryBudget, AMemberMayTakeWhatLeavesTheOthersTheirParts) {
  MemoryBudget budget({.ordinary_bytes = 120, .large_bytes = 0});
  const auto greedy = budget.join();
  const auto modest = budget.join();
  auto third = budget.join();
  EXPECT_FALSE(budget.try_acquire(81, greedy)) << "a part is a third of one half: 20";
  MemoryLease most = budget.try_acquire(80, greedy);
  ASSERT_TRUE(most);
  EXPECT_FALSE(budget.try_acquire(21, modest)) << "that would take from the third";
  const MemoryLease own = budget.try_acquire(20, modest);
  EXPECT_TRUE(own);
  EXPECT_FALSE(budget.try_resize(most, 81));
  third.reset();  // has left: a part is 30 now
  EXPECT_TRUE(budget.try_resize(most, 90));
  most.shrink(10);
  EXPECT_EQ(greedy->leased, 10u);
  EXPECT_FALSE(budget.try_acquire(71, modest)) << "20 of what is free are the other's";
  EXPECT_TRUE(budget.try_acquire(70, modest));
}

TEST(MemoryBudget, AMemberThatWaitsForMoreThanItsPartHoldsUpNoOther) {
  MemoryBudget budget({.ordinary_bytes = 120, .large_bytes = 0});
  const auto greedy = budget.join();
  const auto modest = budget.join();
  MemoryLease most = budget.try_acquire(90, greedy);
  MemoryLease more;
  EXPECT_NE(budget.acquire(
                20, [&](MemoryLease lease) { more = std::move(lease); }, greedy),
            0u);
  MemoryLease own = budget.try_acquire(20, modest);
  EXPECT_TRUE(own);
  EXPECT_TRUE(budget.try_resize(own, 30));
  own.release();
  EXPECT_FALSE(more);
  most.shrink(70);
  EXPECT_EQ(more.bytes(), 20u);
}

TEST(MemoryBudget, TheLargeLeaseIsOutUntilItsLastPieceIsBack) {
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
  EXPECT_EQ(budget.leased_bytes(), 100u);
}

}  // namespace
}  // namespace penstock::memory
