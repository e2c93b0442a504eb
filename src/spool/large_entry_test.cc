// Large entries: one at a time over all logs is in memory, and may be given back.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {
namespace {

constexpr size_t kOrdinary = 1 << 20;
constexpr size_t kSize = 5 << 20;

class LargeEntries : public DiskSpool {
 protected:
  LargeEntries() {
    options.bytes_max = 128 << 20;
    begin();
  }
  ~LargeEntries() override { spool.reset(); }

  void begin() {
    ++internals.salt_seed;
    ledger = std::make_unique<record::Ledger>();
    spool = *SpoolCore::open(options, internals, *ledger, tight_, clock, files);
    a = *spool->open_stream({"a", target, "", 0});
    b = *spool->open_stream({"b", target, "", 0});
    idle_ = tight_.leased_bytes();
  }
  void store(const std::string& stream, char text) {
    append("x", {stream + ":" + std::string(kSize, text)});
    commit();
  }
  // Each large entry, on disk.
  void damage() {
    for (const std::string& path : segment_files()) {
      auto bytes = files.content(path);
      if (bytes.size() < kSize) continue;
      bytes[kSize / 2] ^= 0x10;
      files.set_content(path, bytes);
    }
  }
  // The next entry of "a" is its last.
  void expect_last_of_a(std::string_view text) {
    const auto last = next(a);
    ASSERT_TRUE(last.has_value());
    EXPECT_EQ(text_of(*last), text);
    release(a, *last);
    expect_balance();
    EXPECT_TRUE(a->empty());
  }
  // The damaged one of "a" is counted, and what comes after it is read.
  void expect_passed_over() {
    auto behind = next(a);
    while (!behind && spool->read_turn()) behind = a->read();
    ASSERT_TRUE(behind.has_value());
    EXPECT_EQ(text_of(*behind), "behind");
    release(a, *behind);
    EXPECT_EQ(ledger->snapshot().dropped["damaged"], 1u);
    EXPECT_EQ(tight_.leased_bytes(), idle_);
    expect_balance();
  }
  static char text_begin(const std::optional<Entry>& entry) {
    if (!entry) return ' ';
    EXPECT_TRUE(entry->is_large);
    EXPECT_EQ(entry->batch->entries_size, kSize);
    return text_of(*entry).front();
  }

