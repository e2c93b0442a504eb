// Entries that delivery has read and holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {
namespace {

using HeldEntries = DiskSpool;

TEST_F(HeldEntries, WhatIsHeldFillsTheShareUntilItIsReleased) {
  options.cache_bytes_max = 0;
  options.read_bytes_max = 20'000;  // for two logs
  open();
  for (int i = 0; i < 20; ++i) {
    append("x", {"a:" + std::to_string(i) + std::string(3000, 'x')});
    commit();
  }
  size_t read = 0;
  for (std::vector<Entry> held; !a->empty(); held.clear()) {
    while (auto entry = next(a)) held.push_back(std::move(*entry));
    ASSERT_FALSE(held.empty());
    EXPECT_LT(held.size(), 5u);
    read += held.size();
    EXPECT_EQ(a->wants_room(), read < 20);
    for (const Entry& entry : held) release(a, entry);
  }
  EXPECT_EQ(read, 20u);
}

TEST_F(HeldEntries, OneMoreIsReadBeyondTheShareWhereItIsAllowed) {
  options.cache_bytes_max = 0;
  options.read_bytes_max = 20'000;  // for two logs
  open();
  for (int i = 0; i < 4; ++i) {
    append("x", {"a:" + std::to_string(i) + std::string(12'000, 'x')});
    commit();
  }
  auto first = next(a);
  ASSERT_TRUE(first);
  EXPECT_FALSE(next(a));
  const size_t leased = budget.leased_bytes();
  a->allow_one_more();
  auto second = next(a);
  ASSERT_TRUE(second);
  EXPECT_EQ(text_of(*second).front(), '1');
  EXPECT_GE(budget.leased_bytes(), leased + 12'000);
  EXPECT_FALSE(next(a)) << "it was allowed once";
  a->allow_one_more();
  EXPECT_FALSE(next(a)) << "what was read beyond the share fills another share";
  release(a, *second);
  second.reset();
  EXPECT_EQ(budget.leased_bytes(), leased);
  // The budget has to have the memory.
  auto all = budget.try_acquire(budget.options().ordinary_bytes - leased);
  ASSERT_TRUE(all);
  EXPECT_FALSE(next(a));
  all.release();
  clock.advance(seconds(1));
  const auto third = next(a);
  ASSERT_TRUE(third);
  EXPECT_EQ(text_of(*third).front(), '2');
  // Within the share all goes on as ever.
  release(a, *first);
  first.reset();
  EXPECT_TRUE(next(a));
}

TEST_F(HeldEntries, OneMoreIsReadThanDropOldestLetsBeReadWhereItIsAllowed) {
  options.when_full = WhenFull::drop_oldest;
  open();
  for (int i = 0; i < 100; ++i) {
    append("x", {"a:" + std::to_string(i) + std::string(3000, 'x')});
    commit();
  }
  const auto first = next(a);
  ASSERT_TRUE(first);
  while (const auto entry = next(a)) release(a, *entry);
  EXPECT_TRUE(a->wants_room());
  a->allow_one_more();
  EXPECT_TRUE(next(a));
  EXPECT_FALSE(next(a));
}

// What does not fit is sent again after a restart, nothing is lost.
TEST_F(HeldEntries, MoreThanACheckpointHoldsMayBePending) {
  open();
  for (int i = 0; i < 3000; ++i) append("x", {"a:" + std::to_string(i)});
  commit();
  std::vector<Entry> entries;
  while (auto entry = next(a)) entries.push_back(*entry);
  ASSERT_EQ(entries.size(), 3000u);
  for (size_t i = 0; i < entries.size(); i += 2) release(a, entries[i]);
  clock.advance(seconds(1));
  commit();
  lose_power();
  open();
  const auto texts = deliver(a);
  EXPECT_LT(texts.size(), 3000u);
  for (int i = 1; i < 3000; i += 2) {
    EXPECT_THAT(texts, testing::Contains(std::to_string(i))) << i;
  }
}

// What a failed sync left of a checkpoint looks whole until the power is lost. The one before has
// to be kept however often the next one fails.
TEST_F(HeldEntries, FailedCheckpointsLeaveTheLastSyncedOne) {
  open();
  for (int i = 0; i < 300; ++i) append("x", {"a:" + std::to_string(i)});
  commit();
  std::vector<Entry> entries;
  while (auto entry = next(a)) entries.push_back(*entry);
  ASSERT_EQ(entries.size(), 300u);
  size_t released = 0;
  const auto release_one = [&] {
    release(a, entries[released++]);
    clock.advance(seconds(2));
    commit();
  };
  for (int i = 0; i < 10; ++i) release_one();
  for (int i = 0; i < 4; ++i) {
    files.fail_syncs(1);
    release_one();
  }
  lose_power();
  open();
  const auto texts = deliver(a);
  EXPECT_LE(texts.size(), 290u);
  for (int i = 0; i < 10; ++i)
    EXPECT_THAT(texts, testing::Not(testing::Contains(std::to_string(i))));
}

}  // namespace
}  // namespace penstock::spool
