// What part of the spool a stream may use, and what is dropped when it is full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;

class SmallShare : public DiskSpool, public testing::WithParamInterface<uint64_t> {};

// Delivery reads all it may and gives nothing back, as when Kinesis is away.
TEST_P(SmallShare, DropOldestDropsWhateverTheShare) {
  options.bytes_max = 2 * GetParam();
  options.when_full = WhenFull::drop_oldest;
  internals.segment_bytes = 0;
  open();
  std::vector<Entry> in_flight;
  const auto read_all = [&] {
    for (;;) {
      auto entry = next(a);
      if (!entry) return;
      in_flight.push_back(std::move(*entry));
    }
  };
  const size_t count = 3 * GetParam() / 10'000;
  for (size_t i = 0; i < count; ++i) {
    append("x", {"a:" + std::to_string(i) + std::string(10'000, 'x')});
    commit();
    if (i % 8 == 0) read_all();
  }
  EXPECT_EQ(outcomes.size(), count);
  EXPECT_FALSE(spool->pushing_back_since().has_value());
  EXPECT_LE(spool->bytes(), options.bytes_max);
  const uint64_t dropped = ledger->snapshot().dropped["spool_full"];
  EXPECT_GT(dropped, 0u);
  std::string last = text_of(in_flight.back());
  uint64_t delivered = in_flight.size();
  for (const Entry& entry : in_flight) release(a, entry);
  for (const std::string& text : deliver(a)) {
    last = text;
    ++delivered;
  }
  EXPECT_EQ(delivered + dropped, count);
  EXPECT_TRUE(last.starts_with(std::to_string(count - 1)));
  EXPECT_TRUE(a->empty());
  expect_balance();
}

INSTANTIATE_TEST_SUITE_P(OfMebibytes, SmallShare, testing::Values(1 << 20, 4 << 20, 15 << 20));

class Share : public DiskSpool {};

TEST_F(Share, AStreamThatIsRemovedGivesItsShareBackWhenItIsEmpty) {
  options.bytes_max = 1 << 20;
  open();
  append("last", {"b:last"});
  commit();
  const uint64_t half = spool->figures("a").bytes_max;
  spool->keep_streams({"a"});
  EXPECT_EQ(spool->figures("a").bytes_max, half);
  append("late", {"b:late"});  // by a route that was in force when its message came
  commit();
  EXPECT_THAT(deliver(b), ElementsAre("last", "late"));
  commit();
  EXPECT_GT(spool->figures("a").bytes_max, half + half / 2);
  b = *spool->open_stream({"b", "target", "settings of b", 0});
  spool->keep_streams({"a", "b"});
  EXPECT_EQ(spool->figures("a").bytes_max, half);
  expect_balance();
}

}  // namespace
}  // namespace penstock::spool
