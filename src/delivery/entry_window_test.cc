#include "delivery/entry_window.h"

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
  void unread(spool::Position position) override { unread_offsets.push_back(position.offset); }
  [[nodiscard]] bool empty() const override { return true; }

  std::vector<uint32_t> released;
  std::vector<uint32_t> unread_offsets;

 private:
  std::string name_ = "test";
};

spool::Entry entry(uint32_t offset, uint32_t events, std::vector<uint32_t> overflowed = {}) {
  auto batch = std::make_shared<record::Batch>();
  batch->event_count = events;
  batch->entries_size = 10;
  spool::Entry made;
  made.position = {0, offset};
  made.batch = std::move(batch);
  made.overflowed = std::move(overflowed);
  return made;
}

TEST(EntryWindow, AnEntryIsReleasedWithItsLastEventWhateverTheOrder) {
  ReleaseLog log;
  EntryWindow window;
  const uint64_t first = window.open(log, entry(1, 3));
  const uint64_t second = window.open(log, entry(2, 1));
  window.finish(first, 2);
  EXPECT_TRUE(log.released.empty());
  window.finish(second, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(2u));
  EXPECT_EQ(window.bytes(log), 10u);
  window.finish(first, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(2u, 1u));
  EXPECT_EQ(window.events(), 0u);
  EXPECT_EQ(window.bytes(log), 0u);
}

TEST(EntryWindow, EventsThatAnOverflowLogHasAreNotWaitedFor) {
  ReleaseLog log;
  EntryWindow window;
  const uint64_t ticket = window.open(log, entry(7, 5, {0, 1, 3, 4}));
  EXPECT_EQ(window.events(), 1u);
  window.finish(ticket, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(7u));
}

TEST(EntryWindow, ASplitEventIsCompleteWithItsLastPartUnlessItWasAbandoned) {
  ReleaseLog log;
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
  ReleaseLog log;
  EntryWindow window;
  const uint64_t ticket = window.open(log, entry(1, 2));
  EXPECT_DEATH(window.finish(ticket, 3), "outstanding");
  EXPECT_DEATH(window.finish(ticket + 1, 1), "ticket");
  (void)window.begin_split(ticket, 2);
  EXPECT_DEATH(window.finish(ticket, 2), "splits");
}

TEST(EntryWindow, AnEntryThatIsGivenBackIsUnreadAndItsPartsCountNoLonger) {
  ReleaseLog log;
  EntryWindow window;
  const uint64_t other = window.open(log, entry(1, 1));
  const uint64_t given = window.open(log, entry(2, 2));
  const uint64_t split = window.begin_split(given, 2);
  window.give_back(given);
  EXPECT_THAT(log.unread_offsets, testing::ElementsAre(2));
  EXPECT_FALSE(window.is_open(given));
  EXPECT_TRUE(window.is_given_back(given));
  EXPECT_FALSE(window.is_split_alive(split));
  EXPECT_FALSE(window.part_accepted(split));
  EXPECT_EQ(window.events(), 1u);
  EXPECT_EQ(window.bytes(log), 10u);
  window.finish(other, 1);
  EXPECT_THAT(log.released, testing::ElementsAre(1));
  EXPECT_TRUE(window.is_given_back(given));
}

}  // namespace
}  // namespace penstock::delivery