  memory::MemoryBudget tight_{{.ordinary_bytes = kOrdinary, .large_bytes = 16 << 20}};
  size_t idle_ = 0;  // leased while nothing is read
};

TEST_F(LargeEntries, OneEntryBehindItIsReadWhereThatIsAllowed) {
  store("a", '1');
  append("x", {"a:two"});
  append("x", {"a:three"});
  commit();
  auto large = next(a);
  ASSERT_TRUE(large);
  EXPECT_FALSE(next(a));
  a->allow_one_more();
  auto behind = next(a);
  ASSERT_TRUE(behind);
  EXPECT_EQ(text_of(*behind), "two");
  EXPECT_FALSE(next(a));
  release(a, *large);
  release(a, *behind);
  large.reset();
  behind.reset();
  EXPECT_EQ(text_of(*next(a)), "three");
}

TEST_F(LargeEntries, OneAtATimeIsReadOverAllLogs) {
  store("a", '1');
  store("b", '2');
  auto of_a = next(a);
  EXPECT_EQ(text_begin(of_a), '1');
  EXPECT_FALSE(a->memory_is_awaited());
  EXPECT_FALSE(next(b).has_value());
  EXPECT_TRUE(a->memory_is_awaited());
  EXPECT_LE(tight_.leased_bytes(), idle_ + (16 << 20));
  release(a, *of_a);
  of_a.reset();
  auto of_b = next(b);
  EXPECT_EQ(text_begin(of_b), '2');
  release(b, *of_b);
  of_b.reset();
  EXPECT_EQ(tight_.leased_bytes(), idle_);
  expect_balance();
}

TEST_F(LargeEntries, SmallEntriesOfOtherLogsAreReadWhileOneWaitsForMemory) {
  const auto large = [&] {
    memory::MemoryLease lease;
    tight_.acquire(2 * kOrdinary, [&](memory::MemoryLease got) { lease = std::move(got); });
    return lease;
  }();
  store("a", '1');
  append("x", {"b:small"});
  commit();
  EXPECT_FALSE(next(a).has_value());
  auto small = next(b);
  ASSERT_TRUE(small.has_value());
  release(b, *small);
}

TEST_F(LargeEntries, WhatIsBehindOneWaitsUntilItIsReleased) {
  store("a", '1');
  append("x", {"a:behind"});
  commit();
  auto large = next(a);
  EXPECT_EQ(text_begin(large), '1');
  EXPECT_FALSE(next(a).has_value());
  release(a, *large);
  auto behind = next(a);
  ASSERT_TRUE(behind.has_value());
  EXPECT_EQ(text_of(*behind), "behind");
  release(a, *behind);
}

TEST_F(LargeEntries, OneThatIsUnreadLetsOthersGoAndComesAgainInItsPlace) {
  store("a", '1');
  append("x", {"a:behind"});
  commit();
  store("b", '2');
  auto of_a = next(a);
  EXPECT_EQ(text_begin(of_a), '1');
  a->unread(of_a->position);
  EXPECT_TRUE(a->next_is_large());
  of_a.reset();
  EXPECT_EQ(tight_.leased_bytes(), idle_);
  auto of_b = next(b);
  EXPECT_EQ(text_begin(of_b), '2');
  EXPECT_FALSE(next(a).has_value());
  release(b, *of_b);
  of_b.reset();
  of_a = next(a);
  EXPECT_EQ(text_begin(of_a), '1');
  release(a, *of_a);
  of_a.reset();
  expect_last_of_a("behind");
}

TEST_F(LargeEntries, OneThatIsUnreadIsThereAfterACrash) {
  store("a", '1');
  auto large = next(a);
  EXPECT_EQ(text_begin(large), '1');
  clock.advance(seconds(1));
  commit();  // a checkpoint says that it is read and pending
  a->unread(large->position);
  large.reset();
  clock.advance(seconds(1));
  commit();
  kill();
  begin();
  large = next(a);
  EXPECT_EQ(text_begin(large), '1');
  release(a, *large);
  expect_balance();
}

TEST_F(LargeEntries, OneThatIsNotTakenGivesItsMemoryBack) {
  store("a", '1');
  EXPECT_FALSE(a->read().has_value());
  while (spool->read_turn()) {
  }
  EXPECT_FALSE(a->read().has_value());  // it is wanted now
  while (spool->read_turn()) {
  }
  EXPECT_GT(tight_.leased_bytes(), idle_);
  clock.advance(seconds(4));
  while (spool->read_turn()) {
  }
  EXPECT_EQ(tight_.leased_bytes(), idle_);
  auto large = next(a);
  EXPECT_EQ(text_begin(large), '1');
  release(a, *large);
}

// What delivery asks for once more, as soon as it is read.
std::optional<StreamLog::Reloaded> reload(SpoolCore& spool, StreamLog& log, Position position) {
  for (int i = 0; i < 10; ++i) {
    const StreamLog::Reloaded reloaded = log.reload(position);
    if (reloaded.batch != nullptr || reloaded.is_lost) return reloaded;
    while (spool.read_turn()) {
    }
  }
  return std::nullopt;
}

TEST_F(LargeEntries, TheBatchOfOneThatWasLetGoIsReadOnceMore) {
  store("a", '1');
  append("x", {"a:behind"});
  commit();
  store("b", '2');
  auto of_a = next(a);
  ASSERT_EQ(text_begin(of_a), '1');
  const Position position = of_a->position;
  of_a.reset();
  EXPECT_EQ(tight_.leased_bytes(), idle_);
  auto of_b = next(b);
  EXPECT_EQ(text_begin(of_b), '2') << "it is in flight, and another log has the lease";
  EXPECT_FALSE(reload(*spool, *a, position));
  release(b, *of_b);
  of_b.reset();
  auto reloaded = reload(*spool, *a, position);
  ASSERT_TRUE(reloaded);
  ASSERT_NE(reloaded->batch, nullptr);
  EXPECT_EQ(reloaded->batch->entries_size, kSize);
  EXPECT_GT(tight_.leased_bytes(), idle_);
  EXPECT_FALSE(next(a).has_value()) << "the entry after it waits as before";
  reloaded.reset();
  EXPECT_EQ(tight_.leased_bytes(), idle_);
  ASSERT_TRUE(reload(*spool, *a, position));
  a->release(position);
  ledger->deliver("a", 1);
  expect_last_of_a("behind");
}

TEST_F(LargeEntries, ABatchThatIsReadOnceMoreAndNotTakenGivesItsMemoryBack) {
  store("a", '1');
  auto large = next(a);
  const Position position = large->position;
  large.reset();
  const auto load = [&] {
    EXPECT_EQ(a->reload(position).batch, nullptr);
    while (spool->read_turn()) {
    }
    EXPECT_GT(tight_.leased_bytes(), idle_);
  };
  load();
  clock.advance(seconds(4));
  while (spool->read_turn()) {
  }
  EXPECT_EQ(tight_.leased_bytes(), idle_) << "nobody came for it";
  load();
  a->unread(position);
  EXPECT_EQ(tight_.leased_bytes(), idle_) << "its entry went back";
  large = next(a);
  EXPECT_EQ(text_begin(large), '1');
  large.reset();
  load();
  a->release(position);
  ledger->deliver("a", 1);
  EXPECT_EQ(tight_.leased_bytes(), idle_) << "its entry is final";
  while (spool->read_turn()) {
  }
  expect_balance();
}

TEST_F(LargeEntries, OneThatIsDamagedWhenItIsReadOnceMoreIsPassedOverAndCounted) {
  store("a", '1');
  append("x", {"a:behind"});
  commit();
  const Position position = next(a)->position;
  damage();
  const auto reloaded = reload(*spool, *a, position);
  ASSERT_TRUE(reloaded);
  EXPECT_TRUE(reloaded->is_lost);
  expect_passed_over();
}

TEST_F(LargeEntries, ADamagedOneIsPassedOverAndCounted) {
  store("a", '1');
  append("x", {"a:behind"});
  commit();
  damage();
  expect_passed_over();
}

TEST_F(LargeEntries, WaitingForMemoryEndsWhenTheSpoolStops) {
  memory::MemoryLease large;
  tight_.acquire(2 * kOrdinary, [&](memory::MemoryLease lease) { large = std::move(lease); });
  store("a", '1');
  EXPECT_FALSE(next(a).has_value());
  EXPECT_EQ(tight_.waiting(), 1u);
  spool->close();
  EXPECT_EQ(tight_.waiting(), 0u);
}

}  // namespace
}  // namespace penstock::spool
