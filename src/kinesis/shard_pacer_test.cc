#include "kinesis/shard_pacer.h"

#include <gtest/gtest.h>

#include <map>

#include "kinesis/put_records.h"
#include "kinesis/shard_map.h"

namespace penstock::kinesis {
namespace {

// Shards as the service keeps them: a bucket of units a second, one second deep.
class SimulatedShard {
 public:
  explicit SimulatedShard(double units_per_second) : rate(units_per_second) {}
  bool take(double units, SteadyTime now) {
    const double elapsed = std::chrono::duration<double>(now - refilled_).count();
    refilled_ = now;
    balance_ = std::min(rate, balance_ + rate * elapsed);
    if (balance_ < units) return false;
    balance_ -= units;
    return true;
  }
  double rate;

 private:
  double balance_ = 0;
  SteadyTime refilled_{};
};

// A sender with endless records for every shard that asks the pacer before each.
class Pacing : public ::testing::Test {
 protected:
  struct Count {
    int accepted = 0;
    int throttled = 0;
  };

  // What became of the records of each shard in this time; demand: records a second and shard.
  std::map<uint32_t, Count> run(nanoseconds time, size_t record_bytes = 500, int demand = 5'000) {
    std::map<uint32_t, Count> counts;
    const SteadyTime end = clock_.steady() + time;
    const auto step = milliseconds(10);
    while (clock_.steady() < end) {
      clock_.advance(step);
      for (auto& [number, shard] : shards_) {
        for (int i = 0; i < demand / 100; ++i) {
          const SteadyTime now = clock_.steady();
          if (pacer_.ready_at(number, now) > now) break;
          pacer_.sent(number, record_bytes, now);
          if (shard.take(pacing_units(record_bytes), now)) {
            pacer_.accepted(number, record_bytes, now);
            ++counts[number].accepted;
          } else {
            pacer_.throttled(number, record_bytes, now);
            ++counts[number].throttled;
          }
        }
      }
    }
    return counts;
  }

  ManualClock clock_;
  ShardPacer pacer_;
  std::map<uint32_t, SimulatedShard> shards_;
};

TEST_F(Pacing, ShardsThatNeverThrottleAreNeverSlowed) {
  shards_.emplace(0, SimulatedShard(1e9));
  const auto counts = run(seconds(10));
  EXPECT_EQ(counts.at(0).accepted, 50'000);
  EXPECT_EQ(pacer_.limited_count(), 0u);
}

TEST_F(Pacing, ThrottledShardIsUsedNearlyToItsLimitWithFewThrottles) {
  shards_.emplace(0, SimulatedShard(1'000));
  run(seconds(5));
  const auto counts = run(seconds(60));
  EXPECT_GT(counts.at(0).accepted, 53'000);
  EXPECT_LT(counts.at(0).throttled, counts.at(0).accepted / 10);
}

TEST_F(Pacing, LargeRecordsArePacedByTheirBytes) {
  shards_.emplace(0, SimulatedShard(1'000));
  run(seconds(5), 50'000);
  const auto counts = run(seconds(60), 50'000);
  EXPECT_GT(counts.at(0).accepted, 1'000);  // of 1,200 possible
  EXPECT_LT(counts.at(0).throttled, counts.at(0).accepted / 4);
}

TEST_F(Pacing, ShardThrottledToNothingSlowsOnlyItself) {
  for (uint32_t i = 0; i < 8; ++i) shards_.emplace(i, SimulatedShard(i == 3 ? 0 : 1e9));
  run(seconds(5));
  const auto counts = run(seconds(10));
  for (const auto& [number, count] : counts) {
    if (number == 3) continue;
    EXPECT_EQ(count.accepted, 50'000) << number;
  }
  EXPECT_LE(counts.at(3).throttled, 40);
  EXPECT_GE(counts.at(3).throttled, 5);  // still asked
  EXPECT_EQ(pacer_.limited_count(), 1u);
}

TEST_F(Pacing, RecoversByItself) {
  shards_.emplace(0, SimulatedShard(0));
  run(seconds(30));
  EXPECT_LT(pacer_.pace(0)->units_per_second(), 10);
  shards_.at(0).rate = 1'000;
  run(seconds(20));
  const auto counts = run(seconds(20));
  EXPECT_GT(counts.at(0).accepted, 16'000);
}

TEST_F(Pacing, LimitIsDroppedOnceItNoLongerBinds) {
  shards_.emplace(0, SimulatedShard(1'000));
  run(seconds(10));
  EXPECT_TRUE(pacer_.pace(0)->limited());
  shards_.at(0).rate = 1e9;
  run(seconds(60));
  EXPECT_FALSE(pacer_.pace(0)->limited());
}

TEST_F(Pacing, ThrottleWithoutAShardCountsForTheStream) {
  const SteadyTime now = clock_.steady();
  pacer_.sent(1, 1'000, now);
  pacer_.throttled(kNoShard, 1'000, now);
  EXPECT_TRUE(pacer_.pace(kNoShard)->limited());
  EXPECT_EQ(pacer_.limited_count(), 0u);
  pacer_.sent(kNoShard, 1'000, now);
  EXPECT_GT(pacer_.ready_at(kNoShard, now), now);
  EXPECT_GT(pacer_.ready_at(1, now), now);
  clock_.advance(seconds(2));
  EXPECT_EQ(pacer_.ready_at(1, clock_.steady()), clock_.steady());
}

TEST_F(Pacing, ManyThrottlesOfOneBurstCountOnce) {
  const SteadyTime now = clock_.steady();
  for (int i = 0; i < 800; ++i) pacer_.accepted(0, 100, now);
  for (int i = 0; i < 200; ++i) pacer_.throttled(0, 100, now);
  EXPECT_GT(pacer_.pace(0)->units_per_second(), 800);
}

TEST_F(Pacing, ShardsThatAreGoneAreForgotten) {
  const SteadyTime now = clock_.steady();
  pacer_.throttled(0, 100, now);
  pacer_.throttled(1, 100, now);
  pacer_.keep_only(ShardMap({{1, 0, ~HashKey{0}}}));
  EXPECT_EQ(pacer_.pace(0), nullptr);
  EXPECT_NE(pacer_.pace(1), nullptr);
}

}  // namespace
}  // namespace penstock::kinesis
