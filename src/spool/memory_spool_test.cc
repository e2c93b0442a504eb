// The spool without a directory: what it promises to sessions and to delivery.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "spool/spool.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

record::Batch batch_of(std::string text, uint32_t events = 1) {
  record::Batch batch;
  batch.source = "forward";
  batch.tag = "app.x";
  batch.event_count = events;
  batch.received_ns = 1000;
  batch.storage = ByteBuffer::copy_of(as_bytes(text));
  batch.entries_size = text.size();
  return batch;
}

uint64_t sum(const auto& counts) {
  uint64_t all = 0;
  for (const auto& [label, count] : counts) all += count;
  return all;
}

class MemorySpool : public testing::Test {
 protected:
  void open(uint64_t bytes_max = 1000, WhenFull when_full = WhenFull::block) {
    SpoolOptions options;
    options.ack = AckMode::delivered;
    options.bytes_max = bytes_max;
    options.when_full = when_full;
    spool = *Spool::open(options, ledger, budget, clock);
    a = *spool->open_stream({"a", "target", "settings of a", 0});
    b = *spool->open_stream({"b", "target", "settings of b", 0});
  }

  // Appends the parts ("stream:text") and writes NAME to outcomes when it is over.
  AppendHandle append(std::string name, std::vector<std::string> parts,
                      std::optional<Hash128> fingerprint = {}) {
    Append append;
    append.source = "forward";
    append.fingerprint = fingerprint;
    for (const std::string& part : parts) {
      append.parts.push_back({part.substr(0, 1), batch_of(part.substr(2))});
    }
    append.admitted = [this, name] { admitted.push_back(name); };
    append.done = [this, name](AppendOutcome outcome) {
      outcomes.push_back(name + (outcome == AppendOutcome::done        ? " done"
                                 : outcome == AppendOutcome::cancelled ? " cancelled"
                                                                       : " closed"));
    };
    return spool->append(std::move(append));
  }

  static std::string text_of(const Entry& entry) {
    return std::string(as_text(entry.batch->entries()));
  }
  // Reads and releases everything there is, entering it as delivered.
  std::vector<std::string> deliver(StreamLog* log) {
    std::vector<std::string> texts;
    while (auto entry = log->read()) {
      texts.push_back(text_of(*entry));
      ledger.deliver(log->stream(), entry->batch->event_count);
      log->release(entry->position);
    }
    return texts;
  }
  void expect_balance() {
    const auto counts = ledger.snapshot();
    EXPECT_EQ(sum(counts.received), sum(counts.delivered) + sum(counts.dead_lettered) +
                                        sum(counts.dropped) + sum(counts.duplicate) +
                                        sum(counts.pending));
  }

  ManualClock clock;
  record::Ledger ledger;
  memory::MemoryBudget budget{{}};
  std::vector<std::string> admitted;
  std::vector<std::string> outcomes;
  std::unique_ptr<Spool> spool;  // after what its callbacks write to
  StreamLog* a = nullptr;
  StreamLog* b = nullptr;
};

TEST_F(MemorySpool, StoredAcksNeedADirectory) {
  EXPECT_EQ(Spool::open({}, ledger, budget).error().kind, Error::Kind::usage);
}

TEST_F(MemorySpool, EntriesComeOutInTheOrderTheyWentIn) {
  open();
  append("1", {"a:one", "b:uno"});
  append("2", {"a:two"});
  EXPECT_THAT(deliver(a), ElementsAre("one", "two"));
  EXPECT_THAT(deliver(b), ElementsAre("uno"));
  expect_balance();
}

TEST_F(MemorySpool, AnAppendIsDoneWhenItsLastPartIsReleased) {
  open();
  append("1", {"a:one", "b:uno"});
  EXPECT_THAT(admitted, ElementsAre("1"));
  deliver(a);
  EXPECT_THAT(outcomes, IsEmpty());
  deliver(b);
  EXPECT_THAT(outcomes, ElementsAre("1 done"));
}

