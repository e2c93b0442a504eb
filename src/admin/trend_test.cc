#include "admin/trend.h"

#include <gtest/gtest.h>

#include "admin/observation_rig.h"

namespace penstock::admin {
namespace {

class ATrend : public testing::Test, protected ObservationRig {};

TEST_F(ATrend, RatesAreOfTheLastSeconds) {
  add_stream("projects");
  for (int i = 0; i < 70; ++i) {
    receive("projects", i < 50 ? 10 : 100);
    ledger.deliver("projects", 10);
    pass();
  }
  EXPECT_DOUBLE_EQ(trend.stream("projects").in, 100);
  EXPECT_DOUBLE_EQ(trend.stream("projects").out, 10);
  EXPECT_DOUBLE_EQ(trend.source("forward").in, 100);
  EXPECT_DOUBLE_EQ(trend.all().in, 100);
  EXPECT_DOUBLE_EQ(trend.stream("nobody").in, 0);
}

TEST_F(ATrend, GrowthIsOfTheLastMinute) {
  auto& stream = add_stream("projects");
  for (int i = 0; i < 130; ++i) {
    stream.spool_bytes += 500;
    pass();
  }
  EXPECT_DOUBLE_EQ(trend.stream("projects").bytes_growth, 500);
}

TEST_F(ATrend, ASegmentThatIsReservedIsNoPace) {
  auto& stream = add_stream("projects");
  stream.spool_bytes = 40'000;
  pass(2);
  stream.spool_bytes += 4096;
  pass();
  stream.spool_bytes += 64 << 20;
  pass(3);
  EXPECT_DOUBLE_EQ(trend.stream("projects").bytes_growth, 0);
}

TEST_F(ATrend, SegmentsThatFollowEachOtherAreOne) {
  auto& stream = add_stream("projects");
  for (int i = 0; i < 61; ++i) {
    if (i % 20 == 5) stream.spool_bytes += 64 << 20;
    pass();
  }
  EXPECT_DOUBLE_EQ(trend.stream("projects").bytes_growth, (64 << 20) / 20.0);
}

TEST_F(ATrend, GrowthThatEndedFades) {
  auto& stream = add_stream("projects");
  pass();
  for (int i = 0; i < 2; ++i) {
    stream.spool_bytes += 64 << 20;
    pass();
  }
  pass(40);
  EXPECT_DOUBLE_EQ(trend.stream("projects").bytes_growth, (64 << 20) / 40.0);
}

TEST_F(ATrend, ACounterIsRecentUntilItWasQuiet) {
  add_stream("projects");
  pass();
  EXPECT_FALSE(trend.recent("dropped/spool_full", seconds(900)));
  receive("projects", 5);
  ledger.drop("projects", "spool_full", 2);
  pass(100);
  ledger.drop("projects", "spool_full", 3);
  pass();
  EXPECT_EQ(trend.recent("dropped/spool_full", seconds(900))->count, 5u);
  pass(899);
  EXPECT_TRUE(trend.recent("dropped/spool_full", seconds(900)));
  pass(2);
  EXPECT_FALSE(trend.recent("dropped/spool_full", seconds(900)));
  receive("projects", 1);
  ledger.drop("projects", "spool_full", 1);
  pass();
  EXPECT_EQ(trend.recent("dropped/spool_full", seconds(900))->count, 1u);  // a new one
}

TEST_F(ATrend, AStreamThatIsGoneIsForgotten) {
  add_stream("projects");
  pass(3);
  status.streams.clear();
  pass();
  EXPECT_DOUBLE_EQ(trend.stream("projects").in, 0);
}

}  // namespace
}  // namespace penstock::admin
