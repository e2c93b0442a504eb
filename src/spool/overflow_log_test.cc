// Overflow logs: events move there, are read from there, and are counted once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "spool/overflow_log_fixture.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(OverflowLog, TakesEventsAndGivesThemBackWithTheirOrigin) {
  open();
  EXPECT_EQ(a->overflow(0)->overflow(0), nullptr);
  append_chunk(1, 4);
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {1, 3});
  EXPECT_TRUE(moves.empty());
  commit();
  finish(a, entry, 2);
  EXPECT_FALSE(a->empty());  // its overflow log is not
  const Entry moved = must_read(a->overflow(0));
  EXPECT_THAT(events_of(moved), ElementsAre(event(1, 1), event(1, 3)));
  EXPECT_EQ(moved.origin, entry.position);
  EXPECT_THAT(moved.origin_events, ElementsAre(1, 3));
  EXPECT_EQ(moved.buckets.count(), 2u);
  EXPECT_TRUE(moved.buckets[3]);
  expect_balance();
  finish(a->overflow(0), moved, 2);
  EXPECT_TRUE(a->empty());
  EXPECT_EQ(ledger->snapshot().pending.at("a"), 0u);
}

TEST_F(OverflowLog, FreesTheSegmentsOfTheMainLog) {
  options.bytes_max = 64 << 20;
  open();
  for (int chunk = 0; chunk < 600; ++chunk) {
    append_chunk(chunk, 50);
    commit();
    const Entry entry = must_read(a);
    overflow(entry, {7});
    commit();
    finish(a, entry, 49);
    clock.advance(milliseconds(120));
    commit();
  }
  const size_t main = segment_files().size() - overflow_segments();
  EXPECT_LE(main, 3u);  // one is filled, one was, one is a spare
  EXPECT_GT(overflow_segments(), 10u);
  kill();
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 600u);
  EXPECT_EQ(drain().size(), 600u);
  expect_balance();
}

TEST_F(OverflowLog, WhatItHasIsNotHandedOutByTheMainLogAfterACrash) {
  open();
  append_chunk(1, 4);
  append_chunk(2, 2);
  commit();
  const Entry one = must_read(a);
  const Entry two = must_read(a);
  overflow(one, {0, 2});
  overflow(two, {0, 1});
  commit();  // synced, and nothing released in the main log
  lose_power();
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 6u);
  const Entry again = must_read(a);
  EXPECT_THAT(again.overflowed, ElementsAre(0, 2));
  EXPECT_THAT(events_of(again), ElementsAre(event(1, 1), event(1, 3)));
  EXPECT_FALSE(next(a).has_value());  // all of the other's events are in the overflow log
  finish(a, again, 2);
  EXPECT_EQ(drain().size(), 4u);
  expect_balance();
  EXPECT_TRUE(a->empty());
}

TEST_F(OverflowLog, WhatWasDeliveredFromItIsNotRepeatedWhileItsEntryIsPending) {
  open();
  append_chunk(1, 4);
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {1});
  commit();
  const Entry moved = must_read(a->overflow(0));
  finish(a->overflow(0), moved, 1);
  // So much that the overflow log begins more segments and could give the first one back.
  for (int chunk = 2; chunk < 40; ++chunk) {
    append_chunk(chunk, 200);
    commit();
    const Entry other = must_read(a);
    overflow(other, all_of(other));
    commit();
    finish(a, other, 0);
    finish(a->overflow(0), must_read(a->overflow(0)), 200);
    clock.advance(milliseconds(120));
    commit();
  }
  lose_power();
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 3u);
  EXPECT_THAT(drain(), ElementsAre(event(1, 0), event(1, 2), event(1, 3)));
}

// Each log is read by itself; a start finds what any of them has.
TEST_F(OverflowLog, SeveralTakeTheEventsOfOneEntry) {
  open();
  append_chunk(1, 6);
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {1, 4}, 0);
  overflow(entry, {2}, 3);
  overflow(entry, {5}, 3);
  commit();
  EXPECT_THAT(moves, ElementsAre(true, true, true));
  finish(a->overflow(3), must_read(a->overflow(3)), 1);  // 2 is delivered
  clock.advance(milliseconds(120));
  commit();
  kill();
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 5u);
  EXPECT_TRUE(a->overflow(1)->empty() && a->overflow(2)->empty());
  EXPECT_THAT(drain(),
              ElementsAre(event(1, 0), event(1, 3), event(1, 1), event(1, 4), event(1, 5)));
  expect_balance();
  EXPECT_TRUE(a->empty());
}

TEST_F(OverflowLog, TellsWhichBucketsWereRecoveredAndUntilWhere) {
  open();
  append_chunk(1, 100);
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {3, 70}, 1);
  commit();
  EXPECT_EQ(a->recovered_overflow(1).buckets.count(), 0u);
  kill();
  open();
  EXPECT_EQ(a->recovered_overflow(0).buckets.count(), 0u);
  const auto recovered = a->recovered_overflow(1);
  EXPECT_TRUE(recovered.buckets.count() == 2 && recovered.buckets[70]);
  const Entry again = must_read(a);
  overflow(again, {5}, 1);
  commit();
  EXPECT_LT(must_read(a->overflow(1)).position, recovered.end);
  EXPECT_GE(must_read(a->overflow(1)).position, recovered.end);
}

