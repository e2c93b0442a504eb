// The spool with a directory, turned by hand on a file system that fails when told to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(DiskSpool, AnAppendIsDoneWhenItsPartsAreSyncedAndNotBefore) {
  open();
  append("1", {"a:one", "b:uno"});
  EXPECT_THAT(admitted, ElementsAre("1"));
  EXPECT_THAT(outcomes, IsEmpty());
  EXPECT_FALSE(a->read().has_value());
  commit();
  EXPECT_THAT(outcomes, ElementsAre("1 done"));
  EXPECT_THAT(deliver(a), ElementsAre("one"));
  EXPECT_THAT(deliver(b), ElementsAre("uno"));
  expect_balance();
}

TEST_F(DiskSpool, WhatWasAckedSurvivesALossOfPower) {
  open();
  append("1", {"a:one", "b:uno"});
  append("2", {"a:two"});
  commit();
  append("3", {"a:three"});  // never acked
  lose_power();
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 3u);
  EXPECT_THAT(deliver(a), ElementsAre("one", "two"));
  EXPECT_THAT(deliver(b), ElementsAre("uno"));
  expect_balance();
}

// A segment that fails in the round it was begun in is removed, also one made of the spare file.
TEST_F(DiskSpool, ASpareFileThatAFailedSegmentUsedUpIsNotCountedAnyMore) {
  open();
  const auto send = [&] {
    append("x", {"a:" + std::string(20'000, 'x')});
    commit();
  };
  const auto has_spare = [&] {
    const std::vector<std::string> all = files.files();
    return std::find(all.begin(), all.end(), "/spool/streams/a.1/spare.seg") != all.end();
  };
  for (int i = 0; i < 10; ++i) send();
  (void)deliver(a);
  clock.advance(seconds(1));
  commit();
  ASSERT_TRUE(has_spare());
  const uint64_t uncounted = files.used() - spool->bytes();
  files.fail_syncs(2);  // the second one in the segment that is begun after the first
  send();
  clock.advance(seconds(2));
  commit();
  EXPECT_EQ(files.used() - spool->bytes(), uncounted);
  EXPECT_EQ(deliver(a).size(), 1u);
}

TEST_F(DiskSpool, WhatWasReleasedIsNotSentAgainAfterARestart) {
  open();
  append("1", {"a:one"});
  append("2", {"a:two"});
  append("3", {"a:three"});
  commit();
  const Entry one = *next(a);
  const Entry two = *next(a);
  const Entry three = *next(a);
  release(a, one);
  release(a, three);  // out of order
  clock.advance(seconds(1));
  commit();
  lose_power();
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 1u);
  EXPECT_THAT(deliver(a), ElementsAre("two"));
  (void)two;
}

TEST_F(DiskSpool, BacklogBeyondTheCacheIsReadFromDiskInOrder) {
  options.cache_bytes_max = 4000;
  options.read_bytes_max = 4000;
  open();
  std::vector<std::string> expected;
  for (int i = 0; i < 200; ++i) {
    expected.push_back(std::to_string(i) + std::string(500, 'x'));
    append(std::to_string(i), {"a:" + expected.back()});
    if (i % 7 == 0) commit();
  }
  commit();
  EXPECT_EQ(outcomes.size(), 200u);
  EXPECT_EQ(deliver(a), expected);
  expect_balance();
  EXPECT_TRUE(a->empty());
}

TEST_F(DiskSpool, SegmentsThatAreReleasedAreGivenBack) {
  open();
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 30; ++i) append("x", {"a:" + std::string(2000, 'x')});
    commit();
    EXPECT_EQ(deliver(a).size(), 30u);
    commit();
    EXPECT_LE(segment_files().size(), 3u);  // the one being filled, the one before, the spare
  }
  EXPECT_EQ(admitted.size(), 600u);
}

TEST_F(DiskSpool, AFullStreamMakesAppendsWaitUntilASegmentIsGivenBack) {
  options.bytes_max = 900 << 10;
  open();
  size_t sent = 0;
  while (!spool->pushing_back_since() && sent < 1000) {
    append("x", {"a:" + std::string(5000, 'x')});
    commit();
    ++sent;
  }
  EXPECT_GT(sent, 20u);
  EXPECT_LT(sent, 90u);
  EXPECT_EQ(admitted.size(), sent - 1);
  EXPECT_LE(spool->bytes(), options.bytes_max);
  EXPECT_LE(files.used(), options.bytes_max);
  EXPECT_TRUE(spool->figures("a").pushing_back);
  EXPECT_FALSE(spool->figures("b").pushing_back);
  EXPECT_LE(spool->figures("a").bytes, spool->figures("a").bytes_max);
  append("other", {"b:goes on"});
  EXPECT_EQ(admitted.back(), "other");
  deliver(a);
  commit();
  EXPECT_EQ(admitted.size(), sent + 1);
  EXPECT_FALSE(spool->pushing_back_since().has_value());
}

