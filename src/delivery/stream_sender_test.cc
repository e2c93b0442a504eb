#include "delivery/stream_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "delivery/sender_rig.h"

namespace penstock::delivery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAreArray;
using namespace std::chrono_literals;

class StreamSenderTest : public testing::Test {
 protected:
  World world_;
  Rig rig_{world_, plain_options()};
  PlayedStream& stream_ = rig_.stream;
};

// The stream takes no call with this object in it.
auto poisoned(const std::string& object) {
  return [object](const PlayedStream::Call& call) -> std::optional<PutResult> {
    for (const auto& record : call.records) {
      if (record.data == object)
        return whole(PutError::invalid_argument, "InvalidArgumentException");
    }
    return std::nullopt;
  };
}

TEST_F(StreamSenderTest, EventsGoOutByteForByteAndTheirEntryIsReleased) {
  rig_.add(objects(0, 3));
  world_.run_until_quiet();
  EXPECT_THAT(stream_.accepted_data(), ElementsAre(object(0), object(1), object(2)));
  EXPECT_THAT(stream_.calls, SizeIs(1));
  EXPECT_THAT(rig_.log.released, ElementsAre(0u));
  EXPECT_EQ(rig_.delivered(), 3u);
  EXPECT_EQ(rig_.pending(), 0u);
  EXPECT_TRUE(rig_.sender->is_idle());
  EXPECT_EQ(world_.memory.leased_bytes(), 0u);
}

