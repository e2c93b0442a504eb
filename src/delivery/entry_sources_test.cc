#include "delivery/entry_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "delivery/source_log.h"

namespace penstock::delivery {
namespace {

class EntrySourcesTest : public testing::Test {
 protected:
  static constexpr EntrySources::Limits kUsual{.window_bytes_max = 1_MiB};

  // Where the next entries come from: m, or the number of an overflow log. Each is finished.
  std::string read(size_t entries) {
    std::string order;
    for (size_t i = 0; i < entries; ++i) {
      const auto source = sources.next(kUsual);
      if (!source) return order + "-";
      order += *source == EntrySources::kMain ? 'm' : static_cast<char>('0' + *source);
      EventCursor& cursor = sources.cursor(*source);
      const uint64_t ticket = cursor.ticket();
      while (cursor.event()) cursor.skip();
      sources.passed(*source, ticket);
      window.finish(ticket, 1);
    }
    return order;
  }

  memory::MemoryBudget memory{{.ordinary_bytes = 8_MiB}};
  OwnerPost post{[](const std::function<void()>& work) { work(); }};
  SourceLog log{SourceLog::Kind::on_disk};
  EntryWindow window;
  Overflow overflow{log, window, {memory, memory.join()}, post, [] {}};
  EntrySources sources{log, window, overflow};
};

TEST_F(EntrySourcesTest, OverflowLogsGoFirstAndTheMainLogHasItsTurns) {
  for (int i = 0; i < 3; ++i) log.add({.events = 1});
  for (int i = 0; i < 6; ++i) log.overflow_log(1).add({.events = 1});
  EXPECT_EQ(read(10), "1111m11mm-");
}

TEST_F(EntrySourcesTest, ABlockedSourceIsPassedOverUntilTheNextPass) {
  log.add({.events = 1});
  log.overflow_log(0).add({.events = 1});
  ASSERT_EQ(sources.next(kUsual), 0u);
  sources.block(0);
  EXPECT_EQ(sources.next(kUsual), EntrySources::kMain);
  sources.block(EntrySources::kMain);
  EXPECT_EQ(sources.next(kUsual), std::nullopt);
  sources.begin_pass();
  EXPECT_EQ(sources.next(kUsual), EntrySources::kMain) << "its entry was begun last";
}

TEST_F(EntrySourcesTest, AFullWindowIsReadBeyondWhereOthersAreWanted) {
  for (int i = 0; i < 3; ++i) log.add({.events = 1});
  const size_t bytes_max = 1;
  const auto open = [&](bool wants_others) {
    const auto source = sources.next({.window_bytes_max = bytes_max, .wants_others = wants_others});
    if (!source) return false;
    while (sources.cursor(*source).event()) sources.cursor(*source).skip();
    return true;
  };
  ASSERT_TRUE(open(false));
  EXPECT_TRUE(sources.is_main_full(bytes_max));
  EXPECT_FALSE(open(false));
  EXPECT_TRUE(open(true)) << "one entry, however large, does not fill it";
  EXPECT_FALSE(open(true));
}

TEST_F(EntrySourcesTest, OneLargeEntryIsReadAtATime) {
  log.add({.events = 1, .is_large = true});
  log.overflow_log(0).add({.events = 1, .is_large = true});
  EXPECT_EQ(sources.next({.window_bytes_max = 1_MiB, .may_read_large = false}), std::nullopt);
  ASSERT_EQ(sources.next(kUsual), 0u);
  sources.block(0);
  EXPECT_EQ(sources.next(kUsual), std::nullopt);
}

// After a crash, with events of one bucket in two overflow logs.
TEST(RecoveredSources, ALargeEntryThatHasNoTurnLeavesTheLargePlaceToTheOneThatHasIt) {
  SourceLog log{SourceLog::Kind::on_disk};
  spool::BucketSet bucket;
  bucket.set(7);
  for (const auto& [number, origin] : {std::pair{0, 2u}, {1, 1u}}) {
    SourceLog& overflow = log.overflow_log(static_cast<size_t>(number));
    overflow.add({.events = 1, .is_large = true, .origin = origin});
    overflow.recover(bucket);
  }
  memory::MemoryBudget memory{{.ordinary_bytes = 8_MiB}};
  const OwnerPost post{[](const std::function<void()>& work) { work(); }};
  EntryWindow window;
  Overflow overflow{log, window, {memory, memory.join()}, post, [] {}};
  EntrySources sources{log, window, overflow};
  for (const size_t expected : {1u, 0u}) {
    sources.begin_pass();
    ASSERT_EQ(sources.next({.window_bytes_max = 1_MiB}), expected);
    EventCursor& cursor = sources.cursor(expected);
    const uint64_t ticket = cursor.ticket();
    while (cursor.event()) cursor.skip();
    sources.passed(expected, ticket);
    window.finish(ticket, 1);
  }
}

TEST_F(EntrySourcesTest, TheCursorAtAnEntryIsClosed) {
  log.add({.events = 1});
  ASSERT_EQ(sources.next(kUsual), EntrySources::kMain);
  const uint64_t ticket = sources.cursor(EntrySources::kMain).ticket();
  sources.leave(ticket);
  EXPECT_FALSE(sources.cursor(EntrySources::kMain).is_open());
}

}  // namespace
}  // namespace penstock::delivery
