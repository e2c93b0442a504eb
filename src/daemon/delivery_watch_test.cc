#include "daemon/delivery_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::daemon {
namespace {

using delivery::PutResult;
using kinesis::EntryOutcome;
using kinesis::PutError;
using metrics::DeliveryTrouble;
using testing::ElementsAre;
using testing::IsEmpty;

PutResult failed(PutError error, std::string code) {
  PutResult result;
  result.error = error;
  result.code = std::move(code);
  return result;
}

PutResult answered(std::vector<kinesis::EntryResult> entries) {
  PutResult result;
  result.error = PutError::none;
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

TEST(DeliveryWatch, NamesTheTroubleByErrorAndCode) {
  const auto trouble = [](PutError error, const char* code) {
    return trouble_of(failed(error, code));
  };
  EXPECT_EQ(trouble(PutError::server_fault, "cannot connect to 127.0.0.1:1 (connection refused)"),
            DeliveryTrouble::unreachable);
  EXPECT_EQ(trouble(PutError::server_fault, "InternalFailure"), DeliveryTrouble::service_fault);
  EXPECT_EQ(trouble(PutError::server_fault, "answer of another length"), DeliveryTrouble::service_fault);
  EXPECT_EQ(trouble(PutError::not_found, "ResourceNotFoundException"), DeliveryTrouble::not_found);
  EXPECT_EQ(trouble(PutError::access_denied, "KMSDisabledException"), DeliveryTrouble::access_denied);
  EXPECT_EQ(trouble(PutError::credentials, "ExpiredTokenException"), DeliveryTrouble::credentials);
  EXPECT_EQ(trouble(PutError::too_large, "RequestEntityTooLarge"), DeliveryTrouble::none);
}

TEST(DeliveryWatch, FailuresCountFromTheFirstOneUntilSomethingIsAccepted) {
  DeliveryWatch watch;
  const WallTime wall{std::chrono::hours(1000)};
  const SteadyTime now{std::chrono::hours(1)};
  watch.note(failed(PutError::server_fault, "InternalFailure"), wall, now);
  watch.note(failed(PutError::server_fault, "ServiceUnavailable"), wall + seconds(5), now + seconds(5));

  metrics::DeliveryStatus status = watch.status(now + seconds(5));
  EXPECT_EQ(status.trouble, DeliveryTrouble::service_fault);
  EXPECT_EQ(status.failing_since, wall);
  EXPECT_EQ(status.failures, 2u);
  EXPECT_EQ(status.error, "ServiceUnavailable");
  EXPECT_FALSE(status.last_success.has_value());

  // All throttled is no success.
  watch.note(answered({{EntryOutcome::throttled, 3}}), wall + seconds(6), now + seconds(6));
  EXPECT_EQ(watch.status(now + seconds(6)).failures, 2u);

  watch.note(answered({{EntryOutcome::accepted, 3}, {EntryOutcome::internal_failure, 3}}), wall + seconds(7),
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
  watch.note(answered({{EntryOutcome::throttled, 7},
                       {EntryOutcome::throttled, kinesis::kNoShard},
                       {EntryOutcome::accepted, 2}}),
             {}, now);
  EXPECT_THAT(watch.status(now + seconds(10)).shards_throttled, ElementsAre(7u));
  EXPECT_THAT(watch.status(now + seconds(31)).shards_throttled, IsEmpty());
}

}  // namespace
}  // namespace penstock::daemon
