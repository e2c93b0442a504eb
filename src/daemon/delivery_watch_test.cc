#include "daemon/delivery_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::daemon {
namespace {

using delivery::EntryResult;
using delivery::PutResult;
using delivery::Verdict;
using metrics::DeliveryTrouble;
using testing::ElementsAre;
using testing::IsEmpty;

PutResult failed(Verdict verdict, std::string code) {
  PutResult result;
  result.verdict = verdict;
  result.code = std::move(code);
  return result;
}

PutResult answered(std::vector<PutResult::Entry> entries) {
  PutResult result;
  result.verdict = Verdict::answered;
  result.entries = std::move(entries);
  return result;
}

TEST(DeliveryWatch, RemembersSinceWhenKeysAreIgnored) {
  DeliveryWatch watch;
  const WallTime first{seconds(1'000)};
  EXPECT_EQ(watch.status({}).keys_ignored_since, std::nullopt);
  watch.set_keys_ignored(true, first);
  watch.set_keys_ignored(true, first + seconds(300));
  EXPECT_EQ(watch.status({}).keys_ignored_since, first);
  watch.set_keys_ignored(false, first + seconds(600));
  EXPECT_EQ(watch.status({}).keys_ignored_since, std::nullopt);
}

TEST(DeliveryWatch, NamesTheTroubleByVerdictAndCode) {
  const auto trouble = [](Verdict verdict, const char* code) {
    return trouble_of(failed(verdict, code));
  };
  EXPECT_EQ(trouble(Verdict::fault, "cannot connect to 127.0.0.1:1 (connection refused)"),
            DeliveryTrouble::unreachable);
  EXPECT_EQ(trouble(Verdict::fault, "InternalFailure"), DeliveryTrouble::service_fault);
  EXPECT_EQ(trouble(Verdict::fault, "answer of another length"), DeliveryTrouble::service_fault);
  EXPECT_EQ(trouble(Verdict::hold, "ResourceNotFoundException"), DeliveryTrouble::not_found);
  EXPECT_EQ(trouble(Verdict::hold, "KMSDisabledException"), DeliveryTrouble::access_denied);
  EXPECT_EQ(trouble(Verdict::credentials, "ExpiredTokenException"), DeliveryTrouble::credentials);
  EXPECT_EQ(trouble(Verdict::too_large, "RequestEntityTooLarge"), DeliveryTrouble::none);
}

TEST(DeliveryWatch, FailuresCountFromTheFirstOneUntilSomethingIsAccepted) {
  DeliveryWatch watch;
  const WallTime wall{std::chrono::hours(1000)};
  const SteadyTime now{std::chrono::hours(1)};
  watch.note(failed(Verdict::fault, "InternalFailure"), wall, now);
  watch.note(failed(Verdict::fault, "ServiceUnavailable"), wall + seconds(5), now + seconds(5));

  metrics::DeliveryStatus status = watch.status(now + seconds(5));
  EXPECT_EQ(status.trouble, DeliveryTrouble::service_fault);
  EXPECT_EQ(status.failing_since, wall);
  EXPECT_EQ(status.failures, 2u);
  EXPECT_EQ(status.error, "ServiceUnavailable");
  EXPECT_FALSE(status.last_success.has_value());

  // All throttled is no success.
  watch.note(answered({{EntryResult::throttled, 3}}), wall + seconds(6), now + seconds(6));
  EXPECT_EQ(watch.status(now + seconds(6)).failures, 2u);

  watch.note(answered({{EntryResult::accepted, 3}, {EntryResult::failed, 3}}), wall + seconds(7),
             now + seconds(7));
  status = watch.status(now + seconds(7));
  EXPECT_EQ(status.trouble, DeliveryTrouble::none);
  EXPECT_FALSE(status.failing_since.has_value());
  EXPECT_EQ(status.last_success, wall + seconds(7));
  EXPECT_EQ(status.last_error, "ServiceUnavailable");
}

TEST(DeliveryWatch, AShardThatThrottledIsSlowedDownForAWhile) {
  DeliveryWatch watch;
  const SteadyTime now{std::chrono::hours(1)};
  watch.note(answered({{EntryResult::throttled, 7},
                       {EntryResult::throttled, PutResult::kNoShard},
                       {EntryResult::accepted, 2}}),
             {}, now);
  EXPECT_THAT(watch.status(now + seconds(10)).shards_throttled, ElementsAre(7u));
  EXPECT_THAT(watch.status(now + seconds(31)).shards_throttled, IsEmpty());
}

}  // namespace
}  // namespace penstock::daemon
