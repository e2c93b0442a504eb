#include "ingest/slices.h"

#include <gtest/gtest.h>

#include <string>

#include "record/event.h"

namespace penstock::ingest {
namespace {

record::Batch batch_of(const std::vector<size_t>& sizes, memory::MemoryLease lease = {}) {
  record::Batch batch;
  batch.source = "forward";
  batch.tag = "app";
  batch.encoding = record::Encoding::json;
  batch.id = {1, 2};
  for (size_t i = 0; i < sizes.size(); ++i) {
    std::string object = "{\"n\":" + std::to_string(i) + ",\"text\":\"";
    object += std::string(sizes[i], 'x') + "\"}";
    record::append_json_entry(batch.storage, {1'700'000'000, 0}, as_bytes(object));
  }
  batch.entries_size = batch.storage.size();
  batch.event_count = static_cast<uint32_t>(sizes.size());
  batch.lease = std::move(lease);
  return batch;
}

std::vector<std::string> events_of(const record::Batch& batch) {
  std::vector<std::string> events;
  record::EventView event;
  for (record::EntryReader reader(batch); reader.next(event);) {
    events.emplace_back(as_text(event.record));
  }
  return events;
}

TEST(Slices, HoldEveryEventOnceInOrderWithTheIdItHad) {
  const record::Batch whole = batch_of(std::vector<size_t>(40, 300'000));
  ASSERT_TRUE(is_sliced(whole));
  const auto expected = events_of(whole);
  const auto parts = cut(batch_of(std::vector<size_t>(40, 300'000)), plan_slices(whole));
  EXPECT_EQ(parts.size(), 4u);
  std::vector<std::string> events;
  for (const record::Batch& part : parts) {
    EXPECT_LE(part.storage.capacity(), kSliceBytes);
    EXPECT_EQ(part.first_index, events.size());
    EXPECT_EQ(part.id, whole.id);
    EXPECT_EQ(part.tag, whole.tag);
    const auto some = events_of(part);
    EXPECT_EQ(some.size(), part.event_count);
    events.insert(events.end(), some.begin(), some.end());
  }
  EXPECT_EQ(events, expected);
}

TEST(Slices, AnEventThatIsLargeByItselfHasASliceOfItsOwn) {
  const record::Batch whole = batch_of({10, 6'000'000, 10, 10});
  const SlicePlan plan = plan_slices(whole);
  ASSERT_EQ(plan.slices.size(), 3u);
  EXPECT_EQ(plan.slices[1].events, 1u);
  EXPECT_EQ(plan.largest, plan.slices[1].size);
  EXPECT_FALSE(is_sliced(batch_of({6'000'000})));
}

TEST(Slices, ArePaidForOutOfTheLeaseOfTheBatch) {
  memory::MemoryBudget budget({.ordinary_bytes = 20'000'000});
  auto parts = [&] {
    record::Batch whole =
        batch_of(std::vector<size_t>(10, 1'000'000), budget.try_acquire(15'000'000));
    const SlicePlan plan = plan_slices(whole);
    return cut(std::move(whole), plan);
  }();
  size_t bytes = 0;
  for (const record::Batch& part : parts) bytes += part.lease.bytes();
  EXPECT_EQ(budget.leased_bytes(), bytes);
  EXPECT_GE(bytes, 10'000'000u);
  EXPECT_LT(bytes, 11'000'000u);
  parts.clear();
  EXPECT_EQ(budget.leased_bytes(), 0u);
}

}  // namespace
}  // namespace penstock::ingest