TEST_F(DiskSpool, DropOldestDropsWholeSegmentsThatDeliveryHasNotSeen) {
  options.bytes_max = 900 << 10;
  options.when_full = WhenFull::drop_oldest;
  options.cache_bytes_max = 30000;
  open();
  append("first", {"a:first"});
  commit();
  const Entry in_flight = *next(a);
  for (int i = 0; i < 500; ++i) {
    append("x", {"a:" + std::to_string(i) + std::string(5000, 'x')});
    commit();
  }
  EXPECT_EQ(admitted.size(), 501u);
  EXPECT_EQ(outcomes.size(), 501u);
  EXPECT_LE(spool->bytes(), options.bytes_max);
  const uint64_t dropped = ledger->snapshot().dropped.at("spool_full");
  EXPECT_GT(dropped, 400u);
  release(a, in_flight);
  const auto rest = deliver(a);
  EXPECT_EQ(rest.size() + dropped, 500u);
  EXPECT_TRUE(rest.back().starts_with("499"));
  EXPECT_TRUE(a->empty());
  expect_balance();
}

TEST_F(DiskSpool, AFullDiskStopsAcksAndGoesOnWhenThereIsRoomAgain) {
  open();
  append("1", {"a:one"});
  commit();
  files.set_capacity(files.used());
  append("2", {"b:uno"});  // needs a segment
  commit();
  EXPECT_THAT(outcomes, ElementsAre("1 done"));
  EXPECT_TRUE(spool->pushing_back_since().has_value());
  EXPECT_NE(spool->last_error().find("No space"), std::string::npos);
  append("3", {"b:due"});
  append("4", {"a:two"});  // room in the segment that is there
  commit();
  EXPECT_THAT(outcomes, ElementsAre("1 done", "4 done"));
  files.set_capacity(~0ull);
  clock.advance(seconds(2));
  commit();
  EXPECT_THAT(outcomes, ElementsAre("1 done", "4 done", "2 done", "3 done"));
  EXPECT_FALSE(spool->pushing_back_since().has_value());
  EXPECT_THAT(deliver(b), ElementsAre("uno", "due"));
}

TEST_F(DiskSpool, AStartOnAFullDiskWorks) {
  open();
  append("1", {"a:one"});
  commit();
  kill();
  files.set_capacity(files.used());
  open();
  append("2", {"a:two"});
  commit();
  EXPECT_THAT(outcomes, ElementsAre("1 done"));
  EXPECT_THAT(deliver(a), ElementsAre("one"));
  files.set_capacity(~0ull);
  clock.advance(seconds(2));
  commit();
  EXPECT_THAT(deliver(a), ElementsAre("two"));
}

