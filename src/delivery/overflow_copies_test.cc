#include "delivery/overflow_copies.h"

#include <gtest/gtest.h>

#include "delivery/source_log.h"

namespace penstock::delivery {
namespace {

constexpr uint64_t kTicket = 7;

class OverflowCopiesTest : public testing::Test {
 protected:
  OverflowCopies::Copied defer(uint32_t index, size_t bucket, size_t size = 10) {
    return copies.defer({kTicket, index, 1}, bucket, bytes(size), origin);
  }
  OverflowCopies::Copied add_queued(uint32_t index, size_t bucket) {
    return copies.add_queued({kTicket, index, 1}, bucket, bytes(10), origin);
  }
  // The places of the events of the next group; empty: there is none now.
  std::vector<uint32_t> next() {
    copies.put_queued_first();
    const auto group = copies.take_next(closings);
    return group ? group->entry.events : std::vector<uint32_t>{};
  }
  static ByteView bytes(size_t size) {
    static const std::string all(256_KiB, 'x');
    return as_bytes(std::string_view(all).substr(0, size));
  }

  spool::Entry origin = SourceLog::entry(1, {.events = 20});
  OverflowClosings closings;
  OverflowCopies copies;
};

using Places = std::vector<uint32_t>;

TEST_F(OverflowCopiesTest, EventsOfOneEntryAreOneGroupUpToItsSize) {
  EXPECT_TRUE(defer(0, 1).is_new_group);
  EXPECT_FALSE(defer(2, 1).is_new_bucket);
  EXPECT_TRUE(defer(3, 2).is_new_bucket);
  EXPECT_TRUE(defer(5, 2, 128_KiB).is_new_group);
  EXPECT_EQ(next(), (Places{0, 2, 3}));
  EXPECT_EQ(next(), (Places{5}));
  EXPECT_TRUE(copies.empty());
}

TEST_F(OverflowCopiesTest, WhatWaitedInTheRetryQueueComesFirst) {
  defer(4, 1);
  add_queued(1, 1);
  add_queued(2, 1);
  EXPECT_EQ(next(), (Places{1, 2}));
  EXPECT_EQ(next(), (Places{4}));
}

TEST_F(OverflowCopiesTest, AGroupWaitsForTheClosingOfItsBucketsAndAllBehindItToo) {
  OverflowClosing closing;
  closing.shard = 3;
  closing.last_request = 5;
  closing.buckets.set(1);
  closings.add(closing);
  defer(0, 1);
  defer(1, 2, 128_KiB);
  EXPECT_EQ(next(), Places{});
  closings.sent(1, 8);
  const auto count_ready = [&](uint64_t oldest) {
    return closings.ready([&](const spool::BucketSet&) { return oldest; }).size();
  };
  EXPECT_EQ(count_ready(8), 0u) << "a later request may bring a record back, too";
  ASSERT_EQ(count_ready(9), 1u);
  closings.finish(closing);
  EXPECT_EQ(next(), (Places{0}));
  EXPECT_EQ(next(), (Places{1}));
}

TEST_F(OverflowCopiesTest, TheOrderOfTheMainLogIsChecked) {
  defer(3, 1);
  EXPECT_DEATH(defer(3, 1), "last_deferred_");
}

}  // namespace
}  // namespace penstock::delivery