TEST_F(MemorySpool, ReadingAloneFinishesNothing) {
  open();
  append("1", {"a:one"});
  const Entry entry = *a->read();
  EXPECT_FALSE(a->read().has_value());
  EXPECT_FALSE(a->empty());
  EXPECT_THAT(outcomes, IsEmpty());
  EXPECT_EQ(spool->figures("a").bytes, 3u);
  EXPECT_EQ(spool->figures("a").oldest_received_ns, 1000);
  a->release(entry.position);
  EXPECT_THAT(outcomes, ElementsAre("1 done"));
  EXPECT_TRUE(a->empty());
  EXPECT_EQ(spool->bytes(), 0u);
}

TEST_F(MemorySpool, AnAppendWaitsWholeForAFullStreamAndOthersGoOn) {
  open(20);  // ten bytes a stream
  append("1", {"a:12345678"});
  append("2", {"a:1234", "b:x"});
  append("3", {"b:y"});
  append("4", {"a:z"});  // would fit, but 2 came first
  EXPECT_THAT(admitted, ElementsAre("1", "3"));
  EXPECT_TRUE(spool->pushing_back_since().has_value());
  EXPECT_THAT(deliver(b), ElementsAre("y"));
  EXPECT_THAT(deliver(a), ElementsAre("12345678", "1234", "z"));
  EXPECT_THAT(admitted, ElementsAre("1", "3", "2", "4"));
  EXPECT_FALSE(spool->pushing_back_since().has_value());
  EXPECT_THAT(deliver(b), ElementsAre("x"));
}

TEST_F(MemorySpool, AnEntryLargerThanTheShareFitsIntoAnEmptyStream) {
  open(20);
  append("1", {"a:123456789012345678901234567890"});
  append("2", {"a:x"});
  EXPECT_THAT(admitted, ElementsAre("1"));
  deliver(a);
  EXPECT_THAT(admitted, ElementsAre("1", "2"));
}

TEST_F(MemorySpool, WhatWaitsCanBeTakenBackWithoutATrace) {
  open(20);
  append("1", {"a:12345678"});
  AppendHandle waiting = append("2", {"a:1234"});
  EXPECT_TRUE(waiting.cancel());
  EXPECT_FALSE(waiting.cancel());
  EXPECT_THAT(outcomes, ElementsAre("2 cancelled"));
  EXPECT_FALSE(spool->pushing_back_since().has_value());
  EXPECT_THAT(deliver(a), ElementsAre("12345678"));
  EXPECT_EQ(ledger.snapshot().received.at("forward"), 1u);
  AppendHandle kept = append("3", {"a:1"});
  EXPECT_FALSE(kept.cancel());
}

TEST_F(MemorySpool, ARepeatIsAckedWithItsFirstCopyAndNeverBefore) {
  open();
  append("1", {"a:one", "b:uno"}, Hash128{1, 1});
  append("again", {"a:one", "b:uno"}, Hash128{1, 1});
  append("other", {"a:two"}, Hash128{1, 2});
  EXPECT_THAT(admitted, ElementsAre("1", "again", "other"));
  EXPECT_THAT(deliver(a), ElementsAre("one", "two"));
  EXPECT_THAT(outcomes, ElementsAre("other done"));
  EXPECT_THAT(deliver(b), ElementsAre("uno"));
  EXPECT_THAT(outcomes, ElementsAre("other done", "1 done", "again done"));
  append("late", {"a:one", "b:uno"}, Hash128{1, 1});
  EXPECT_EQ(outcomes.back(), "late done");
  EXPECT_THAT(deliver(a), IsEmpty());
  EXPECT_EQ(ledger.snapshot().duplicate.at("forward"), 4u);
  expect_balance();
}

TEST_F(MemorySpool, AfterTheWindowTheSameChunkIsANewOne) {
  open();
  append("1", {"a:one"}, Hash128{1, 1});
  deliver(a);
  clock.advance(std::chrono::hours(1));
  append("2", {"a:one"}, Hash128{1, 1});
  EXPECT_THAT(deliver(a), ElementsAre("one"));
}

