#include "auth/token_review.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <mutex>
#include <set>
#include <vector>

namespace penstock::auth {
namespace {

namespace asio = boost::asio;

class Reviews : public testing::Test {
 protected:
  // What user_of says, or "(unreachable)".
  std::string ask(const std::string& token) {
    std::optional<std::string> said;
    const auto limit = std::make_shared<net::WaitLimit>(context_.get_executor());
    limit->start(seconds(20));
    asio::co_spawn(context_, review_.user_of(token, "10.0.0.1", *limit),
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

// Reviews that take until they are let go.
class SlowReviews : public testing::Test {
 protected:
  ~SlowReviews() override { let_go(); }
  void let_go() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void ask(const std::string& token, const std::string& peer) {
    limits_.push_back(std::make_shared<net::WaitLimit>(context_.get_executor()));
    limits_.back()->start(seconds(20));
    asio::co_spawn(context_, review_.user_of(token, peer, *limits_.back()),
                   [this, limit = limits_.back()](const std::exception_ptr&,
                                                  const std::optional<std::string>&) {
                     limit->stop();
                     ++answered_;
                   });
    context_.poll();
  }
  bool wait_under_review(const std::string& token) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(20), [&] { return under_review_.contains(token); });
  }
  size_t under_review() {
    const std::lock_guard lock(mutex_);
    return under_review_.size();
  }

  asio::io_context context_;
  std::vector<std::shared_ptr<net::WaitLimit>> limits_;
  size_t answered_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> under_review_;
  bool open_ = false;
  TokenReview review_{[this](const std::string& token) -> std::optional<std::string> {
    std::unique_lock lock(mutex_);
    under_review_.insert(token);
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    return "someone";
  }};
};

TEST_F(SlowReviews, APeerWithManyUnknownTokensDoesNotKeepOthersWaiting) {
  for (int i = 0; i < 400; ++i) ask("bad-" + std::to_string(i), "10.0.0.1");
  ask("good", "10.0.0.2");
  EXPECT_TRUE(wait_under_review("good"));
  EXPECT_LE(under_review(), TokenReview::kAtOnceOfPeer + 1);
}

TEST_F(SlowReviews, PeersTakeTurns) {
  for (int i = 0; i < 100; ++i) {
    ask("a-" + std::to_string(i), "10.0.0.1");
    ask("b-" + std::to_string(i), "10.0.0.2");
  }
  ask("good", "10.0.0.3");
  // All are taken, most of them for one peer; once they are free it is the third one's turn.
  let_go();
  EXPECT_TRUE(wait_under_review("good"));
  while (answered_ < 201) context_.run_one();
}

}  // namespace
}  // namespace penstock::auth
