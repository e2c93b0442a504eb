// The overflow log: events move there, are read from there, and are counted once, whatever crash
// comes in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class OverflowLog : public DiskSpool {
 protected:
  ~OverflowLog() override { spool.reset(); }  // while there is what its callbacks write to

  static constexpr size_t kEventBytes = 8;

  // Events are texts of the same length: "c12 e3  ".
  static std::string event(int chunk, int index) {
    std::string text = "c" + std::to_string(chunk) + " e" + std::to_string(index);
    text.resize(kEventBytes, ' ');
    return text;
  }
  void append_chunk(int chunk, int events, std::optional<Hash128> fingerprint = {}) {
    Append append;
    append.source = "forward";
    append.fingerprint = fingerprint;
    std::string text;
    for (int i = 0; i < events; ++i) text += event(chunk, i);
    append.parts.push_back({"a", batch_of(text, static_cast<uint32_t>(events))});
    append.parts.back().batch.received_ns = unix_nanoseconds(clock.wall());
    append.done = [this, chunk](AppendOutcome outcome) {
      if (outcome == AppendOutcome::done) acked.insert(chunk);
    };
    spool->append(std::move(append));
  }
  static std::string event_of(const Entry& entry, uint32_t place) {
    return std::string(as_text(entry.batch->entries()).substr(place * kEventBytes, kEventBytes));
  }
  // The events that are to be sent: without those that recovery found elsewhere.
  static std::vector<std::string> events_of(const Entry& entry) {
    std::vector<std::string> events;
    for (uint32_t i = 0; i < entry.batch->event_count; ++i) {
      if (std::binary_search(entry.overflowed.begin(), entry.overflowed.end(), i)) continue;
      events.push_back(event_of(entry, i));
    }
    return events;
  }
  // These places of the entry (of the main log, or of the overflow log) as an overflow entry.
  static OverflowEntry copy_of(const Entry& entry, const std::vector<uint32_t>& places) {
    OverflowEntry copy;
    std::string text;
    for (const uint32_t place : places) {
      text += event_of(entry, place);
      const uint32_t index = entry.origin ? entry.origin_events[place] : place;
      copy.events.push_back(index);
      copy.buckets.set(index % 1024);
    }
    copy.batch = batch_of(text, static_cast<uint32_t>(places.size()));
    copy.batch.id = entry.batch->id;
    copy.batch.received_ns = entry.batch->received_ns;
    copy.origin = entry.origin.value_or(entry.position);
    return copy;
  }
  static std::vector<uint32_t> all_of(const Entry& entry) {
    std::vector<uint32_t> places(entry.batch->event_count);
    std::iota(places.begin(), places.end(), 0u);
    return places;
  }
  void overflow(const Entry& entry, const std::vector<uint32_t>& places) {
    a->append_overflow(copy_of(entry, places), [this](bool moved) { moves.push_back(moved); });
  }
  void finish(StreamLog* log, const Entry& entry, uint64_t delivered) {
    if (delivered > 0) ledger->deliver("a", delivered);
    log->release(entry.position);
  }
  // All that can be had of both logs.
  std::vector<std::string> drain() {
    std::vector<std::string> events;
    for (StreamLog* log : {a, a->overflow()}) {
      while (auto entry = next(log)) {
        const auto some = events_of(*entry);
        EXPECT_FALSE(some.empty());
        events.insert(events.end(), some.begin(), some.end());
        finish(log, *entry, some.size());
      }
    }
    return events;
  }
  [[nodiscard]] size_t overflow_segments() const {
    size_t count = 0;
    for (const std::string& path : segment_files()) count += path.find("/overflow/") != path.npos;
    return count;
  }

  // The next entry, which is there.
  Entry must_read(StreamLog* log) {
    auto entry = next(log);
    EXPECT_TRUE(entry.has_value());
    if (!entry) throw std::runtime_error("nothing to read");
    return std::move(*entry);
  }

  std::set<int> acked;
  std::vector<bool> moves;
};