TEST_F(OverflowLog, InDeliveredModeAChunkIsAckedWhenItsOverflowIsDelivered) {
  options.ack = AckMode::delivered;
  open();
  append_chunk(1, 3, Hash128{1, 1});
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {2});
  commit();
  finish(a, entry, 2);
  EXPECT_THAT(acked, IsEmpty());
  must_read(a->overflow(0));
  clock.advance(seconds(1));
  commit();
  kill();
  open();
  acked.clear();
  append_chunk(1, 3, Hash128{1, 1});  // sent again: waits with what is left of it
  EXPECT_THAT(acked, IsEmpty());
  EXPECT_THAT(drain(), ElementsAre(event(1, 2)));
  EXPECT_THAT(acked, ElementsAre(1));
  expect_balance();
}

TEST_F(OverflowLog, NewMessagesLeaveItRoomInTheShare) {
  options.bytes_max = 2 << 20;
  open();
  int chunk = 0;
  while (!spool->pushing_back_since() && chunk < 10'000) {
    append_chunk(chunk++, 500);
    commit();
  }
  EXPECT_GT(chunk, 50);
  // At least a segment of it goes to the overflow log.
  size_t moved = 0;
  while (auto entry = next(a)) {
    overflow(*entry, all_of(*entry));
    commit();
    ASSERT_LE(spool->bytes(), options.bytes_max);
    if (moves.size() == moved) break;
    ++moved;
    finish(a, *entry, 0);
    commit();
  }
  EXPECT_GE(moved, 6u);
  EXPECT_LE(spool->figures("a").bytes, spool->figures("a").bytes_max);
  EXPECT_EQ(ledger->snapshot().pending.at("a"), 500u * acked.size());
}

TEST_F(OverflowLog, WaitsForRoomFirstComeFirstServedAndIsToldWhenTheSpoolStops) {
  options.bytes_max = 1 << 20;
  open();
  append_chunk(0, 900);
  commit();
  const Entry entry = must_read(a);
  for (int i = 0; i < 200; ++i) overflow(entry, all_of(entry));
  commit();
  EXPECT_GT(moves.size(), 10u);
  EXPECT_LT(moves.size(), 200u);
  EXPECT_LE(spool->figures("a").bytes, spool->figures("a").bytes_max);
  EXPECT_LE(files.used(), options.bytes_max);
  spool->close();
  EXPECT_EQ(moves.size(), 200u);
  EXPECT_FALSE(moves.back());
}

TEST_F(OverflowLog, DropOldestDropsItBeforeTheMainLog) {
  options.bytes_max = 2 << 20;
  options.when_full = WhenFull::drop_oldest;
  options.cache_bytes_max = 0;
  options.read_bytes_max = 10'000;
  open();
  int chunk = 0;
  for (; chunk < 60; ++chunk) {
    append_chunk(chunk, 500);
    commit();
    const Entry entry = must_read(a);
    overflow(entry, all_of(entry));
    commit();
    finish(a, entry, 0);
    clock.advance(milliseconds(120));
    commit();
  }
  while (!ledger->snapshot().dropped.contains("spool_full")) {
    append_chunk(chunk++, 500);
    commit();
    ASSERT_LT(chunk, 2000);
  }
  expect_balance();
  std::set<std::string> left;
  for (const std::string& each : drain()) left.insert(each);
  size_t overflowed = 0;  // those that were read ahead are not dropped
  for (int i = 0; i < 60; ++i) overflowed += left.contains(event(i, 0)) ? 1 : 0;
  EXPECT_LT(overflowed, 60u);
  for (int i = 60; i < chunk; ++i) EXPECT_TRUE(left.contains(event(i, 0))) << i;
  EXPECT_EQ(left.size() + ledger->snapshot().dropped.at("spool_full"),
            500u * static_cast<size_t>(chunk));
}

TEST_F(OverflowLog, GoesWithItsLogWhenBothAreEmpty) {
  open();
  append_chunk(1, 2);
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {0});
  commit();
  finish(a, entry, 1);
  clock.advance(seconds(1));
  commit();
  kill();
  target = "elsewhere";
  open();
  ASSERT_EQ(spool->logs().size(), 3u);
  StreamLog* const old = spool->logs()[0];
  EXPECT_FALSE(old->empty());
  clock.advance(seconds(20));
  commit();
  const Entry moved = must_read(old->overflow(0));
  finish(old->overflow(0), moved, 1);
  commit();
  EXPECT_EQ(spool->logs().size(), 2u);
  EXPECT_THAT(*files.list("/spool/streams"), testing::UnorderedElementsAre("a.2", "b.1"));
}

}  // namespace
}  // namespace penstock::spool
