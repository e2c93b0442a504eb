#include "daemon/shard_watch.h"

#include <gtest/gtest.h>

#include <future>

namespace penstock::daemon {
namespace {

using namespace std::chrono_literals;

ShardTarget target() {
  ShardTarget made;
  made.stream = "logs";
  return made;
}

TEST(ShardWatch, TellsWhatWasAskedAndWaitsForNobodyWhenItEnds) {
  std::promise<std::string> asked;
  std::promise<size_t> told;
  {
    ShardWatch watch([&](const ShardTarget& about) {
      asked.set_value(about.stream);
      ShardNews news;
      news.record_bytes_max = 4'000'000;
      return news;
    });
    (void)watch.watch(target(),
                      [&](const ShardNews& news) { told.set_value(news.record_bytes_max); });
    EXPECT_EQ(told.get_future().get(), 4'000'000u);
  }
  EXPECT_EQ(asked.get_future().get(), "logs");
}

TEST(ShardWatch, AForgottenStreamIsNotTold) {
  std::promise<void> begun;
  std::promise<void> go_on;
  bool was_told = false;
  {
    ShardWatch watch([&](const ShardTarget&) {
      begun.set_value();
      go_on.get_future().wait();
      return ShardNews();
    });
    const auto id = watch.watch(target(), [&](const ShardNews&) { was_told = true; });
    begun.get_future().wait();
    watch.forget(id);
    go_on.set_value();
  }
  EXPECT_FALSE(was_told);
}

TEST(ShardWatch, AsksAgainAfterFiveToTenMinutesAndLaterWhileItFails) {
  for (uint64_t random = 0; random < 1'000'000; random += 9'973) {
    const auto well = ShardWatch::pause_after({}, 0, random);
    EXPECT_GE(well, 5min);
    EXPECT_LE(well, 10min);
    ShardNews failed;
    failed.failed = true;
    EXPECT_LE(ShardWatch::pause_after(failed, 1, random), 4s);
    EXPECT_GE(ShardWatch::pause_after(failed, 20, random), 5min);
    EXPECT_LE(ShardWatch::pause_after(failed, 20, random), 10min);
    failed.denied = true;
    EXPECT_GE(ShardWatch::pause_after(failed, 1, random), 10min);
  }
}

}  // namespace
}  // namespace penstock::daemon