TEST_F(DiskSpool, ADiskWithLessRoomThanASegmentIsFilledBySmallerOnes) {
  internals.segment_bytes = 8 << 20;
  options.bytes_max = 256 << 20;
  open();
  files.set_capacity(files.used() + (6 << 20));
  size_t stored = 0;
  while (outcomes.size() == stored && stored < 100) {
    append("x", {"a:" + std::string(100'000, 'x')});
    commit();
    ++stored;
  }
  EXPECT_GT(outcomes.size(), 40u);  // of 6 MiB at least 4
  EXPECT_LT(outcomes.size(), 60u);
  EXPECT_EQ(deliver(a).size(), outcomes.size());
  files.set_capacity(~0ull);
  clock.advance(seconds(2));
  commit();
  EXPECT_EQ(outcomes.size(), stored);
  EXPECT_EQ(deliver(a).size(), 1u);
}

TEST_F(DiskSpool, ADiskThatIsFullBeforeTheFirstDeliveryIsFreedByIt) {
  open();
  for (int i = 0; i < 100; ++i) append("x", {"a:" + std::string(5000, 'x')});
  commit();
  const uint64_t full = files.used();
  files.set_capacity(full);
  EXPECT_EQ(deliver(a).size(), 100u);
  commit();
  clock.advance(seconds(2));
  commit();
  EXPECT_LT(files.used(), full);
  kill();
  open();
  EXPECT_THAT(deliver(a), ElementsAre());
}

TEST_F(DiskSpool, AFailedSyncClosesTheSegmentAndStoresItsEntriesAgainElsewhere) {
  open();
  append("1", {"a:one"});
  commit();
  files.fail_syncs(1);
  append("2", {"a:two"});
  commit();
  EXPECT_THAT(outcomes, ElementsAre("1 done", "2 done"));
  append("3", {"a:three"});
  commit();
  lose_power();
  open();
  EXPECT_THAT(deliver(a), ElementsAre("one", "two", "three"));  // two not twice
}

TEST_F(DiskSpool, AReadOnlyDiskIsSurvived) {
  open();
  append("1", {"a:one"});
  commit();
  files.fail_with(1.0, EROFS);
  append("2", {"a:two"});
  for (int i = 0; i < 5; ++i) {
    commit();
    clock.advance(seconds(2));
  }
  EXPECT_THAT(outcomes, ElementsAre("1 done"));
  EXPECT_TRUE(spool->pushing_back_since().has_value());
  EXPECT_THAT(deliver(a), ElementsAre("one"));
  files.fail_with(0, 0);
  clock.advance(seconds(2));
  commit();
  EXPECT_THAT(outcomes, ElementsAre("1 done", "2 done"));
  EXPECT_THAT(deliver(a), ElementsAre("two"));
}

TEST_F(DiskSpool, ARepeatIsRecognisedAfterARestart) {
  open();
  append("1", {"a:one", "b:uno"}, Hash128{1, 1});
  append("2", {"a:two"}, Hash128{2, 2});
  commit();
  EXPECT_THAT(deliver(b), ElementsAre("uno"));
  lose_power();
  open();
  append("again", {"a:one", "b:uno"}, Hash128{1, 1});
  EXPECT_EQ(outcomes.back(), "again done");
  EXPECT_THAT(deliver(a), ElementsAre("one", "two"));
  expect_balance();
}

// What was stored before the clock went back seems to come from the future.
TEST_F(DiskSpool, ARepeatIsRecognizedAfterTheClockWentBackAndARestart) {
  open();
  append("before", {"a:before"}, Hash128{1, 1});
  commit();
  clock.set_wall(clock.wall() - std::chrono::hours(3));
  append("after", {"a:after"}, Hash128{2, 2});
  commit();
  kill();
  open();
  append("before again", {"a:before"}, Hash128{1, 1});
  append("after again", {"a:after"}, Hash128{2, 2});
  commit();
  EXPECT_EQ(sum(ledger->snapshot().duplicate), 2u);
  EXPECT_THAT(deliver(a), ElementsAre("before", "after"));
  expect_balance();
}

TEST_F(DiskSpool, ARepeatIsRecognisedAfterItsSegmentIsGone) {
  open();
  append("first", {"a:first"}, Hash128{1, 1});
  for (int i = 0; i < 100; ++i) append("x", {"a:" + std::string(2000, 'x')});
  commit();
  deliver(a);
  commit();
  EXPECT_LE(segment_files().size(), 3u);
  spool->close();
  spool.reset();
  open();
  append("again", {"a:first"}, Hash128{1, 1});
  EXPECT_EQ(outcomes.back(), "again done");
  spool->close();
  spool.reset();
  clock.advance(std::chrono::hours(2));
  open();
  append("late", {"a:first"}, Hash128{1, 1});
  commit();
  EXPECT_THAT(deliver(a), ElementsAre("first"));
}

TEST_F(DiskSpool, OfAChunkInPartsOnlyTheMissingOnesAreStoredAfterACrash) {
  open();
  append("0", {"a:zero", "b:nulla"});
  commit();
  // The disk fails for b after a has been synced.
  append("1", {"a:one", "b:uno"}, Hash128{1, 1});
  bool crashed = false;
  for (uint64_t n = 1; !crashed && n < 10; ++n) {
    files.crash_after(4);  // write a, write b, sync a, sync b
    try {
      commit();
    } catch (const FaultyFileSystem::Crash&) {
      crashed = true;
    }
  }
  ASSERT_TRUE(crashed);
  lose_power();
  EXPECT_THAT(outcomes, ElementsAre("0 done"));
  open();
  const bool lost = ledger->snapshot().received.at("recovered") == 3;
  append("again", {"a:one", "b:uno"}, Hash128{1, 1});
  commit();
  EXPECT_EQ(outcomes.back(), "again done");
  EXPECT_THAT(deliver(a), ElementsAre("zero", "one"));
  EXPECT_THAT(deliver(b), ElementsAre("nulla", "uno"));
  EXPECT_EQ(ledger->snapshot().duplicate["forward"], lost ? 1u : 2u);
  expect_balance();
}

TEST_F(DiskSpool, InDeliveredModeARecoveredChunkIsAckedOnlyWhenItIsReleased) {
  options.ack = AckMode::delivered;
  open();
  append("1", {"a:one", "b:uno"}, Hash128{1, 1});
  commit();
  EXPECT_THAT(outcomes, IsEmpty());
  kill();
  outcomes.clear();
  open();
  append("again", {"a:one", "b:uno"}, Hash128{1, 1});
  deliver(a);
  EXPECT_THAT(outcomes, IsEmpty());
  deliver(b);
  EXPECT_THAT(outcomes, ElementsAre("again done"));
}

TEST_F(DiskSpool, AChangedTargetLeavesTheOldLogWithItsSettingsOverARestart) {
  open();
  append("1", {"a:old"});
  commit();
  kill();
  target = "elsewhere";
  open();
  append("2", {"a:new"});
  commit();
  ASSERT_EQ(spool->logs().size(), 3u);
  EXPECT_EQ(spool->logs()[0]->stream(), "a");
  EXPECT_NE(spool->logs()[0], a);
  EXPECT_THAT(deliver(spool->logs()[0]), ElementsAre("old"));
  EXPECT_THAT(deliver(a), ElementsAre("new"));
  clock.advance(seconds(20));
  commit();
  EXPECT_EQ(spool->logs().size(), 2u);
  EXPECT_THAT(*files.list("/spool/streams"), testing::UnorderedElementsAre("a.2", "b.1"));
}

TEST_F(DiskSpool, CloseWritesWhatWasAdmittedAndTheCheckpoint) {
  open();
  append("1", {"a:one"});
  commit();
  deliver(a);
  append("2", {"a:two"});
  spool->close();
  EXPECT_THAT(outcomes, ElementsAre("1 done", "2 done"));
  spool.reset();
  files.lose_power();
  open();
  EXPECT_THAT(deliver(a), ElementsAre("two"));
}

TEST_F(DiskSpool, DamageInTheMiddleIsPassedOverAndCounted) {
  open();
  for (int i = 0; i < 5; ++i) {
    append("x", {"a:" + std::to_string(i) + std::string(3000, 'x')});
    commit();
  }
  kill();
  const std::string path = segment_files().front();
  auto bytes = files.content(path);
  bytes[4096 + 2 * 4096 + 200] ^= 1;  // in the third entry
  files.set_content(path, bytes);
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 5u);
  EXPECT_EQ(ledger->snapshot().dropped.at("damaged"), 1u);
  EXPECT_EQ(deliver(a).size(), 4u);
  expect_balance();
}

TEST_F(DiskSpool, DamageThatComesAfterTheStartIsCountedAsDropped) {
  options.cache_bytes_max = 0;
  open();
  for (int i = 0; i < 5; ++i) append("x", {"a:" + std::to_string(i) + std::string(3000, 'x')});
  commit();
  const std::string path = segment_files().front();
  auto bytes = files.content(path);
  bytes[4096 + 2 * 3100 + 200] ^= 1;
  files.set_content(path, bytes);
  EXPECT_EQ(deliver(a).size(), 4u);
  EXPECT_EQ(ledger->snapshot().dropped.at("damaged"), 1u);
  EXPECT_TRUE(a->empty());
  append("y", {"a:later"});
  commit();
  EXPECT_THAT(deliver(a), ElementsAre("later"));
  expect_balance();
}

TEST_F(DiskSpool, ALaterVersionsDirectoryIsLeftUntouched) {
  open();
  spool->close();
  spool.reset();
  const std::string later = "penstock spool 3\n";
  files.set_content("/spool/format", {later.begin(), later.end()});
  const auto before = files.operations();
  auto opened = SpoolCore::open(options, internals, *ledger, budget, clock, files);
  ASSERT_FALSE(opened.has_value());
  EXPECT_NE(opened.error().message.find("later version"), std::string::npos);
  EXPECT_EQ(files.operations(), before + 1);  // the directory above was synced
}

}  // namespace
}  // namespace penstock::spool
