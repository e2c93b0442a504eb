#include "ingest/unanswered_requests.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

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
  UnansweredRequests::Claim begin(const Hash128& of, const Connection& connection) {
    auto claim = requests_->begin(of, connection.probe());
    claim.kept(seconds(60));
    return claim;
  }

  ManualClock clock_;
  std::shared_ptr<UnansweredRequests> requests_ = std::make_shared<UnansweredRequests>(clock_);
  Connection first_;
  Connection second_;
};

TEST_F(Unanswered, ARequestThatWasNotAnsweredInTimeIsRecognized) {
  { const auto claim = begin(key("a"), first_); }
  EXPECT_FALSE(requests_->claim(key("b"), second_.probe()));
  EXPECT_FALSE(requests_->claim(key("a", "10.0.0.2:1000"), second_.probe()));
  EXPECT_TRUE(requests_->claim(key("a", "10.0.0.1:2000"), second_.probe()))
      << "only the port differs";
}

TEST_F(Unanswered, AnEqualRequestAfterAnAnswerIsAnotherOne) {
  auto claim = begin(key("a"), first_);
  claim.request()->finish(AppendOutcome::done);
  claim.answering();
  claim.answered();
  first_.hang_up();
  EXPECT_FALSE(requests_->claim(key("a"), second_.probe()));
}

TEST_F(Unanswered, ARequestUnderWayIsTakenOverOnlyWhenItsPeerHasHungUp) {
  const auto claim = begin(key("a"), first_);
  EXPECT_FALSE(requests_->claim(key("a"), second_.probe())) << "two equal ones at the same time";
  first_.hang_up();
  EXPECT_TRUE(requests_->claim(key("a"), second_.probe()));
}

TEST_F(Unanswered, WhileAnAnswerIsBeingWrittenNobodyTakesOver) {
  auto claim = begin(key("a"), first_);
  claim.answering();
  first_.hang_up();
  EXPECT_FALSE(requests_->claim(key("a"), second_.probe()));
  claim = {};  // it did not arrive
  EXPECT_TRUE(requests_->claim(key("a"), second_.probe()));
}

TEST_F(Unanswered, TheConnectionThatTookOverAnswersForBoth) {
  auto one = begin(key("a"), first_);
  first_.hang_up();
  auto other = requests_->claim(key("a"), second_.probe());
  ASSERT_TRUE(other);
  one = {};
  EXPECT_FALSE(requests_->claim(key("a"), second_.probe())) << "it is under way";
  other.answered();
  EXPECT_FALSE(requests_->claim(key("a"), second_.probe()));
}

TEST_F(Unanswered, IsForgottenAfterTheWindow) {
  { const auto claim = begin(key("a"), first_); }
  clock_.advance(seconds(61));
  EXPECT_FALSE(requests_->claim(key("a"), second_.probe()));
}

TEST_F(Unanswered, OfWhatWasNotKeptNothingIsRemembered) {
  { const auto claim = requests_->begin(key("a"), first_.probe()); }
  EXPECT_FALSE(requests_->claim(key("a"), second_.probe()));
  {
    const auto claim = begin(key("a"), first_);
    claim.request()->finish(AppendOutcome::cancelled);
  }
  EXPECT_FALSE(requests_->claim(key("a"), second_.probe()));
}

TEST_F(Unanswered, WhoWaitsForTheFirstCopyLearnsThatItWasTakenBack) {
  const auto one = begin(key("a"), first_);
  first_.hang_up();
  const auto other = requests_->claim(key("a"), second_.probe());
  ASSERT_TRUE(other);
  EXPECT_FALSE(other.request()->outcome());
  one.request()->finish(AppendOutcome::cancelled);
  EXPECT_EQ(other.request()->outcome(), AppendOutcome::cancelled);
}

TEST_F(Unanswered, ThereIsABound) {
  for (size_t i = 0; i < UnansweredRequests::kRequestsMax + 10; ++i) {
    const auto claim = begin(key(std::to_string(i)), first_);
  }
  EXPECT_TRUE(
      requests_->claim(key(std::to_string(UnansweredRequests::kRequestsMax)), second_.probe()));
}

}  // namespace
}  // namespace penstock::ingest
