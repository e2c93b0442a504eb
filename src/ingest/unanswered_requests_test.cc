#include "ingest/unanswered_requests.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>

namespace penstock::ingest {
namespace {

using spool::AppendOutcome;

// A connection: both ends, and our probe of it.
class Connection {
 public:
  Connection() {
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()) == 0);
    probe_ = std::make_shared<net::HangUpProbe>(ends_[0]);
  }
  ~Connection() {
    probe_->forget();
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  void hang_up() { ::close(std::exchange(ends_[1], -1)); }
  [[nodiscard]] UnansweredRequests::Probe probe() const { return probe_; }

 private:
  std::array<int, 2> ends_{};
  std::shared_ptr<net::HangUpProbe> probe_;
};

class Unanswered : public testing::Test {
 protected:
  static Hash128 key(std::string_view body, std::string_view peer = "10.0.0.1:1000") {
    return UnansweredRequests::key_of(peer, "/", as_bytes(body));
  }
  UnansweredRequests::Claim claim_of(const Hash128& of, UnansweredRequests::Probe probe) {
    return requests_->claim(of, std::move(probe), decided_);
  }
  UnansweredRequests::Claim begin(const Hash128& of, const Connection& connection) {
    auto claim = requests_->begin(of, connection.probe());
    claim.kept(seconds(60));
    return claim;
  }

  boost::asio::io_context context_;
  std::shared_ptr<net::Event> decided_ = std::make_shared<net::Event>(context_.get_executor());
  ManualClock clock_;
  std::shared_ptr<UnansweredRequests> requests_ = std::make_shared<UnansweredRequests>(clock_);
  Connection first_;
  Connection second_;
};

TEST_F(Unanswered, ARequestThatWasNotAnsweredInTimeIsRecognized) {
  { const auto claim = begin(key("a"), first_); }
  EXPECT_FALSE(claim_of(key("b"), second_.probe()));
  EXPECT_FALSE(claim_of(key("a", "10.0.0.2:1000"), second_.probe()));
  EXPECT_TRUE(claim_of(key("a", "10.0.0.1:2000"), second_.probe())) << "only the port differs";
}

TEST_F(Unanswered, AnEqualRequestAfterAnAnswerIsAnotherOne) {
  auto claim = begin(key("a"), first_);
  claim.request()->finish(AppendOutcome::done);
  claim.answering();
  claim.answered();
  first_.hang_up();
  EXPECT_FALSE(claim_of(key("a"), second_.probe()));
}

TEST_F(Unanswered, ARequestUnderWayIsTakenOverOnlyWhenItsPeerHasHungUp) {
  const auto claim = begin(key("a"), first_);
  EXPECT_FALSE(claim_of(key("a"), second_.probe())) << "two equal ones at the same time";
  first_.hang_up();
  EXPECT_TRUE(claim_of(key("a"), second_.probe()));
}

TEST_F(Unanswered, WhileAnAnswerIsBeingWrittenToAPeerThatIsThereAnEqualOneIsAnother) {
  auto first = begin(key("a"), first_);
  first.answering();
  const auto other = claim_of(key("a"), second_.probe());
  EXPECT_FALSE(other);
  EXPECT_FALSE(other.is_undecided());
}

TEST_F(Unanswered, WhileAnAnswerIsBeingWrittenToAPeerThatHasHungUpNobodyKnows) {
  for (const bool arrives : {false, true}) {
    Connection peer;
    auto first = begin(key("a"), peer);
    first.answering();
    peer.hang_up();
    EXPECT_TRUE(claim_of(key("a"), second_.probe()).is_undecided());
    EXPECT_FALSE(decided_->is_set());
    if (arrives) first.answered();
    first = {};
    EXPECT_TRUE(decided_->is_set());
    auto second = claim_of(key("a"), second_.probe());
    EXPECT_FALSE(second.is_undecided());
    EXPECT_EQ(static_cast<bool>(second), !arrives);
    if (second) second.answered();
    decided_ = std::make_shared<net::Event>(context_.get_executor());
  }
}

TEST_F(Unanswered, TheConnectionThatTookOverAnswersForBoth) {
  auto one = begin(key("a"), first_);
  first_.hang_up();
  auto other = claim_of(key("a"), second_.probe());
  ASSERT_TRUE(other);
  one = {};
  EXPECT_FALSE(claim_of(key("a"), second_.probe())) << "it is under way";
  other.answered();
  EXPECT_FALSE(claim_of(key("a"), second_.probe()));
}

TEST_F(Unanswered, IsForgottenAfterTheWindow) {
  { const auto claim = begin(key("a"), first_); }
  clock_.advance(seconds(61));
  EXPECT_FALSE(claim_of(key("a"), second_.probe()));
}

TEST_F(Unanswered, OfWhatWasNotKeptNothingIsRemembered) {
  { const auto claim = requests_->begin(key("a"), first_.probe()); }
  EXPECT_FALSE(claim_of(key("a"), second_.probe()));
  {
    const auto claim = begin(key("a"), first_);
    claim.request()->finish(AppendOutcome::cancelled);
  }
  EXPECT_FALSE(claim_of(key("a"), second_.probe()));
}

TEST_F(Unanswered, WhoWaitsForTheFirstCopyLearnsThatItWasTakenBack) {
  const auto one = begin(key("a"), first_);
  first_.hang_up();
  const auto other = claim_of(key("a"), second_.probe());
  ASSERT_TRUE(other);
  EXPECT_FALSE(other.request()->outcome());
  one.request()->finish(AppendOutcome::cancelled);
  EXPECT_EQ(other.request()->outcome(), AppendOutcome::cancelled);
}

TEST_F(Unanswered, WhoWaitsForTheFirstCopyLearnsThatItWasGivenUpBeforeTheSpoolHadIt) {
  UnansweredRequests::Claim other;
  {
    const auto one = requests_->begin(key("a"), first_.probe());
    first_.hang_up();
    other = claim_of(key("a"), second_.probe());
    ASSERT_TRUE(other);
    other.kept(seconds(60));
    EXPECT_FALSE(other.request()->outcome());
  }
  EXPECT_EQ(other.request()->outcome(), AppendOutcome::cancelled);
}

TEST_F(Unanswered, WhatTheSpoolHasIsNotTakenBackByTheConnectionThatBegan) {
  UnansweredRequests::Claim other;
  {
    const auto one = begin(key("a"), first_);
    first_.hang_up();
    other = claim_of(key("a"), second_.probe());
    ASSERT_TRUE(other);
  }
  EXPECT_FALSE(other.request()->outcome());
}

TEST_F(Unanswered, ThereIsABound) {
  for (size_t i = 0; i < UnansweredRequests::kRequestsMax + 10; ++i) {
    const auto claim = begin(key(std::to_string(i)), first_);
  }
  EXPECT_TRUE(claim_of(key(std::to_string(UnansweredRequests::kRequestsMax)), second_.probe()));
}

}  // namespace
}  // namespace penstock::ingest
