#include "delivery/large_entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "delivery/source_log.h"

namespace penstock::delivery {
namespace {

using namespace std::chrono_literals;

// A main log, what was read of it, and its large entry watched in simulated time.
class LargeEntriesTest : public testing::Test {
 protected:
  // Reads the next entry, as RequestFiller does.
  std::optional<uint64_t> open_next() {
    const auto source = sources.next(
        {.window_bytes_max = 1_MiB, .may_read_large = large.may_read(), .barred = large.barred()});
    if (!source) return std::nullopt;
    return sources.cursor(*source).ticket();
  }
  // All of its records are made.
  void pass_over() {
    sources.cursor(EntrySources::kMain).skip();
    EXPECT_FALSE(sources.cursor(EntrySources::kMain).event());
  }
  // A large entry whose records are all made, with a later entry of its log in the window.
  std::optional<uint64_t> open_large_and_later() {
    log.add({.events = 1, .is_large = true});
    log.add({.events = 1});
    const auto first = open_next();
    if (!first) return std::nullopt;
    pass_over();
    EXPECT_TRUE(open_next());
    return first;
  }
  // A large entry whose batch was let go.
  uint64_t let_go(bool with_later_entries = true) {
    log.is_memory_awaited = true;
    log.add({.events = 1, .is_large = true});
    const auto ticket = open_next();
    EXPECT_TRUE(ticket);
    pass_over();
    if (with_later_entries) {
      log.add({.events = 1});
      EXPECT_TRUE(open_next());
    }
    pass(0s);
    pass(6s);
    EXPECT_TRUE(window.is_let_go(*ticket));
    return *ticket;
  }
  void pass(seconds time, bool is_under_way = true) {
    clock.advance(time);
    alarm.begin();
    large.watch(is_under_way);
  }

