#include "admin/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::admin {
namespace {

using testing::HasSubstr;

class Ready : public testing::Test {
 protected:
  Ready() {
    health.watch_pressure([this] { return pushing_back_since; });
    health.started();
  }
  void push_back() { pushing_back_since = clock.steady(); }
  void stop_pushing_back() { pushing_back_since = std::nullopt; }
  // Lets time pass as the server's timer sees it: a look each second.
  void pass(int whole_seconds) {
    for (int i = 0; i < whole_seconds; ++i) {
      clock.advance(seconds(1));
      health.look();
    }
  }
  bool ready() { return health.readyz().good; }

  ManualClock clock;
  Health health{clock};
  std::optional<SteadyTime> pushing_back_since;
};

TEST_F(Ready, FiveSecondsOfPushingBackWithoutPauseAreNotReady) {
  push_back();
  pass(4);
  EXPECT_TRUE(ready());
  pass(1);
  EXPECT_FALSE(ready());
}

TEST_F(Ready, APauseBeginsTheFiveSecondsAnew) {
  push_back();
  pass(4);
  stop_pushing_back();
  pass(1);
  push_back();
  pass(4);
  EXPECT_TRUE(ready());
}

TEST_F(Ready, APauseBetweenTwoLooksCountsToo) {
  push_back();
  pass(4);
  push_back();  // it paused and began again since the last look
  pass(4);
  EXPECT_TRUE(ready());
}

TEST_F(Ready, ItIsReadyAgainAfterFiveSecondsWithout) {
  push_back();
  pass(6);
  stop_pushing_back();
  pass(4);
  EXPECT_FALSE(ready());
  pass(1);
  EXPECT_TRUE(ready());
}

TEST_F(Ready, PushingBackWhileNotReadyBeginsTheWaitAnew) {
  push_back();
  pass(6);
  stop_pushing_back();
  pass(4);
  push_back();
  pass(1);
  stop_pushing_back();
  pass(4);
  EXPECT_FALSE(ready());
  pass(1);
  EXPECT_TRUE(ready());
}

TEST_F(Ready, OnePlaceThatPushesBackIsEnough) {
  std::optional<SteadyTime> memory = clock.steady();
  health.watch_pressure([&] { return memory; });
  pass(5);
  EXPECT_FALSE(ready());
}

TEST(Phases, StartingAndDrainingAreNotReadyButHealthy) {
  ManualClock clock;
  Health health(clock);
  EXPECT_EQ(health.readyz().text, "starting");
  EXPECT_TRUE(health.healthz().good);
  health.started();
  EXPECT_TRUE(health.readyz().good);
  health.draining();
  EXPECT_EQ(health.readyz().text, "draining");
  EXPECT_TRUE(health.healthz().good);
  health.started();  // a late start does not undo a shutdown
  EXPECT_FALSE(health.readyz().good);
}

TEST(Healthy, AThreadThatIsSilentForThirtySecondsIsNamed) {
  ManualClock clock;
  Health health(clock);
  const SteadyTime stuck = clock.steady();
  health.watch_thread("spool", [&] { return clock.steady(); });
  health.watch_thread("delivery-0", [&] { return stuck; });

  clock.advance(seconds(29));
  EXPECT_TRUE(health.healthz().good);
  clock.advance(seconds(1));
  EXPECT_FALSE(health.healthz().good);
  EXPECT_THAT(health.healthz().text, HasSubstr("delivery-0 has not run for 30 s"));

  health.unwatch_all();
  EXPECT_TRUE(health.healthz().good);
}

TEST(Healthy, PushingBackIsNoReasonForARestart) {
  ManualClock clock;
  Health health(clock);
  const SteadyTime since = clock.steady();
  health.watch_pressure([&]() -> std::optional<SteadyTime> { return since; });
  health.started();
  clock.advance(seconds(3600));
  EXPECT_FALSE(health.readyz().good);
  EXPECT_TRUE(health.healthz().good);
}

}  // namespace
}  // namespace penstock::admin
