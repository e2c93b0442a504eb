#include "delivery/entry_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "delivery/source_log.h"

namespace penstock::delivery {
namespace {

spool::Entry entry(uint32_t offset, uint32_t events, std::vector<uint32_t> overflowed = {}) {
  return SourceLog::entry(offset, {.events = events, .overflowed = std::move(overflowed)});
}

TEST(EntryWindow, AnEntryIsReleasedWithItsLastEventWhateverTheOrder) {
  SourceLog log;
  EntryWindow window;
  const uint64_t first = window.open(log, entry(1, 3));
  const uint64_t second = window.open(log, entry(2, 1));
  window.finish(first, 2);
  EXPECT_TRUE(log.released.empty());
  window.finish(second, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(2u));
  EXPECT_EQ(window.bytes(log), entry(1, 3).batch->entries_size);
  window.finish(first, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(2u, 1u));
  EXPECT_EQ(window.events(), 0u);
  EXPECT_EQ(window.bytes(log), 0u);
}

TEST(EntryWindow, EventsThatAnOverflowLogHasAreNotWaitedFor) {
  SourceLog log;
  EntryWindow window;
  const uint64_t ticket = window.open(log, entry(7, 5, {0, 1, 3, 4}));
  EXPECT_EQ(window.events(), 1u);
  window.finish(ticket, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(7u));
}

TEST(EntryWindow, ASplitEventIsCompleteWithItsLastPartUnlessItWasAbandoned) {
  SourceLog log;
  EntryWindow window;
  const uint64_t ticket = window.open(log, entry(1, 1));
  const uint64_t abandoned = window.begin_split(ticket, 2);
  EXPECT_FALSE(window.part_accepted(abandoned));
  EXPECT_TRUE(window.abandon_split(abandoned));
  EXPECT_FALSE(window.abandon_split(abandoned));
  EXPECT_FALSE(window.part_accepted(abandoned));
  const uint64_t split = window.begin_split(ticket, 2);
  EXPECT_NE(split, abandoned);
  EXPECT_FALSE(window.part_accepted(split));
  EXPECT_TRUE(window.is_split_alive(split));
  EXPECT_TRUE(window.part_accepted(split));
  EXPECT_FALSE(window.is_split_alive(split));
  window.finish(ticket, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(1u));
}

TEST(EntryWindowDeathTest, ItsInvariantsAreChecked) {
  SourceLog log;
  EntryWindow window;
  const uint64_t ticket = window.open(log, entry(1, 2));
  EXPECT_DEATH(window.finish(ticket, 3), "outstanding");
  EXPECT_DEATH(window.finish(ticket + 1, 1), "ticket");
  (void)window.begin_split(ticket, 2);
  EXPECT_DEATH(window.finish(ticket, 2), "splits");
}

TEST(EntryWindow, AnEntryThatIsGivenBackIsUnreadAndItsPartsCountNoLonger) {
  SourceLog log;
  EntryWindow window;
  const uint64_t other = window.open(log, entry(1, 1));
  const uint64_t given = window.open(log, entry(2, 2));
  const uint64_t split = window.begin_split(given, 2);
  window.give_back(given);
  EXPECT_THAT(log.unread_offsets, testing::ElementsAre(2));
  EXPECT_TRUE(window.is_given_back(given));
  EXPECT_FALSE(window.is_split_alive(split));
  EXPECT_FALSE(window.part_accepted(split));
  EXPECT_EQ(window.events(), 1u);
  EXPECT_EQ(window.bytes(log), entry(1, 1).batch->entries_size);
  window.finish(other, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(1));
  EXPECT_TRUE(window.is_given_back(given));
}

TEST(EntryWindow, APinnedEntryIsNotGivenBack) {
  SourceLog log;
  SourceLog other;
  EntryWindow window;
  const uint64_t large = window.open(log, SourceLog::entry(1, {.events = 1, .is_large = true}));
  EXPECT_EQ(window.large(), large);
  (void)window.open(other, entry(2, 1));
  EXPECT_FALSE(window.is_pinned(large)) << "an entry of another log does not pin it";
  (void)window.open(log, entry(3, 1));
  EXPECT_TRUE(window.is_pinned(large));
  EXPECT_DEATH(window.give_back(large), "pinned");
  EXPECT_DEATH((void)window.open(other, SourceLog::entry(4, {.is_large = true})), "large");
  window.finish(large, 1);
  EXPECT_EQ(window.large(), std::nullopt);
}

TEST(EntryWindow, OfALargeEntryTheBatchAloneMayGo) {
  SourceLog log;
  EntryWindow window;
  const uint64_t small = window.open(log, entry(1, 1));
  const uint64_t large = window.open(log, SourceLog::entry(2, {.events = 1, .is_large = true}));
  EXPECT_DEATH(window.let_go(small), "large");
  const size_t bytes = window.bytes(log);
  const uint64_t split = window.begin_split(large, 2);
  const std::shared_ptr<const record::Batch> batch = window.entry(large).batch;
  window.let_go(large);
  EXPECT_TRUE(window.is_let_go(large));
  EXPECT_EQ(batch.use_count(), 1);
  EXPECT_TRUE(window.is_split_alive(split));
  EXPECT_EQ(window.bytes(log), bytes) << "it takes its part of the window as before";
  window.restore(large, batch);
  EXPECT_FALSE(window.is_let_go(large));
  window.pin(large);
  EXPECT_DEATH(window.give_back(large), "is_pinned");
  EXPECT_FALSE(window.part_accepted(split));
  EXPECT_TRUE(window.part_accepted(split));
  window.finish(large, 1);
  window.finish(small, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(2, 1));
  EXPECT_EQ(window.bytes(log), 0u);
}

TEST(EntryWindow, ARecordIsAbandonedWithItsEventOrItsSplit) {
  SourceLog log;
  EntryWindow window;
  const uint64_t kept = window.open(log, entry(1, 1));
  const uint64_t given = window.open(log, SourceLog::entry(2, {.events = 1, .is_large = true}));
  RecordMetadata part;
  part.span = {kept, 0, 1};
  part.split = window.begin_split(kept, 2);
  RecordMetadata whole;
  whole.span = {given, 0, 1};
  RecordMetadata aggregate = whole;
  aggregate.more = {{kept, 0, 1}};
  EXPECT_FALSE(window.is_abandoned(part));
  EXPECT_FALSE(window.is_abandoned(whole));
  window.give_back(given);
  EXPECT_TRUE(window.is_abandoned(whole));
  EXPECT_FALSE(window.is_abandoned(aggregate)) << "it has other events";
  uint64_t live = 0;
  window.for_each_live(aggregate, [&](const EventSpan& span) { live += span.count; });
  EXPECT_EQ(live, 1u);
  window.abandon_split(part.split);
  EXPECT_TRUE(window.is_abandoned(part));
}

}  // namespace
}  // namespace penstock::delivery
