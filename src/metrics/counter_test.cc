#include "metrics/counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace penstock::metrics {
namespace {

using std::chrono::milliseconds;

TEST(Family, TheSameLabelsAreTheSameChild) {
  Family<Counter> family;
  Counter& first = family.with("forward", "too_large");
  first.add(2);
  family.with("forward", "not_msgpack").add();

  EXPECT_EQ(&family.with("forward", "too_large"), &first);
  std::vector<std::pair<std::string, uint64_t>> seen;
  family.for_each([&](const auto& labels, const Counter& counter) {
    seen.emplace_back(labels.first + "/" + labels.second, counter.value());
  });
  EXPECT_THAT(seen, testing::ElementsAre(testing::Pair("forward/not_msgpack", 1),
                                         testing::Pair("forward/too_large", 2)));
}

TEST(Family, LabelsBeyondTheBoundShareOneChild) {
  Family<Counter> family;
  for (size_t i = 0; i < Family<Counter>::kChildrenMax + 50; ++i) {
    family.with("audit", "shardId-" + std::to_string(i)).add();
  }

  EXPECT_EQ(family.with("other", "other").value(), 50);
  size_t children = 0;
  family.for_each([&](const auto&, const Counter&) { ++children; });
  EXPECT_EQ(children, Family<Counter>::kChildrenMax + 1);
}

TEST(Family, ThreadsThatAddAtOnceLoseNothing) {
  Family<Counter> family;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&family] {
      for (int i = 0; i < 1000; ++i) family.with("a", i % 2 == 0 ? "even" : "odd").add();
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(family.with("a", "even").value(), 2000);
  EXPECT_EQ(family.with("a", "odd").value(), 2000);
}

TEST(Histogram, EachObservationFallsIntoTheFirstBucketThatHoldsIt) {
  Histogram histogram;
  histogram.observe(milliseconds(1));  // exactly a bound belongs to it
  histogram.observe(milliseconds(2));
  histogram.observe(milliseconds(120'000));

  const Histogram::Snapshot seen = histogram.snapshot();
  EXPECT_EQ(seen.counts[0], 1);
  EXPECT_EQ(seen.counts[1], 1);
  EXPECT_EQ(seen.counts.back(), 1);
  EXPECT_DOUBLE_EQ(seen.sum_seconds, 120.003);
}

}  // namespace
}  // namespace penstock::metrics