// Until it is final nothing else may be read that could show whether it is the record or the
// stream.
TEST_F(StreamSenderTest, ARejectedRecordThatFillsTheLogsShareIsJudgedByTheNextOne) {
  rig_.log.held_bytes_max = 1'000;
  stream_.on_call = poisoned(object(0, 2'000));
  rig_.add({object(0, 2'000)});
  rig_.add({object(1, 2'000)});
  rig_.add({object(2, 2'000)});
  world_.run_until_quiet(30min);
  ASSERT_THAT(world_.spool.letters, SizeIs(1));
  EXPECT_EQ(world_.spool.letters[0].object, object(0, 2'000));
  EXPECT_THAT(stream_.accepted_data(), ElementsAre(object(1, 2'000), object(2, 2'000)));
  EXPECT_EQ(rig_.pending(), 0u);
}

TEST_F(StreamSenderTest, OnlyTheFailedEntriesAreSentAgain) {
  int failures = 0;
  stream_.on_record = [&](const PlayedStream::Record& record) -> std::optional<EntryOutcome> {
    if (record.data != object(1) || failures == 3) return std::nullopt;
    ++failures;
    return EntryOutcome::internal_failure;
  };
  rig_.add(objects(0, 3));
  world_.run_until_quiet();
  EXPECT_THAT(stream_.calls, SizeIs(4));
  for (size_t i = 1; i < stream_.calls.size(); ++i) {
    ASSERT_THAT(stream_.calls[i].records, SizeIs(1));
    EXPECT_EQ(stream_.calls[i].records[0].data, object(1));
    EXPECT_EQ(stream_.calls[i].records[0].partition_key, stream_.calls[0].records[1].partition_key);
  }
  EXPECT_THAT(stream_.accepted_data(), ElementsAre(object(0), object(2), object(1)));
  EXPECT_EQ(rig_.delivered(), 3u);
}

TEST_F(StreamSenderTest, ManyRandomFailuresDeliverEachEventOnce) {
  uint64_t state = 1;
  stream_.on_record = [&](const PlayedStream::Record&) -> std::optional<EntryOutcome> {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % 5 == 0 ? std::optional(EntryOutcome::internal_failure) : std::nullopt;
  };
  std::vector<std::string> all;
  for (uint32_t batch = 0; batch < 40; ++batch) {
    const auto some = objects(batch * 250, 250);
    all.insert(all.end(), some.begin(), some.end());
    rig_.add(some);
  }
  world_.run_until_quiet();
  EXPECT_THAT(stream_.accepted_data(), UnorderedElementsAreArray(all));
  EXPECT_EQ(rig_.delivered(), 10'000u);
  EXPECT_EQ(rig_.pending(), 0u);
  EXPECT_THAT(rig_.log.released, SizeIs(40));
}

TEST_F(StreamSenderTest, AnEntryIsReleasedOnlyWithItsLastEvent) {
  bool still_failing = true;
  stream_.on_record = [&](const PlayedStream::Record& record) -> std::optional<EntryOutcome> {
    return still_failing && record.data == object(1) ? std::optional(EntryOutcome::internal_failure)
                                                     : std::nullopt;
  };
  rig_.add(objects(0, 2));
  rig_.add(objects(2, 2));
  world_.run_for(5s);
  EXPECT_THAT(rig_.log.released, ElementsAre(1u));
  EXPECT_EQ(rig_.delivered(), 3u);
  EXPECT_EQ(rig_.pending(), 1u);
  still_failing = false;
  world_.run_until_quiet();
  EXPECT_THAT(rig_.log.released, ElementsAre(1u, 0u));
}

TEST_F(StreamSenderTest, AFailedRequestIsSentAgainUnchanged) {
  int failures = 0;
  stream_.on_call = [&](const PlayedStream::Call&) -> std::optional<PutResult> {
    if (++failures > 4) return std::nullopt;
    return whole(failures % 2 == 0 ? PutError::throttled : PutError::server_fault);
  };
  rig_.add(objects(0, 5));
  world_.run_until_quiet();
  ASSERT_THAT(stream_.calls, SizeIs(5));
  for (const auto& call : stream_.calls) EXPECT_EQ(call.body, stream_.calls[0].body);
  EXPECT_EQ(rig_.delivered(), 5u);
}

TEST_F(StreamSenderTest, AnAnswerOfAnotherLengthSaysNothingOfAnyRecord) {
  bool first = true;
  stream_.on_call = [&](const PlayedStream::Call&) -> std::optional<PutResult> {
    if (!std::exchange(first, false)) return std::nullopt;
    PutResult result = whole(PutError::none);
    result.entries.resize(1);
    return result;
  };
  rig_.add(objects(0, 2));
  world_.run_until_quiet();
  EXPECT_THAT(stream_.calls, SizeIs(2));
  EXPECT_EQ(rig_.delivered(), 2u);
}

TEST_F(StreamSenderTest, APoisonedRecordIsFoundAndItAloneIsDeadLettered) {
  stream_.on_call = poisoned(object(37));
  rig_.add(objects(0, 100));
  world_.run_until_quiet();
  ASSERT_THAT(world_.spool.letters, SizeIs(1));
  EXPECT_EQ(world_.spool.letters[0].reason, "refused");
  EXPECT_EQ(world_.spool.letters[0].detail, "InvalidArgumentException");
  EXPECT_EQ(world_.spool.letters[0].object, object(37));
  EXPECT_EQ(rig_.delivered(), 99u);
  EXPECT_EQ(rig_.pending(), 0u);
  EXPECT_THAT(rig_.log.released, ElementsAre(0u));
}

TEST_F(StreamSenderTest, ManyPoisonedRecordsInARowAreFoundWithoutPausingTheStream) {
  stream_.on_call = [](const PlayedStream::Call& call) -> std::optional<PutResult> {
    for (const auto& record : call.records) {
      if (record.data.size() < 100)
        return whole(PutError::invalid_argument, "InvalidArgumentException");
    }
    return std::nullopt;
  };
  rig_.add(objects(0, 600));
  rig_.add(objects(600, 400, 200));
  world_.run_for(60s);
  EXPECT_EQ(rig_.delivered(), 400u);
  EXPECT_THAT(world_.spool.letters, SizeIs(600));
  EXPECT_EQ(rig_.pending(), 0u);
  EXPECT_LT(stream_.calls.size(), 3'000u);
}

TEST_F(StreamSenderTest, AStreamThatRefusesEverythingIsPausedAndNothingIsGivenUp) {
  bool refuses = true;
  stream_.on_call = [&](const PlayedStream::Call&) -> std::optional<PutResult> {
    if (refuses) return whole(PutError::invalid_argument, "ValidationException");
    return std::nullopt;
  };
  rig_.add(objects(0, 20));
  world_.run_for(10min);
  EXPECT_THAT(world_.spool.letters, IsEmpty());
  EXPECT_EQ(rig_.sender->paused_because(), "ValidationException");
  EXPECT_EQ(rig_.pending(), 20u);
  refuses = false;
  world_.run_until_quiet();
  EXPECT_THAT(world_.spool.letters, IsEmpty());
  EXPECT_EQ(rig_.delivered(), 20u);
  EXPECT_EQ(rig_.sender->paused_because(), "");
}

TEST_F(StreamSenderTest, ABadRecordThatCameAloneDoesNotHoldUpThoseBehindIt) {
  stream_.on_call = poisoned(object(0));
  rig_.add(objects(0, 1));
  world_.run_for(1s);
  EXPECT_THAT(world_.spool.letters, IsEmpty());  // nothing says yet that it is not the stream
  rig_.add(objects(1, 3));
  world_.run_for(3min);
  EXPECT_THAT(stream_.accepted_data(), ElementsAre(object(1), object(2), object(3)));
  ASSERT_THAT(world_.spool.letters, SizeIs(1));
  EXPECT_EQ(world_.spool.letters[0].object, object(0));
  EXPECT_EQ(rig_.sender->paused_because(), "");
}

TEST_F(StreamSenderTest, AMissingStreamIsAskedEvery30To60SecondsUntilItIsThere) {
  bool missing = true;
  stream_.on_call = [&](const PlayedStream::Call&) -> std::optional<PutResult> {
    return missing ? std::optional(whole(PutError::not_found, "ResourceNotFoundException"))
                   : std::nullopt;
  };
  rig_.add(objects(0, 2));
  world_.run_for(10min);
  EXPECT_EQ(rig_.sender->paused_because(), "ResourceNotFoundException");
  EXPECT_THAT(stream_.calls.size(), testing::AllOf(testing::Ge(10u), testing::Le(21u)));
  for (size_t i = 1; i < stream_.calls.size(); ++i) {
    EXPECT_GE(stream_.calls[i].at - stream_.calls[i - 1].at, 30s);
    EXPECT_LE(stream_.calls[i].at - stream_.calls[i - 1].at, 61s);
  }
  missing = false;
  world_.run_until_quiet();
  EXPECT_EQ(rig_.delivered(), 2u);
  EXPECT_THAT(world_.spool.letters, IsEmpty());
}

// The answer that ends the pause is about the record alone that asked.
TEST_F(StreamSenderTest, APausedStreamGoesOnThoughTheRecordThatAsksIsRejected) {
  bool missing = true;
  stream_.on_call = [&](const PlayedStream::Call& call) -> std::optional<PutResult> {
    const bool is_bad = call.records.back().data == object(1);
    if (!is_bad) return std::nullopt;
    const bool is_alone = call.records.size() == 1;
    if (is_alone && std::exchange(missing, false)) {
      return whole(PutError::not_found, "ResourceNotFoundException");
    }
    return whole(PutError::invalid_argument, "InvalidArgumentException");
  };
  rig_.add(objects(0, 2));
  world_.run_for(1s);
  ASSERT_EQ(rig_.sender->paused_because(), "ResourceNotFoundException");
  rig_.add(objects(2, 3));
  world_.run_for(2min);
  EXPECT_THAT(world_.spool.letters, SizeIs(1));
  EXPECT_EQ(rig_.delivered(), 4u);
  EXPECT_EQ(rig_.sender->paused_because(), "");
}

TEST_F(StreamSenderTest, AStreamPausedForItsCredentialsGoesOnAsSoonAsThereAreNewOnes) {
  bool expired = true;
  stream_.on_call = [&](const PlayedStream::Call&) {
    return expired ? std::optional(whole(PutError::credentials, "ExpiredTokenException"))
                   : std::nullopt;
  };
  rig_.add(objects(0, 3));
  world_.run_for(3s);
  EXPECT_EQ(rig_.sender->paused_because(), "ExpiredTokenException");
  const size_t calls = stream_.calls.size();
  rig_.sender->credentials_renewed();  // to others that are no good either
  world_.run_for(3s);
  EXPECT_EQ(stream_.calls.size(), calls + 1);
  expired = false;
  rig_.sender->credentials_renewed();
  world_.run_for(1s);
  EXPECT_EQ(rig_.delivered(), 3u);
  EXPECT_EQ(rig_.sender->paused_because(), "");
}

// What is due but waits for the answer of the one that asks must not wake the sender at once, again
// and again: that answer would never be taken.
TEST_F(StreamSenderTest, OfSeveralRequestsOfAPausedStreamOneAsksAndTheOthersWaitForItsAnswer) {
  bool denied = true;
  stream_.on_call = [&](const PlayedStream::Call&) -> std::optional<PutResult> {
    return denied ? std::optional(whole(PutError::access_denied, "AccessDeniedException"))
                  : std::nullopt;
  };
  rig_.add(objects(0, 1'500));
  world_.run_for(1s);
  const size_t held = stream_.calls.size();
  ASSERT_GT(held, 1u);
  world_.run_for(5min);
  EXPECT_THAT(stream_.calls.size() - held, testing::AllOf(testing::Ge(4u), testing::Le(11u)));
  denied = false;
  world_.run_until_quiet();
  EXPECT_EQ(rig_.delivered(), 1'500u);
}

TEST_F(StreamSenderTest, NewCredentialsDoNotHurryAStreamThatIsPausedForAnotherReason) {
  stream_.on_call = [](const PlayedStream::Call&) {
    return std::optional(whole(PutError::access_denied, "AccessDeniedException"));
  };
  rig_.add(objects(0, 3));
  world_.run_for(1s);
  rig_.sender->credentials_renewed();
  world_.run_for(20s);
  EXPECT_THAT(stream_.calls, SizeIs(1));
}

TEST_F(StreamSenderTest, AServiceWithoutCborGetsJsonFromThenOn) {
  stream_.on_call = [&](const PlayedStream::Call& call) -> std::optional<PutResult> {
    if (call.protocol == kinesis_format::Protocol::cbor) return whole(PutError::unknown_operation);
    return std::nullopt;
  };
  rig_.add(objects(0, 3));
  world_.run_until_quiet();
  rig_.add(objects(3, 3));
  world_.run_until_quiet();
  EXPECT_THAT(stream_.accepted_data(), UnorderedElementsAreArray(objects(0, 6)));
  EXPECT_EQ(rig_.delivered(), 6u);
  EXPECT_EQ(stream_.calls.back().protocol, kinesis_format::Protocol::json);
  EXPECT_THAT(stream_.calls, SizeIs(3));
}

TEST_F(StreamSenderTest, APausedStreamGoesOnThoughTheOneThatAsksMustBecomeJson) {
  PutError error = PutError::not_found;
  stream_.on_call = [&](const PlayedStream::Call& call) -> std::optional<PutResult> {
    return call.protocol == kinesis_format::Protocol::cbor ? std::optional(whole(error))
                                                           : std::nullopt;
  };
  rig_.add(objects(0, 3));
  world_.run_for(1s);
  ASSERT_TRUE(rig_.sender->is_missing());
  error = PutError::unknown_operation;
  world_.run_for(2min);
  EXPECT_EQ(rig_.delivered(), 3u);
  EXPECT_EQ(rig_.sender->paused_because(), "");
}

TEST_F(StreamSenderTest, ARequestThatIsTooLargeGoesInHalves) {
  stream_.on_call = [&](const PlayedStream::Call& call) -> std::optional<PutResult> {
    return call.records.size() > 3 ? std::optional(whole(PutError::too_large)) : std::nullopt;
  };
  rig_.add(objects(0, 16));
  world_.run_until_quiet();
  EXPECT_THAT(stream_.accepted_data(), UnorderedElementsAreArray(objects(0, 16)));
  EXPECT_EQ(rig_.delivered(), 16u);
}

TEST_F(StreamSenderTest, HalvesOfARequestFitEvenWhenRecordsWereLimitedMeanwhile) {
  stream_.on_call = [&](const PlayedStream::Call& call) -> std::optional<PutResult> {
    return call.records.size() > 1 ? std::optional(whole(PutError::too_large)) : std::nullopt;
  };
  rig_.add(objects(0, 2, 5'000));
  world_.run_for(1ms);
  rig_.sender->limit_records(2'000);
  world_.run_until_quiet();
  EXPECT_EQ(rig_.delivered(), 2u);
}

TEST_F(StreamSenderTest, WhatAnOverflowLogHasIsNotSentFromTheMainLog) {
  rig_.add(objects(0, 5), "test", {0, 2, 3});
  world_.run_until_quiet();
  EXPECT_THAT(stream_.accepted_data(), ElementsAre(object(1), object(4)));
  EXPECT_THAT(rig_.log.released, ElementsAre(0u));
}

TEST_F(StreamSenderTest, AnIdleStreamSendsAtOnceAndAPartlyFilledRequestWaitsBehindOneInFlight) {
  const SteadyTime start = world_.clock.steady();
  stream_.latency = 5s;
  rig_.add(objects(0, 1));
  world_.run_for(1ms);
  ASSERT_THAT(stream_.calls, SizeIs(1));
  EXPECT_EQ(stream_.calls[0].at, start);
  world_.run_for(100ms);
  rig_.add(objects(1, 1));
  world_.run_for(500ms);
  EXPECT_THAT(stream_.calls, SizeIs(1));
  rig_.add(objects(2, 1));
  world_.run_for(600ms);
  ASSERT_THAT(stream_.calls, SizeIs(2));
  EXPECT_THAT(stream_.calls[1].records, SizeIs(2));
  EXPECT_EQ(stream_.calls[1].at - start, 1101ms);  // flush.interval after its first record
}

TEST_F(StreamSenderTest, AFullRequestDoesNotWait) {
  stream_.latency = 5s;
  rig_.add(objects(0, 1));
  world_.run_for(1ms);
  rig_.add(objects(1, 1'100));
  world_.run_for(1ms);
  ASSERT_THAT(stream_.calls, SizeIs(3));
  EXPECT_THAT(stream_.calls[1].records, SizeIs(500));
  EXPECT_THAT(stream_.calls[2].records, SizeIs(500));
}

TEST_F(StreamSenderTest, AnAnswerThatComesAfterTheSenderIsGoneHarmsNobody) {
  rig_.add(objects(0, 1));
  world_.run_for(1ms);
  rig_.sender.reset();
  world_.run_for(1s);
  EXPECT_EQ(rig_.delivered(), 0u);
}

// Each with more in its log than the budget holds, and failures on the way.
TEST(SenderMemory, TwoSendersShareATinyBudgetWithoutPassingItOrBlockingEachOther) {
  World world(3_MiB);
  SenderOptions options = plain_options("one");
  options.request.request_bytes_max = 1_MiB;
  Rig one(world, options);
  options.stream = options.request.stream_name = "two";
  Rig two(world, options);
  int call = 0;
  const auto sometimes_fails = [&](const PlayedStream::Call&) -> std::optional<PutResult> {
    return ++call % 3 == 0 ? std::optional(whole(PutError::server_fault)) : std::nullopt;
  };
  int entry = 0;
  const auto entries_fail = [&](const PlayedStream::Record&) -> std::optional<EntryOutcome> {
    return ++entry % 4 == 0 ? std::optional(EntryOutcome::throttled) : std::nullopt;
  };
  for (Rig* rig : {&one, &two}) {
    rig->stream.on_call = sometimes_fails;
    rig->stream.on_record = entries_fail;
    for (uint32_t i = 0; i < 40; ++i) rig->add(objects(i * 10, 10, 50'000));
  }
  world.run_until_quiet();
  EXPECT_EQ(one.delivered(), 400u);
  EXPECT_EQ(two.delivered(), 400u);
  EXPECT_LE(world.memory_leased_most, 3_MiB);
  EXPECT_EQ(world.memory.leased_bytes(), 0u);
}

}  // namespace
}  // namespace penstock::delivery
