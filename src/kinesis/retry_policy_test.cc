#include "kinesis/retry_policy.h"

#include <gtest/gtest.h>

#include <limits>

namespace penstock::kinesis {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

Retry after(PutError error, uint32_t tries = 1, size_t record_count = 500, bool is_cbor = true,
            uint64_t random = 0) {
  return retry_request({error, tries, record_count, is_cbor}, random);
}

TEST(RetryPolicy, WaitsGrowToTheirCapAndNeverEnd) {
  milliseconds most{0};
  for (uint64_t random = 0; random < 200'000; random += 7) {
    const Retry retry = after(PutError::throttled, 1'000'000, 1, true, random);
    EXPECT_EQ(retry.remedy, Remedy::resend);
    most = std::max(most, retry.wait);
  }
  EXPECT_EQ(most, milliseconds(20'000));
  for (uint64_t random = 0; random < 500; ++random) {
    EXPECT_LE(after(PutError::server_fault, 1, 1, true, random).wait, milliseconds(50));
    EXPECT_LE(after(PutError::server_fault, 3, 1, true, random).wait, milliseconds(200));
    EXPECT_GE(after(PutError::network, 3, 1, true, random).wait, milliseconds(1));
  }
}

TEST(RetryPolicy, HintLengthensAWaitByAtMostFiveSeconds) {
  FailedRequest failed{PutError::server_fault, 1, 1, true, 400};
  EXPECT_EQ(retry_request(failed, 0).wait, milliseconds(400));
  failed.retry_after_ms = 3'600'000;
  EXPECT_EQ(retry_request(failed, 0).wait, milliseconds(5'001));
  failed.retry_after_ms = 0;
  EXPECT_EQ(retry_request(failed, 49).wait, milliseconds(50));
}

TEST(RetryPolicy, OperatorsWorkIsHeldForThirtyToSixtySeconds) {
  for (const PutError error : {PutError::not_found, PutError::access_denied}) {
    for (const uint64_t random : {uint64_t{0}, uint64_t{12'345}, kMost}) {
      const Retry retry = after(error, 1, 1, true, random);
      EXPECT_EQ(retry.remedy, Remedy::hold);
      EXPECT_TRUE(retry.alert);
      EXPECT_GE(retry.wait, milliseconds(30'000));
      EXPECT_LE(retry.wait, milliseconds(60'000));
    }
  }
}

TEST(RetryPolicy, CredentialsAndClockAreMendedOnceAtOnce) {
  EXPECT_EQ(after(PutError::credentials).remedy, Remedy::refresh_credentials);
  EXPECT_EQ(after(PutError::credentials).wait, milliseconds(0));
  EXPECT_EQ(after(PutError::credentials, 2).remedy, Remedy::hold);
  EXPECT_EQ(after(PutError::clock_skew).remedy, Remedy::correct_clock);
  EXPECT_EQ(after(PutError::clock_skew, 2).remedy, Remedy::hold);
}

TEST(RetryPolicy, BadRecordsAreLookedForByHalves) {
  for (const PutError error : {PutError::invalid_argument, PutError::too_large}) {
    EXPECT_EQ(after(error, 1, 2).remedy, Remedy::bisect);
    EXPECT_EQ(after(error, 9, 1).remedy, Remedy::refused_alone);
  }
}

TEST(RetryPolicy, CborFallsBackToJsonAndJsonDoesNot) {
  EXPECT_EQ(after(PutError::serialization).remedy, Remedy::use_json);
  EXPECT_EQ(after(PutError::unknown_operation).remedy, Remedy::use_json);
  EXPECT_EQ(after(PutError::serialization, 1, 500, false).remedy, Remedy::bisect);
  EXPECT_EQ(after(PutError::unknown_operation, 1, 500, false).remedy, Remedy::hold);
}

TEST(RetryPolicy, EntriesOfUnknownCodesWaitLongest) {
  for (uint64_t random = 0; random < 10'000; random += 11) {
    EXPECT_LE(retry_entry(EntryOutcome::throttled, 50, random), milliseconds(5'000));
    EXPECT_LE(retry_entry(EntryOutcome::internal_failure, 1, random), milliseconds(50));
  }
  EXPECT_EQ(retry_entry(EntryOutcome::unknown_code, 30, 59'999), milliseconds(60'000));
}

}  // namespace
}  // namespace penstock::kinesis
