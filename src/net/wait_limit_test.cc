#include "net/wait_limit.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace penstock::net {
namespace {

namespace asio = boost::asio;

class WaitLimits : public testing::Test {
 protected:
  // Waits for event; true when it came back at all, which is the limit's doing unless it was set.
  bool wait(const std::shared_ptr<net::Event>& event) {
    bool done = false;
    limit_->watch(event);
    asio::co_spawn(context_, event->wait(), [&](const std::exception_ptr&) {
      done = true;
      limit_->stop();
    });
    context_.restart();
    context_.run();
    return done;
  }
  std::shared_ptr<net::Event> event() {
    return std::make_shared<net::Event>(context_.get_executor());
  }

  asio::io_context context_;
  std::shared_ptr<WaitLimit> limit_ = std::make_shared<WaitLimit>(context_.get_executor());
};

TEST_F(WaitLimits, EndAWaitWhenTheyPass) {
  limit_->start(milliseconds(5));
  EXPECT_TRUE(wait(event()));
  EXPECT_TRUE(limit_->passed());
  limit_->start(milliseconds(5));
  EXPECT_FALSE(limit_->passed()) << "set anew";
  EXPECT_TRUE(wait(event()));
  EXPECT_TRUE(limit_->passed());
}

TEST_F(WaitLimits, DoNotPassWhenWhatWasWaitedForComes) {
  limit_->start(milliseconds(5));
  const auto here = event();
  here->set();
  EXPECT_TRUE(wait(here));
  EXPECT_FALSE(limit_->passed());
}

TEST_F(WaitLimits, AreKeptToWhenTheTimerOfAnEarlierOneGoesOffFirst) {
  limit_->start(milliseconds(5));
  limit_->watch(event());  // arms the timer; nobody waits any more
  const auto begun = std::chrono::steady_clock::now();
  limit_->start(milliseconds(40));
  EXPECT_TRUE(wait(event()));
  EXPECT_TRUE(limit_->passed());
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(40));
}

TEST_F(WaitLimits, AreBroughtForward) {
  limit_->start(seconds(3600));
  limit_->watch(event());
  limit_->start(milliseconds(5));
  EXPECT_TRUE(wait(event()));
  EXPECT_TRUE(limit_->passed());
}

}  // namespace
}  // namespace penstock::net
