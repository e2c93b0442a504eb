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

}  // namespace
}  // namespace penstock::spool