TEST_F(OverflowLog, TakesEventsAndGivesThemBackWithTheirOrigin) {
  open();
  EXPECT_EQ(a->overflow()->overflow(), nullptr);
  append_chunk(1, 4);
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {1, 3});
  EXPECT_TRUE(moves.empty());
  commit();
  finish(a, entry, 2);
  EXPECT_FALSE(a->empty());  // its overflow log is not
  const Entry moved = must_read(a->overflow());
  EXPECT_THAT(events_of(moved), ElementsAre(event(1, 1), event(1, 3)));
  EXPECT_EQ(moved.origin, entry.position);
  EXPECT_THAT(moved.origin_events, ElementsAre(1, 3));
  EXPECT_EQ(moved.buckets.count(), 2u);
  EXPECT_TRUE(moved.buckets[3]);
  expect_balance();
  finish(a->overflow(), moved, 2);
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
  const Entry moved = must_read(a->overflow());
  finish(a->overflow(), moved, 1);
  // So much that the overflow log begins more segments and could give the first one back.
  for (int chunk = 2; chunk < 40; ++chunk) {
    append_chunk(chunk, 200);
    commit();
    const Entry other = must_read(a);
    overflow(other, all_of(other));
    commit();
    finish(a, other, 0);
    finish(a->overflow(), must_read(a->overflow()), 200);
    clock.advance(milliseconds(120));
    commit();
  }
  lose_power();
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 3u);
  EXPECT_THAT(drain(), ElementsAre(event(1, 0), event(1, 2), event(1, 3)));
}

TEST_F(OverflowLog, TheLastOfSeveralCopiesCounts) {
  open();
  append_chunk(1, 6);
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {1, 2, 3});
  overflow(entry, {5});
  commit();
  finish(a, entry, 2);
  const Entry head = must_read(a->overflow());
  overflow(head, {0, 2});  // of the origin 1 and 3, again at the tail
  commit();
  EXPECT_EQ(moves.size(), 3u);
  lose_power();
  open();
  std::vector<std::vector<std::string>> entries;
  std::vector<std::string> all;
  while (auto found = next(a->overflow())) {
    entries.push_back(events_of(*found));
    for (const std::string& each : entries.back()) all.push_back(each);
    finish(a->overflow(), *found, entries.back().size());
  }
  EXPECT_THAT(entries, ElementsAre(ElementsAre(event(1, 2)), ElementsAre(event(1, 5)),
                                   ElementsAre(event(1, 1), event(1, 3))));
  expect_balance();
}

TEST_F(OverflowLog, TellsWhichBucketsWereRecoveredAndUntilWhere) {
  open();
  append_chunk(1, 100);
  commit();
  const Entry entry = must_read(a);
  overflow(entry, {3, 70});
  commit();
  EXPECT_EQ(a->recovered_overflow().buckets.count(), 0u);
  kill();
  open();
  const auto recovered = a->recovered_overflow();
  EXPECT_TRUE(recovered.buckets.count() == 2 && recovered.buckets[70]);
  const Entry moved = must_read(a->overflow());
  EXPECT_LT(moved.position, recovered.end);
  overflow(moved, {0});
  commit();
  finish(a->overflow(), moved, 1);
  EXPECT_GE(must_read(a->overflow()).position, recovered.end);
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
  const Entry moved = must_read(a->overflow());
  overflow(moved, {0});
  commit();
  finish(a->overflow(), moved, 0);
  EXPECT_THAT(acked, IsEmpty());
  must_read(a->overflow());
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
  // From its head to its tail events go always, whatever else waits for room.
  for (int round = 0; round < 200; ++round) {
    const Entry head = must_read(a->overflow());
    bool again = false;
    a->append_overflow(copy_of(head, all_of(head)), [&](bool done) { again = done; });
    clock.advance(milliseconds(120));
    commit();
    ASSERT_TRUE(again) << round;
    finish(a->overflow(), head, 0);
    commit();
    ASSERT_LE(spool->bytes(), options.bytes_max);
  }
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
  const Entry moved = must_read(old->overflow());
  finish(old->overflow(), moved, 1);
  commit();
  EXPECT_EQ(spool->logs().size(), 2u);
  EXPECT_THAT(*files.list("/spool/streams"), testing::UnorderedElementsAre("a.2", "b.1"));
}

