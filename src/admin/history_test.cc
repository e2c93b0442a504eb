#include "admin/history.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin/observation_rig.h"

namespace penstock::admin {
namespace {

class TheHistory : public testing::Test, protected ObservationRig {
 protected:
  void look(int seconds_long) {
    for (int i = 0; i < seconds_long; ++i) {
      pass();
      const auto snapshot = ledger.snapshot();
      history.look({snapshot, metrics, status, "1", clock.wall()}, clock.steady());
    }
  }
  History history;
};

TEST_F(TheHistory, HasASampleEveryFiveSecondsAndOneEveryMinute) {
  add_stream("projects");
  look(1 + 60);
  EXPECT_EQ(history.recent().size(), 12u);
  EXPECT_EQ(history.hours().size(), 1u);
  look(7 * 3600);
  EXPECT_EQ(history.recent().size(), History::kShortCount);
  EXPECT_EQ(history.hours().size(), History::kLongCount);
}

TEST_F(TheHistory, ASampleIsWhatHappenedMeanwhile) {
  auto& stream = add_stream("projects");
  look(1);
  receive("projects", 500);
  ledger.deliver("projects", 300);
  stream.spool_bytes = kShare / 4;
  stream.oldest_received = clock.wall();
  metrics.put_requests.with("projects", "ok").add(7);
  metrics.put_requests.with("projects", "fault").add(2);
  metrics.put_records.with("projects", "throttled").add(4);
  for (int i = 0; i < 100; ++i) {
    metrics.put_latency.with("projects").observe(milliseconds(i < 98 ? 20 : 400));
  }
  look(5);
  const History::Sample sample = history.recent().back();
  EXPECT_FLOAT_EQ(sample.in, 100);
  EXPECT_FLOAT_EQ(sample.out, 60);
  EXPECT_FLOAT_EQ(sample.pending, 200);
  EXPECT_FLOAT_EQ(sample.age, 5);
  EXPECT_FLOAT_EQ(sample.share, 0.25);
  EXPECT_FLOAT_EQ(sample.failed, 2);
  EXPECT_FLOAT_EQ(sample.throttled, 4);
  EXPECT_NEAR(sample.p50, 0.0177, 0.0005);
  EXPECT_NEAR(sample.p99, 0.375, 0.01);
  look(5);
  EXPECT_FLOAT_EQ(history.recent().back().failed, 0);
}

TEST_F(TheHistory, IsJsonOfAboutAHundredKilobytesAtMost) {
  add_stream("projects");
  for (int i = 0; i < 7 * 3600; ++i) {
    receive("projects", 1234 + i % 777);
    look(1);
  }
  const std::string text = history.json();
  EXPECT_LT(text.size(), 100'000u);
  EXPECT_LT(sizeof history, 30'000u);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["recent"]["rows"].size(), History::kShortCount);
  EXPECT_EQ(json["hours"]["interval_seconds"], 60);
  EXPECT_EQ(json["recent"]["rows"][0].size(), json["columns"].size());
}

}  // namespace
}  // namespace penstock::admin
