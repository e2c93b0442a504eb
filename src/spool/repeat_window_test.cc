#include "spool/repeat_window.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace penstock::spool {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(RepeatWindow, RemembersAFingerprintUntilTheWindowHasPassed) {
  RepeatWindow window(100, 60 * kSecond);
  window.remember({1, 2}, 0);
  EXPECT_TRUE(window.contains({1, 2}, 59 * kSecond));
  EXPECT_FALSE(window.contains({2, 1}, 59 * kSecond));
  EXPECT_FALSE(window.contains({1, 2}, 60 * kSecond));
  EXPECT_EQ(window.size(), 0u);
}

TEST(RepeatWindow, AWindowOfZeroRemembersNothing) {
  RepeatWindow window(100, 0);
  window.remember({1, 2}, 0);
  EXPECT_FALSE(window.contains({1, 2}, 0));
}

TEST(RepeatWindow, AnswersLikeAListForAnyFingerprints) {
  // Few distinct low bits, so that the probing runs long and wraps round.
  RepeatWindow window(1000, 500);
  std::deque<std::pair<Hash128, int64_t>> model;
  std::mt19937_64 random(7);
  for (int64_t now = 0; now < 20000; ++now) {
    const Hash128 fingerprint{random() % 64, (random() % 200) << 32};
    while (!model.empty() && now - model.front().second >= 500) model.pop_front();
    const bool known = std::any_of(model.begin(), model.end(),
                                   [&](const auto& entry) { return entry.first == fingerprint; });
    ASSERT_EQ(window.contains(fingerprint, now), known) << "at " << now;
    if (!known) model.emplace_back(fingerprint, now);
    window.remember(fingerprint, now);
    ASSERT_EQ(window.size(), model.size());
  }
}

TEST(RepeatWindow, ForgetsTheOldestWhenItsNumberIsReached) {
  RepeatWindow window(300, 1000 * kSecond);
  for (uint64_t i = 0; i < 1000; ++i) window.remember({i, i}, static_cast<int64_t>(i));
  EXPECT_EQ(window.size(), 300u);
  EXPECT_FALSE(window.contains({699, 699}, 1000));
  EXPECT_TRUE(window.contains({700, 700}, 1000));
  EXPECT_TRUE(window.contains({999, 999}, 1000));
}

}  // namespace
}  // namespace penstock::spool