// A delivery that sends some events, moves some and moves some again, killed at every write.
class OverflowLogModel : public OverflowLog, public testing::WithParamInterface<int> {
 protected:
  void deliver_in_this_life(const std::string& event) {
    EXPECT_TRUE(in_this_life.insert(event).second) << event << " came twice in one life";
    delivered.insert(event);
  }
  // Of each entry the first event is delivered, the rest moves on; false: there is nothing.
  bool step(StreamLog* log) {
    auto entry = next(log);
    if (!entry) return false;
    std::vector<uint32_t> rest;
    uint64_t sent = 0;
    for (uint32_t i = 0; i < entry->batch->event_count; ++i) {
      if (std::binary_search(entry->overflowed.begin(), entry->overflowed.end(), i)) continue;
      if (sent == 0) {
        deliver_in_this_life(event_of(*entry, i));
        ++sent;
      } else {
        rest.push_back(i);
      }
    }
    ledger->deliver("a", sent);
    if (rest.empty()) {
      log->release(entry->position);
      return true;
    }
    bool moved = false;
    a->append_overflow(copy_of(*entry, rest), [&](bool done) { moved = done; });
    commit();
    if (moved) log->release(entry->position);
    return true;
  }
  void live() {
    for (int chunk = 0; chunk < 3; ++chunk) append_chunk(next_chunk++, 4);
    commit();
    for (int i = 0; i < 8; ++i) {
      if (!step(i % 3 == 2 ? a->overflow() : a)) step(a->overflow());
      if (i % 2 == 0) {
        clock.advance(milliseconds(150));
        commit();
      }
    }
  }
  // Whatever comes out now must be all that is pending, each event once.
  void finish_this_life() {
    for (StreamLog* log : {a, a->overflow()}) {
      while (auto entry = next(log)) {
        for (const std::string& each : events_of(*entry)) deliver_in_this_life(each);
        finish(log, *entry, events_of(*entry).size());
      }
    }
  }
  std::set<std::string> delivered;
  std::set<std::string> in_this_life;
  int next_chunk = 0;
};

TEST_P(OverflowLogModel, LosesNothingAndHandsNothingOutTwiceInOneLife) {
  const bool power = GetParam() % 2 == 0;
  options.cache_bytes_max = GetParam() % 3 == 0 ? 0 : 1 << 20;
  int crashes = 0;
  bool crashed = true;
  for (uint64_t n = 1; std::exchange(crashed, false); ++n) {
    files.forget_crash();
    open();
    in_this_life.clear();
    files.crash_after(n);
    try {
      live();
    } catch (const FaultyFileSystem::Crash&) {
      crashed = true;
      ++crashes;
    }
    files.forget_crash();
    power ? lose_power() : kill();
    // The next life finds each event that was acknowledged and not delivered.
    open();
    const uint64_t recovered = ledger->snapshot().received["recovered"];
    in_this_life.clear();
    finish_this_life();
    EXPECT_EQ(in_this_life.size(), recovered) << "crash " << n;
    expect_balance();
    EXPECT_EQ(ledger->snapshot().pending["a"], 0u);
    for (const int chunk : acked) {
      for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(delivered.contains(event(chunk, i))) << event(chunk, i) << " crash " << n;
      }
    }
    clock.advance(seconds(1));
    commit();
    spool->close();
    spool.reset();
  }
  EXPECT_GT(crashes, 40);
}

INSTANTIATE_TEST_SUITE_P(KillsAndPowerLosses, OverflowLogModel, testing::Range(0, 6));

}  // namespace
}  // namespace penstock::spool