TEST_F(MemorySpool, ARepeatNeedsNoRoom) {
  open(20);
  append("1", {"a:1234567890"}, Hash128{1, 1});
  append("waits", {"a:2"});
  append("again", {"a:1234567890"}, Hash128{1, 1});
  EXPECT_THAT(admitted, ElementsAre("1", "again"));
}

TEST_F(MemorySpool, DropOldestDropsWhatNobodyIsDelivering) {
  open(20, WhenFull::drop_oldest);
  append("1", {"a:1111"});
  append("2", {"a:2222"});
  const Entry in_flight = *a->read();
  append("3", {"a:3333"});
  EXPECT_THAT(outcomes, ElementsAre("2 done"));
  EXPECT_EQ(ledger.snapshot().dropped.at("spool_full"), 1u);
  append("4", {"a:88888888"});  // no room beside what is in flight
  EXPECT_THAT(admitted, ElementsAre("1", "2", "3"));
  ledger.deliver("a", 1);
  a->release(in_flight.position);
  EXPECT_THAT(deliver(a), ElementsAre("88888888"));
  expect_balance();
}

TEST_F(MemorySpool, RefusedEventsAreCountedAsDroppedWithTheirReason) {
  open();
  Append append;
  append.source = "forward";
  append.refused.push_back({"no_route", batch_of("x", 3)});
  append.dropped.push_back({"own_logs", 2});
  bool done = false;
  append.done = [&](AppendOutcome outcome) { done = outcome == AppendOutcome::done; };
  spool->append(std::move(append));
  EXPECT_TRUE(done);
  const auto counts = ledger.snapshot();
  EXPECT_EQ(counts.received.at("forward"), 5u);
  EXPECT_EQ(counts.dropped.at("no_route"), 3u);
  EXPECT_EQ(counts.dropped.at("own_logs"), 2u);
  expect_balance();
}

TEST_F(MemorySpool, DeliveryIsWokenOnceForEachTimeItFoundNothing) {
  open();
  int woken = 0;
  a->on_readable([&] { ++woken; });
  append("1", {"a:one"});
  EXPECT_EQ(woken, 0);  // nobody has looked in vain
  deliver(a);
  append("2", {"a:two"});
  append("3", {"a:three"});
  EXPECT_EQ(woken, 1);
}

TEST_F(MemorySpool, AChangedTargetBeginsANewGeneration) {
  open();
  append("1", {"a:old"});
  StreamLog* renewed = *spool->open_stream({"a", "elsewhere", "new settings", 0});
  ASSERT_NE(renewed, a);
  append("2", {"a:new"});
  EXPECT_THAT(spool->logs(), ElementsAre(a, b, renewed));
  EXPECT_EQ(a->settings(), "settings of a");
  EXPECT_THAT(deliver(a), ElementsAre("old"));
  EXPECT_THAT(deliver(renewed), ElementsAre("new"));
  EXPECT_THAT(spool->logs(), ElementsAre(b, renewed));
}

TEST_F(MemorySpool, TheSameTargetKeepsItsLogAndTakesTheNewSettings) {
  open();
  const std::string& before = a->settings();
  EXPECT_EQ(*spool->open_stream({"a", "target", "changed", 0}), a);
  EXPECT_EQ(a->settings(), "changed");
  EXPECT_EQ(before, "settings of a");
}

TEST_F(MemorySpool, CloseAnswersEveryoneWhoStillWaits) {
  open(20);
  append("held", {"a:1234567890"});
  append("waits", {"a:1"});
  spool->close();
  EXPECT_THAT(outcomes, testing::UnorderedElementsAre("held closed", "waits closed"));
  append("late", {"b:1"});
  EXPECT_EQ(outcomes.back(), "late closed");
}

TEST_F(MemorySpool, ANewLimitLetsThoseInWhoWaited) {
  open(20);
  append("1", {"a:1234567890"});
  append("2", {"a:1"});
  SpoolOptions wider;
  wider.ack = AckMode::delivered;
  wider.bytes_max = 100;
  spool->reconfigure(wider);
  EXPECT_THAT(admitted, ElementsAre("1", "2"));
}

}  // namespace
}  // namespace penstock::spool
