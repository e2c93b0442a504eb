// Overflow logs after a crash, whenever it comes, and after damage.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spool/overflow_log_fixture.h"

namespace penstock::spool {
namespace {

// A power loss may leave the later one of two entries that were not synced. The older event is in
// the main log then, and must not come behind the newer one.
TEST_F(OverflowLog, NothingBehindABreakCountsThatTheMainLogStillHas) {
  for (const bool released : {false, true}) {
    open();
    for (int chunk = 1; chunk <= 3; ++chunk) append_chunk(chunk, 2);
    commit();
    std::vector<Entry> entries;
    for (int i = 0; i < 3; ++i) entries.push_back(must_read(a));
    for (const Entry& entry : entries) overflow(entry, {1});
    commit();  // in one run: none of it need be synced when the power goes
    if (released) {
      finish(a, entries[2], 1);
      clock.advance(seconds(1));
      commit();
    }
    kill();
    const auto segment = [&] {
      for (const std::string& path : segment_files()) {
        if (path.find("/overflow-0/") != path.npos) return path;
      }
      return std::string();
    }();
    auto bytes = files.content(segment);
    const std::string broken = event(2, 1);
    const auto at = std::search(bytes.begin(), bytes.end(), broken.begin(), broken.end());
    ASSERT_NE(at, bytes.end());
    *at ^= 1;
    files.set_content(segment, bytes);
    for (const bool again : {false, true}) {
      open();
      std::vector<std::string> kept{event(1, 1)};
      if (released) kept.push_back(event(3, 1));
      std::vector<std::string> main{event(1, 0), event(2, 0), event(2, 1)};
      if (!released) main.insert(main.end(), {event(3, 0), event(3, 1)});
      std::vector<std::string> found;
      while (auto entry = next(a)) {
        for (const std::string& each : events_of(*entry)) found.push_back(each);
        if (again) finish(a, *entry, events_of(*entry).size());
      }
      EXPECT_EQ(found, main) << released << again;
      found.clear();
      while (auto entry = next(a->overflow(0))) {
        for (const std::string& each : events_of(*entry)) found.push_back(each);
        if (again) finish(a->overflow(0), *entry, events_of(*entry).size());
      }
      EXPECT_EQ(found, kept) << released << again;
      expect_balance();
      if (again) {
        EXPECT_TRUE(a->empty());
        spool->close();
        spool.reset();
      } else {
        kill();
      }
    }
  }
}

// What a failed round wrote stands again in the next segment, in order: that it is broken where it
// was cut off says nothing of what comes after.
TEST_F(OverflowLog, WhatAFailedRoundLeftIsNoBreak) {
  open();
  for (int chunk = 1; chunk <= 3; ++chunk) append_chunk(chunk, 2);
  commit();
  std::vector<Entry> entries;
  for (int i = 0; i < 3; ++i) entries.push_back(must_read(a));
  overflow(entries[0], {1});
  commit();
  overflow(entries[1], {1});
  overflow(entries[2], {1});
  files.fail_syncs(1);
  commit();
  clock.advance(seconds(10));
  commit();
  ASSERT_EQ(moves, (std::vector<bool>{true, true, true}));
  finish(a, entries[2], 1);
  clock.advance(seconds(1));
  commit();
  kill();
  size_t broken = 0;
  for (const std::string& path : segment_files()) {
    if (path.find("/overflow-0/") == path.npos || broken > 0) continue;
    auto bytes = files.content(path);
    const std::string left = event(2, 1);
    const auto at = std::search(bytes.begin(), bytes.end(), left.begin(), left.end());
    if (at == bytes.end()) continue;
    *at ^= 1;
    files.set_content(path, bytes);
    ++broken;
  }
  ASSERT_EQ(broken, 1u);
  ASSERT_EQ(overflow_segments(), 2u);
  open();
  std::vector<std::string> found;
  while (auto entry = next(a)) {
    for (const std::string& each : events_of(*entry)) found.push_back(each);
  }
  EXPECT_EQ(found, (std::vector<std::string>{event(1, 0), event(2, 0)}));
  found.clear();
  while (auto entry = next(a->overflow(0))) {
    for (const std::string& each : events_of(*entry)) found.push_back(each);
  }
  EXPECT_EQ(found, (std::vector<std::string>{event(1, 1), event(2, 1), event(3, 1)}));
  expect_balance();
}

// A delivery that sends some events and moves others, killed at every write.
class OverflowLogModel : public OverflowLog, public testing::WithParamInterface<int> {
 protected:
  void deliver_in_this_life(const std::string& event) {
    EXPECT_TRUE(in_this_life.insert(event).second) << event << " came twice in one life";
    delivered.insert(event);
  }
  // Of an entry of the main log the first event is delivered, each other one moves to the overflow
  // log of its place; what an overflow log has is delivered. False: there is nothing.
  bool step(StreamLog* log) {
    auto entry = next(log);
    if (!entry) return false;
    if (entry->origin) {
      for (const std::string& each : events_of(*entry)) deliver_in_this_life(each);
      finish(log, *entry, events_of(*entry).size());
      return true;
    }
    std::vector<std::vector<uint32_t>> rest(kOverflowLogs);
    uint64_t sent = 0;
    for (uint32_t i = 0; i < entry->batch->event_count; ++i) {
      if (std::binary_search(entry->overflowed.begin(), entry->overflowed.end(), i)) continue;
      if (sent == 0) {
        deliver_in_this_life(event_of(*entry, i));
        ++sent;
      } else {
        rest[i % kOverflowLogs].push_back(i);
      }
    }
    ledger->deliver("a", sent);
    size_t waiting = 0;
    for (size_t slot = 0; slot < rest.size(); ++slot) {
      if (rest[slot].empty()) continue;
      ++waiting;
      a->append_overflow(slot, copy_of(*entry, rest[slot]), [&](bool done) { waiting -= done; });
    }
    commit();
    if (waiting == 0) log->release(entry->position);
    return true;
  }
  void live() {
    for (int chunk = 0; chunk < 3; ++chunk) append_chunk(next_chunk++, 4);
    commit();
    for (int i = 0; i < 8; ++i) {
      if (!step(i % 3 == 2 ? a->overflow(1) : a)) step(a->overflow(2));
      if (i % 2 == 0) {
        clock.advance(milliseconds(150));
        commit();
      }
    }
  }
  // Whatever comes out now must be all that is pending, each event once.
  void finish_this_life() {
    for (StreamLog* log : logs()) {
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
