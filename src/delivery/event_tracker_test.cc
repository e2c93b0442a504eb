#include "delivery/event_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::delivery {
namespace {

class ReleaseLog final : public spool::StreamLog {
 public:
  [[nodiscard]] const std::string& stream() const override { return name_; }
  [[nodiscard]] const std::string& settings() const override { return name_; }
  [[nodiscard]] std::optional<spool::Entry> read() override { return std::nullopt; }
  void on_readable(std::function<void()>) override {}
  void release(spool::Position position) override { released.push_back(position.offset); }
  void progress(spool::Position, uint32_t) override {}
  [[nodiscard]] bool empty() const override { return true; }

  std::vector<uint32_t> released;

 private:
  std::string name_ = "test";
};

spool::Entry entry(uint32_t offset, uint32_t events, uint32_t events_final = 0) {
  auto batch = std::make_shared<record::Batch>();
  batch->event_count = events;
  batch->entries_size = 10;
  spool::Entry made;
  made.position = {0, offset};
  made.batch = std::move(batch);
  made.events_final = events_final;
  return made;
}

TEST(EventTracker, AnEntryIsReleasedWithItsLastEventWhateverTheOrder) {
  ReleaseLog log;
  EventTracker tracker(log);
  const uint64_t first = tracker.open(entry(1, 3));
  const uint64_t second = tracker.open(entry(2, 1));
  tracker.finish(first, 2);
  EXPECT_TRUE(log.released.empty());
  tracker.finish(second, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(2u));
  EXPECT_EQ(tracker.bytes(), 10u);
  tracker.finish(first, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(2u, 1u));
  EXPECT_EQ(tracker.events(), 0u);
  EXPECT_EQ(tracker.bytes(), 0u);
}

TEST(EventTracker, EventsFinalBeforeTheRestartAreNotWaitedFor) {
  ReleaseLog log;
  EventTracker tracker(log);
  const uint64_t ticket = tracker.open(entry(7, 5, 4));
  EXPECT_EQ(tracker.events(), 1u);
  tracker.finish(ticket, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(7u));
}

}  // namespace
}  // namespace penstock::delivery
