#include "ingest/token_review.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace penstock::ingest {
namespace {

namespace asio = boost::asio;

class Reviews : public testing::Test {
 protected:
  // What user_of says, or "(unreachable)".
  std::string ask(const std::string& token) {
    std::optional<std::string> said;
    const auto limit = std::make_shared<WaitLimit>(context_.get_executor());
    limit->start(seconds(20));
    asio::co_spawn(context_, review_.user_of(token, *limit),
                   [&](const std::exception_ptr&, std::optional<std::string> user) {
                     said = user.value_or("(unreachable)");
                     limit->stop();
                   });
    context_.restart();
    // Not until nothing is left to do: the limit's timer is left alone when it is not needed.
    while (!said) context_.run_one();
    return *said;
  }

  asio::io_context context_;
  ManualClock clock_;
  std::atomic<int> asked_{0};
  std::atomic<bool> reachable_{true};
  std::atomic<bool> revoked_{false};
  TokenReview review_{[this](const std::string& token) -> std::optional<std::string> {
                        ++asked_;
                        if (!reachable_) return std::nullopt;
                        return token == "good" && !revoked_ ? "someone" : "";
                      },
                      clock_};
};

TEST_F(Reviews, AreAskedForOnceAndRemembered) {
  EXPECT_EQ(ask("good"), "someone");
  EXPECT_EQ(ask("good"), "someone");
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(ask("bad"), "");
  EXPECT_EQ(asked_, 2);
}

TEST_F(Reviews, AreRenewedAfterAMinuteSoThatARevokedTokenEnds) {
  EXPECT_EQ(ask("good"), "someone");
  revoked_ = true;
  clock_.advance(seconds(61));
  EXPECT_EQ(ask("good"), "");
}

TEST_F(Reviews, ServeTenMinutesLongerWhenTheApiServerCannotBeReached) {
  EXPECT_EQ(ask("good"), "someone");
  reachable_ = false;
  clock_.advance(seconds(600));
  EXPECT_EQ(ask("good"), "someone");
  clock_.advance(seconds(61));
  EXPECT_EQ(ask("good"), "(unreachable)");
  reachable_ = true;
  EXPECT_EQ(ask("good"), "someone");
}

TEST_F(Reviews, ANoIsRememberedTenSecondsAndNotLonger) {
  EXPECT_EQ(ask("bad"), "");
  reachable_ = false;
  EXPECT_EQ(ask("bad"), "");
  clock_.advance(seconds(11));
  EXPECT_EQ(ask("bad"), "(unreachable)");
}

TEST_F(Reviews, WhatCannotBeATokenIsNotAskedAbout) {
  EXPECT_EQ(ask("quote\""), "");
  EXPECT_EQ(ask(""), "");
  EXPECT_EQ(ask(std::string(9000, 'a')), "");
  EXPECT_EQ(asked_, 0);
}

TEST_F(Reviews, ManyTokensDoNotFillTheMemory) {
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(ask("token-" + std::to_string(i)), "");
  EXPECT_EQ(ask("good"), "someone");
}

}  // namespace
}  // namespace penstock::ingest
