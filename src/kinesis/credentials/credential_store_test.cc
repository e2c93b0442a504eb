#include "kinesis/credentials/credential_store.h"

#include <gmock/gmock.h>

#include <atomic>
#include <functional>

namespace penstock::kinesis {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class FakeProvider final : public CredentialProvider {
 public:
  struct State {
    std::function<Answer()> answer;
    std::atomic<int> fetches{0};
    bool changed = false;
  };
  explicit FakeProvider(State& state) : state_(state) {}
  Answer fetch() override {
    ++state_.fetches;
    state_.changed = false;
    return state_.answer();
  }
  bool changed() override { return state_.changed; }

 private:
  State& state_;
};

class CredentialStoreTest : public ::testing::Test {
 protected:
  CredentialStoreTest() : store_(std::make_unique<FakeProvider>(state_), clock_, 1) {
    state_.answer = [this] { return keys("first", clock_.wall() + hours(1)); };
  }

  static CredentialProvider::Answer keys(std::string id, std::optional<WallTime> expiry) {
    Credentials found;
    found.access_key_id = std::move(id);
    found.secret_access_key = "secret";
    found.provider = "fake";
    found.expiry = expiry;
    return found;
  }
  // Steps as the thread would, until this much time is gone.
  void pass(nanoseconds time) {
    const SteadyTime end = clock_.steady() + time;
    while (clock_.steady() < end) clock_.advance(std::min(store_.step(), end - clock_.steady()));
    store_.step();
  }

  ManualClock clock_;
  FakeProvider::State state_;
  CredentialStore store_;
};

TEST_F(CredentialStoreTest, RenewsWellBeforeExpiryAndNotSooner) {
  store_.step();
  EXPECT_EQ(store_.current()->access_key_id, "first");
  pass(minutes(39));
  EXPECT_EQ(state_.fetches, 1);
  pass(minutes(7));
  EXPECT_EQ(state_.fetches, 2);
}

TEST_F(CredentialStoreTest, KeysThatDoNotExpireAreFetchedOnce) {
  state_.answer = [] { return keys("static", std::nullopt); };
  pass(hours(24));
  EXPECT_EQ(state_.fetches, 1);
}

TEST_F(CredentialStoreTest, ChangedFileIsTakenUp) {
  state_.answer = [] { return keys("static", std::nullopt); };
  store_.step();
  state_.answer = [] { return keys("rotated", std::nullopt); };
  state_.changed = true;
  pass(seconds(10));
  EXPECT_EQ(store_.current()->access_key_id, "rotated");
}

TEST_F(CredentialStoreTest, OldOnesServeOnWhenRenewingFails) {
  store_.step();
  state_.answer = []() -> CredentialProvider::Answer { return run_error("provider is down"); };
  pass(hours(3));
  ASSERT_NE(store_.current(), nullptr);
  EXPECT_EQ(store_.current()->access_key_id, "first");
  EXPECT_EQ(store_.status().last_error, "provider is down");
  EXPECT_EQ(store_.status().provider, "fake");
  // It went on asking, about once a minute.
  EXPECT_GT(state_.fetches, 100);
  EXPECT_LT(state_.fetches, 400);

  state_.answer = [this] { return keys("second", clock_.wall() + hours(1)); };
  pass(minutes(2));
  EXPECT_EQ(store_.current()->access_key_id, "second");
  EXPECT_EQ(store_.status().last_error, "");
}

TEST_F(CredentialStoreTest, CredentialsHandedOutExpiredAreUsedAndNotAskedForAgainAtOnce) {
  state_.answer = [this] { return keys("stale", clock_.wall() - minutes(1)); };
  store_.step();
  EXPECT_EQ(store_.current()->access_key_id, "stale");
  pass(minutes(16));
  EXPECT_EQ(state_.fetches, 1);
  pass(minutes(10));
  EXPECT_EQ(state_.fetches, 2);
}

TEST_F(CredentialStoreTest, RefusedCredentialsAreRenewedAtOnceButNotForEachRefusal) {
  store_.step();
  clock_.advance(seconds(11));
  for (int i = 0; i < 100; ++i) {
    store_.refresh_soon();
    store_.step();
  }
  EXPECT_EQ(state_.fetches, 2);
}

TEST_F(CredentialStoreTest, CredentialsRefusedSoonAfterTheyWereFetchedAreRenewedALittleLater) {
  store_.step();
  store_.refresh_soon();
  store_.step();
  EXPECT_EQ(state_.fetches, 1);
  clock_.advance(seconds(11));
  store_.step();
  EXPECT_EQ(state_.fetches, 2);
}

TEST_F(CredentialStoreTest, ReplacedProviderTakesOver) {
  store_.step();
  FakeProvider::State other;
  other.answer = [] { return keys("other", std::nullopt); };
  store_.replace(std::make_unique<FakeProvider>(other));
  store_.step();
  EXPECT_EQ(store_.current()->access_key_id, "other");
}

TEST_F(CredentialStoreTest, ThreadFetchesBeforeStartReturns) {
  CredentialStore store(std::make_unique<FakeProvider>(state_), Clock::system(), 1);
  store.start(seconds(10));
  ASSERT_NE(store.current(), nullptr);
  EXPECT_EQ(store.current()->access_key_id, "first");
  store.stop();
}

}  // namespace
}  // namespace penstock::kinesis