  ManualClock clock;
  memory::MemoryBudget memory{{.ordinary_bytes = 8_MiB}};
  OwnerPost post{[](const std::function<void()>& work) { work(); }};
  Alarm alarm{clock, [](SteadyTime) {}};
  SourceLog log{SourceLog::Kind::on_disk};
  EntryWindow window;
  EventSplitters splitters{window, memory, memory.join()};
  Overflow overflow{log, window, {memory, memory.join()}, post, [] {}};
  EntrySources sources{log, window, overflow};
  LargeEntries large{log, window, sources, splitters, alarm};
};

TEST_F(LargeEntriesTest, OneWithoutProgressGoesBackWhenSomebodyWaitsForItsMemory) {
  log.add({.events = 1, .is_large = true});
  ASSERT_TRUE(open_next());
  pass(0s);
  pass(60s);
  EXPECT_TRUE(window.large()) << "nobody waits";
  log.is_memory_awaited = true;
  pass(0s);
  EXPECT_FALSE(window.large());
  EXPECT_EQ(log.unread_offsets.size(), 1u);
  EXPECT_FALSE(open_next()) << "none is read before the stream accepts something";
  large.accepted(99);
  EXPECT_TRUE(open_next());
}

TEST_F(LargeEntriesTest, OneIsKeptAsLongAsRecordsOfItAreAccepted) {
  log.is_memory_awaited = true;
  log.add({.events = 1, .is_large = true});
  const auto ticket = open_next();
  ASSERT_TRUE(ticket);
  pass(0s);
  for (int i = 0; i < 10; ++i) {
    pass(4s);
    large.accepted(*ticket);
  }
  EXPECT_TRUE(window.large());
  pass(4s);
  large.accepted(*ticket + 1);
  pass(2s);
  EXPECT_FALSE(window.large()) << "what others deliver is no progress of its own";
}

TEST_F(LargeEntriesTest, WithNothingUnderWayAnotherIsReadWithoutAnAcceptance) {
  log.is_memory_awaited = true;
  log.add({.events = 1, .is_large = true});
  ASSERT_TRUE(open_next());
  pass(0s);
  pass(6s);
  EXPECT_FALSE(large.may_read());
  pass(1s, false);
  EXPECT_TRUE(large.may_read());
}

TEST_F(LargeEntriesTest, WithoutAnAcceptanceAnotherIsReadAfterAWhileThatGrows) {
  log.is_memory_awaited = true;
  log.add({.events = 1, .is_large = true});
  const auto barred_for = [&] {
    EXPECT_TRUE(open_next());
    pass(0s);
    pass(5s);
    seconds waited{0};
    for (; !large.may_read() && waited < 1h; ++waited) pass(1s);
    return waited;
  };
  EXPECT_EQ(barred_for(), 30s);
  EXPECT_EQ(barred_for(), 60s);
  for (int i = 0; i < 4; ++i) (void)barred_for();
  EXPECT_EQ(barred_for(), 480s);
  large.accepted(99);
  EXPECT_EQ(barred_for(), 30s);
}

TEST_F(LargeEntriesTest, OneWhoseEventIsStoredElsewhereIsKept) {
  log.is_memory_awaited = true;
  log.add({.events = 1, .is_large = true});
  const auto ticket = open_next();
  ASSERT_TRUE(ticket);
  window.pin(*ticket);
  pass(0s);
  pass(60s);
  EXPECT_TRUE(window.large());
  EXPECT_FALSE(large.give_back(*ticket));
}

// The copy may wait for long: until requests of its buckets are answered, while the stream is away.
TEST_F(LargeEntriesTest, OneWhoseEventsAreAllCopiedLetsItsMemoryGo) {
  log.is_memory_awaited = true;
  log.add({.events = 1, .is_large = true});
  const auto ticket = open_next();
  ASSERT_TRUE(ticket);
  const auto event = sources.cursor(EntrySources::kMain).event();
  ASSERT_TRUE(event);
  spool::BucketSet bucket;
  bucket.set(7);
  overflow.begin(kinesis::kNoShard, bucket, 1);
  ASSERT_TRUE(overflow.defer(event->span, 7, event->batch.entries()));
  pass_over();
  pass(0s);
  pass(6s);
  EXPECT_TRUE(window.is_let_go(*ticket));
  EXPECT_FALSE(large.give_back(*ticket));
}

// A stream that is paused asks no cursor for the next event.
TEST_F(LargeEntriesTest, NothingHoldsTheBatchOfOneThatIsFinal) {
  log.add({.events = 1, .is_large = true});
  const auto ticket = open_next();
  ASSERT_TRUE(ticket);
  const std::shared_ptr<const record::Batch> batch = window.entry(*ticket).batch;
  const auto holders = batch.use_count();  // the log that it was added to is one
  sources.cursor(EntrySources::kMain).skip();
  window.finish(*ticket, 1);
  EXPECT_EQ(batch.use_count(), holders - 2) << "window and cursor";
}

// Its shard takes nothing, perhaps for a day, and nobody waits for memory.
TEST_F(LargeEntriesTest, OneOfAnOverflowLogGoesBackForALargeOneOfTheMainLog) {
  SourceLog& overflowed = log.overflow_log(0);
  overflowed.add({.events = 1, .is_large = true});
  log.add({.events = 1, .is_large = true});
  for (const bool are_records_made : {false, true}) {
    const auto first = open_next();
    ASSERT_TRUE(first && window.is_of(*first, overflowed));
    if (are_records_made) {
      sources.cursor(0).skip();
      EXPECT_FALSE(sources.cursor(0).event());
      sources.passed(0, *first);
    }
    pass(0s);
    pass(4s);
    EXPECT_EQ(window.large(), first);
    pass(2s, false);
    EXPECT_FALSE(window.large());
    pass(1s, false);
    const auto second = open_next();
    ASSERT_TRUE(second && window.is_of(*second, log));
    pass_over();
    large.accepted(*second);
    EXPECT_EQ(large.barred(), nullptr) << "the main log's next entry is not large";
    log.add({.events = 1, .is_large = true});
    EXPECT_EQ(large.barred(), &overflowed);
    window.finish(*second, 1);
    if (!are_records_made) {
      pass(30s);
      EXPECT_EQ(large.barred(), nullptr) << "its shard may take something again";
    }
  }
}

TEST_F(LargeEntriesTest, NothingIsReadAfterOneOfAnOverflowLogUntilItIsFinal) {
  SourceLog& overflowed = log.overflow_log(0);
  overflowed.add({.events = 1, .is_large = true});
  overflowed.add({.events = 1});
  const auto first = open_next();
  ASSERT_TRUE(first);
  sources.cursor(0).skip();
  EXPECT_FALSE(sources.cursor(0).event());
  sources.passed(0, *first);
  EXPECT_FALSE(open_next()) << "it would be pinned";
  window.finish(*first, 1);
  sources.begin_pass();
  const auto second = open_next();
  EXPECT_TRUE(second && window.is_of(*second, overflowed));
}

TEST_F(LargeEntriesTest, OneWithLaterEntriesOfItsLogInTheWindowIsNotGivenBack) {
  const auto first = open_large_and_later();
  ASSERT_TRUE(first);
  EXPECT_FALSE(large.give_back(*first));
}

TEST_F(LargeEntriesTest, TheMemoryOfOneWhoseRecordsAreMadeGoesThoughLaterEntriesAreInTheWindow) {
  const auto first = open_large_and_later();
  ASSERT_TRUE(first);
  pass(0s);
  pass(60s);
  EXPECT_FALSE(window.is_let_go(*first)) << "nobody waits";
  log.is_memory_awaited = true;
  pass(0s);
  EXPECT_TRUE(window.is_let_go(*first));
  EXPECT_THAT(log.unread_offsets, testing::IsEmpty());
  pass(60s);
  EXPECT_EQ(log.reloads, 0u) << "nothing needs it";
  window.finish(*first, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(1u));
}

TEST_F(LargeEntriesTest, WhatNeedsABatchThatWasLetGoIsDoneWhenItIsThere) {
  const uint64_t ticket = let_go();
  int done = 0;
  RecordMetadata meta;
  meta.span = {ticket, 0, 1};
  ASSERT_TRUE(large.is_let_go(meta));
  large.when_there([&] { ++done; });
  large.take_wanted();
  EXPECT_EQ(log.reloads, 1u);
  EXPECT_EQ(done, 0);
  log.is_reloadable = true;
  large.take_wanted();
  EXPECT_EQ(done, 1);
  EXPECT_FALSE(large.is_let_go(meta));
  pass(4s);
  EXPECT_FALSE(window.is_let_go(ticket)) << "there is time to use it";
  pass(2s);
  EXPECT_TRUE(window.is_let_go(ticket));
  large.take_wanted();
  EXPECT_EQ(log.reloads, 2u) << "it is no longer wanted";
}

TEST_F(LargeEntriesTest, OneThatCannotBeReadAgainIsNobodys) {
  const uint64_t ticket = let_go();
  int done = 0;
  large.when_there([&] { ++done; });
  log.is_lost = true;
  large.take_wanted();
  EXPECT_TRUE(window.is_given_back(ticket));
  EXPECT_FALSE(window.large());
  EXPECT_THAT(log.unread_offsets, testing::IsEmpty()) << "its log has passed it over";
  EXPECT_EQ(done, 1);
}

TEST_F(LargeEntriesTest, WhatNeedsABatchThatWasLetGoIsDoneWhenItsEntryGoesBack) {
  const uint64_t ticket = let_go(false);
  int done = 0;
  large.when_there([&] { ++done; });
  EXPECT_TRUE(large.give_back(ticket));
  EXPECT_EQ(done, 1);
  large.take_wanted();
  EXPECT_EQ(log.reloads, 0u);
}

}  // namespace
}  // namespace penstock::delivery
