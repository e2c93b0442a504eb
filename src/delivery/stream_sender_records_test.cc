// What events become: split, shortened, aggregated, compressed; read back the way a consumer does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "delivery/sender_rig.h"
#include "delivery/stream_sender.h"
#include "kinesis_format/md5.h"
#include "kinesis_format/read/kpl_reader.h"

namespace penstock::delivery {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAreArray;
using namespace std::chrono_literals;

SenderOptions packed(kinesis_format::Aggregation aggregation,
                     codec::Compression compression = codec::Compression::none) {
  SenderOptions options = plain_options();
  options.packer.aggregation = aggregation;
  options.packer.compression = compression;
  return options;
}

SenderOptions by_tag(SenderOptions options) {
  options.packer.partition_key = route::PartitionKey::tag();
  options.packer.keys_are_random = false;
  return options;
}

// ---- what a record is ----

TEST(SenderPayload, ALineFeedBehindEachRecordStaysOutOfSplitEvents) {
  for (const auto compression : {codec::Compression::none, codec::Compression::gzip}) {
    World world;
    SenderOptions options = packed(kinesis_format::Aggregation::none, compression);
    options.packer.form.line_feed = true;
    Rig rig(world, options);
    const std::string large = object(1, 5'000'000);
    rig.add({object(0), large, object(2)});
    world.run_until_quiet();
    EXPECT_EQ(rig.delivered(), 3u);
    EXPECT_THAT(read_back(rig.stream), UnorderedElementsAreArray({object(0), large, object(2)}));
    for (const auto& record : rig.stream.accepted) {
      EXPECT_LE(record.data.size() + record.partition_key.size(), 1_MiB);
      if (compression == codec::Compression::none) {
        EXPECT_EQ(record.data.substr(record.data.size() - 2), "}\n");
      }
    }
  }
}

TEST(SenderPayload, ASplitEventIsCutAgainWhenNewlineIsSwitchedOn) {
  World world;
  SenderOptions options = plain_options();
  Rig rig(world, options);
  const std::string large = object(1, 30'000'000);
  rig.add({large});
  rig.stream.on_record = [&](const PlayedStream::Record&) -> std::optional<EntryOutcome> {
    if (std::exchange(options.packer.form.line_feed, true)) return std::nullopt;
    rig.sender->reconfigure(options);
    return std::nullopt;
  };
  world.run_until_quiet();
  EXPECT_TRUE(options.packer.form.line_feed);
  EXPECT_EQ(rig.delivered(), 1u);
  EXPECT_THAT(world.spool.letters, IsEmpty());
  EXPECT_THAT(read_back(rig.stream), ElementsAre(large));
}

TEST(SenderPayload, ARecordWithoutTheFieldOfDataKeyIsDeadLetteredAlone) {
  for (const auto aggregation :
       {kinesis_format::Aggregation::none, kinesis_format::Aggregation::kpl,
        kinesis_format::Aggregation::lines}) {
    World world;
    SenderOptions options = packed(aggregation);
    options.packer.form.data_key = {"log"};
    options.packer.oversized = Oversized::dead_letter;
    Rig rig(world, options);
    rig.add({R"({"log":"a"})", R"({"other":"b"})", R"({"log":{}})", R"({"log":"c"})"});
    world.run_until_quiet();
    EXPECT_EQ(rig.delivered(), 2u);
    EXPECT_EQ(rig.pending(), 0u);
    ASSERT_THAT(world.spool.letters, SizeIs(2));
    EXPECT_EQ(world.spool.letters[0].reason, "no_data_key");
    const bool is_lines = aggregation == kinesis_format::Aggregation::lines;
    const std::vector<std::string> texts =
        is_lines ? std::vector<std::string>{"a\nc"} : std::vector<std::string>{"a", "c"};
    EXPECT_EQ(read_back(rig.stream), texts);
  }
}

TEST(SenderPayload, ATextThatIsTooLargeIsCutOrDeadLettered) {
  for (const bool cut : {true, false}) {
    World world;
    SenderOptions options = plain_options();
    options.packer.form = {.data_key = {"pad"}, .line_feed = true};
    options.packer.oversized = cut ? Oversized::truncate : Oversized::dead_letter;
    Rig rig(world, options);
    rig.add({object(0, 2'000'000)});
    world.run_until_quiet();
    EXPECT_EQ(rig.delivered(), cut ? 1u : 0u);
    ASSERT_THAT(rig.stream.accepted, SizeIs(cut ? 1 : 0));
    ASSERT_THAT(world.spool.letters, SizeIs(cut ? 0 : 1));
    if (cut) {
      const auto& record = rig.stream.accepted[0];
      EXPECT_EQ(record.data.size() + record.partition_key.size(), 1_MiB);
      EXPECT_EQ(record.data.substr(record.data.size() - 2), "x\n");
    } else {
      EXPECT_EQ(world.spool.letters[0].reason, "oversized");
    }
  }
}

// ---- oversized ----

TEST(SenderOversized, ASplitEventIsDeliveredOnceWithItsLastPartAndJoinsExactly) {
  World world;
  Rig rig(world, plain_options());
  int failures = 0;
  rig.stream.on_record = [&](const PlayedStream::Record&) -> std::optional<EntryOutcome> {
    return ++failures == 2 ? std::optional(EntryOutcome::internal_failure) : std::nullopt;
  };
  const std::string large = object(1, 5'000'000);
  rig.add({object(0), large, object(2)});
  world.run_for(40ms);
  EXPECT_LT(rig.delivered(), 3u);
  EXPECT_THAT(rig.log.released, IsEmpty());
  world.run_until_quiet();
  EXPECT_EQ(rig.delivered(), 3u);
  EXPECT_EQ(rig.pending(), 0u);
  EXPECT_THAT(rig.log.released, ElementsAre(0u));
  EXPECT_THAT(read_back(rig.stream), UnorderedElementsAreArray({object(0), large, object(2)}));
  std::set<std::string> keys;
  for (const auto& record : rig.stream.accepted) {
    EXPECT_LE(record.data.size() + record.partition_key.size(), 1_MiB);
    if (record.data.size() > 1'000) keys.insert(record.partition_key);
  }
  EXPECT_THAT(rig.stream.accepted, SizeIs(testing::Ge(7u)));
  EXPECT_THAT(keys, SizeIs(1));
  EXPECT_EQ(world.memory.leased_bytes(), 0u);
}

TEST(SenderOversized, CompressedPartsJoinExactlyToo) {
  World world;
  Rig rig(world, packed(kinesis_format::Aggregation::none, codec::Compression::gzip));
  uint64_t state = 7;
  std::string noise;
  while (noise.size() < 3'000'000) {
    state = state * 6364136223846793005 + 1442695040888963407;
    noise.push_back(static_cast<char>('0' + (state >> 33) % 75));
    if (noise.back() == '\\') noise.back() = '~';
  }
  const std::string large = "{\"message\":\"" + noise + "\"}";
  rig.add({large});
  world.run_until_quiet();
  EXPECT_THAT(read_back(rig.stream), ElementsAre(large));
  EXPECT_GT(rig.stream.accepted.size(), 1u);
  EXPECT_EQ(rig.delivered(), 1u);
}

TEST(SenderOversized, TruncatedEventsFitAndAreMarked) {
  World world;
  SenderOptions options = plain_options();
  options.packer.oversized = Oversized::truncate;
  Rig rig(world, options);
  rig.add({object(0, 2'000'000), object(1)});
  world.run_until_quiet();
  ASSERT_THAT(rig.stream.accepted, SizeIs(2));
  const std::string& cut = rig.stream.accepted[0].data.size() > 100 ? rig.stream.accepted[0].data
                                                                    : rig.stream.accepted[1].data;
  EXPECT_LE(cut.size(), 1_MiB);
  EXPECT_GT(cut.size(), 1_MiB - 200);
  EXPECT_THAT(cut, testing::HasSubstr("\"penstock\":{\"truncated\":{\"bytes\":"));
  EXPECT_EQ(rig.delivered(), 2u);
}

TEST(SenderOversized, DeadLettersHaveTheWholeEvent) {
  World world;
  SenderOptions options = plain_options();
  options.packer.oversized = Oversized::dead_letter;
  Rig rig(world, options);
  const std::string large = object(0, 2'000'000);
  rig.add({large, object(1)});
  world.run_until_quiet();
  ASSERT_THAT(world.spool.letters, SizeIs(1));
  EXPECT_EQ(world.spool.letters[0].reason, "oversized");
  EXPECT_EQ(world.spool.letters[0].object, large);
  EXPECT_EQ(rig.delivered(), 1u);
  EXPECT_EQ(rig.pending(), 0u);
  EXPECT_THAT(rig.log.released, ElementsAre(0u));
}

// Its text is there as a whole while it is cut; of control characters it is six times as large.
TEST(SenderOversized, ATextThatMemoryNeverHasRoomForIsADeadLetter) {
  for (const Oversized oversized : {Oversized::split, Oversized::truncate}) {
    for (const bool is_small : {true, false}) {
      World world(is_small ? 8_MiB : 64_MiB);
      SenderOptions options = plain_options();
      options.packer.oversized = oversized;
      Rig rig(world, options);
      const std::string large = object(0, 9'000'000);
      rig.add({large, object(1)});
      world.run_until_quiet();
      EXPECT_EQ(rig.pending(), 0u);
      EXPECT_EQ(rig.delivered(), is_small ? 1u : 2u);
      ASSERT_THAT(world.spool.letters, SizeIs(is_small ? 1 : 0));
      if (is_small) {
        EXPECT_EQ(world.spool.letters[0].reason, "oversized");
        EXPECT_THAT(world.spool.letters[0].detail, testing::HasSubstr("memory_limit"));
        EXPECT_EQ(world.spool.letters[0].object, large);
      } else if (oversized == Oversized::split) {
        EXPECT_GE(world.memory_leased_most, large.size());
      }
      EXPECT_EQ(world.memory.leased_bytes(), 0u);
    }
  }
}

TEST(SenderOversized, ARaisedLimitTakesWholeEvents) {
  World world;
  Rig rig(world, plain_options());
  rig.sender->limit_records(10_MiB);
  const std::string large = object(0, 9'000'000);
  rig.add({large});
  world.run_until_quiet();
  EXPECT_THAT(rig.stream.accepted_data(), ElementsAre(large));
}

TEST(SenderOversized, ALimitLoweredBeforeARetrySplitsTheRecordThen) {
  World world;
  Rig rig(world, plain_options());
  bool first = true;
  rig.stream.on_record = [&](const PlayedStream::Record&) -> std::optional<EntryOutcome> {
    return std::exchange(first, false) ? std::optional(EntryOutcome::internal_failure)
                                       : std::nullopt;
  };
  const std::string large = object(0, 500'000);
  rig.add({large});
  world.run_for(21ms);
  rig.sender->limit_records(200'000);
  world.run_until_quiet();
  EXPECT_THAT(read_back(rig.stream), ElementsAre(large));
  EXPECT_GT(rig.stream.accepted.size(), 2u);
  EXPECT_EQ(rig.delivered(), 1u);
}

// ---- aggregated ----

class SenderPacked
    : public testing::TestWithParam<std::tuple<kinesis_format::Aggregation, codec::Compression>> {};

TEST_P(SenderPacked, EveryEventIsReadBackAsItWas) {
  World world;
  Rig rig(world, packed(std::get<0>(GetParam()), std::get<1>(GetParam())));
  int entry = 0;
  rig.stream.on_record = [&](const PlayedStream::Record&) -> std::optional<EntryOutcome> {
    return ++entry % 5 == 1 ? std::optional(EntryOutcome::internal_failure) : std::nullopt;
  };
  std::vector<std::string> all;
  for (uint32_t i = 0; i < 20; ++i) {
    auto some = objects(i * 100, 100, 300);
    if (i == 7) some[50] = object(750, 3'000'000);
    all.insert(all.end(), some.begin(), some.end());
    rig.add(some);
  }
  world.run_until_quiet();
  EXPECT_THAT(read_back(rig.stream), UnorderedElementsAreArray(all));
  EXPECT_EQ(rig.delivered(), all.size());
  EXPECT_EQ(rig.pending(), 0u);
  EXPECT_THAT(rig.log.released, SizeIs(20));
  EXPECT_EQ(world.memory.leased_bytes(), 0u);
  EXPECT_TRUE(rig.sender->is_idle());
}

INSTANTIATE_TEST_SUITE_P(Modes, SenderPacked,
                         testing::Combine(testing::Values(kinesis_format::Aggregation::none,
                                                          kinesis_format::Aggregation::kpl,
                                                          kinesis_format::Aggregation::lines),
                                          testing::Values(codec::Compression::none,
                                                          codec::Compression::gzip,
                                                          codec::Compression::zstd)));

TEST(SenderAggregates, AreFilledToPayloadUnitsAndThereAreFew) {
  World world;
  Rig rig(world, packed(kinesis_format::Aggregation::kpl));
  for (uint32_t i = 0; i < 100; ++i) rig.add(objects(i * 100, 100, 300));
  world.run_until_quiet();
  EXPECT_EQ(rig.delivered(), 10'000u);
  size_t units = 0;
  for (const auto& record : rig.stream.accepted) {
    const size_t size = record.data.size() + record.partition_key.size();
    units += (size + kinesis_format::kPayloadUnitBytes - 1) / kinesis_format::kPayloadUnitBytes;
  }
  EXPECT_LE(rig.stream.accepted.size() * 12, 10'000u);  // the promise; it is more like 160 times
  EXPECT_LE(units * 12, 10'000u);
  EXPECT_LE(rig.stream.accepted.size(), 64u);
}

TEST(SenderAggregates, CloseAfterTheFlushInterval) {
  World world;
  Rig rig(world, packed(kinesis_format::Aggregation::kpl));
  rig.add(objects(0, 3));
  world.run_for(999ms);
  EXPECT_THAT(rig.stream.calls, IsEmpty());
  world.run_for(2ms);
  ASSERT_THAT(rig.stream.calls, SizeIs(1));
  EXPECT_THAT(rig.stream.calls[0].records, SizeIs(1));
  world.run_until_quiet();
  EXPECT_EQ(rig.delivered(), 3u);
}

TEST(SenderAggregates, EventsThatAnOverflowLogHasAreNotInThem) {
  World world;
  Rig rig(world, packed(kinesis_format::Aggregation::lines));
  rig.add(objects(0, 5), "test", {0, 1, 2});
  world.run_until_quiet();
  EXPECT_THAT(read_back(rig.stream), ElementsAre(object(3), object(4)));
}

// The KCL drops an aggregate with one event whose hash key is not the shard's that it was read
// from.
TEST(SenderAggregates, EverySubRecordCarriesTheHashKeyTheRecordWasSentWith) {
  for (const bool keyed : {false, true}) {
    World world;
    SenderOptions options = packed(kinesis_format::Aggregation::kpl);
    Rig rig(world, keyed ? by_tag(options) : options);
    for (uint32_t i = 0; i < 12; ++i) {
      rig.add(objects(i * 50, 50, 300), "tag" + std::to_string(i % 4));
    }
    world.run_until_quiet();
    ASSERT_GT(rig.stream.accepted.size(), 2u);
    for (const auto& record : rig.stream.accepted) {
      const auto sent_with =
          record.hash_key ? *record.hash_key : kinesis_format::hash_key_of(record.partition_key);
      size_t inside = 0;
      ASSERT_TRUE(kinesis_format::read_kpl(
          as_bytes(record.data), [&](const kinesis_format::KplRecord& sub) {
            ++inside;
            EXPECT_EQ(sub.explicit_hash_key, kinesis_format::to_decimal(sent_with));
            if (keyed) {
              EXPECT_EQ(sub.partition_key, record.partition_key);
            }
          }));
      EXPECT_GT(inside, 1u);
    }
  }
}

TEST(SenderAggregates, KeysOfAShardShareAnAggregateWhenShardsAreKnown) {
  const auto records_with = [](bool known) {
    World world;
    Rig rig(world, by_tag(packed(kinesis_format::Aggregation::kpl)));
    rig.stream.reshard(PlayedStream::even_shards(2));
    if (known) rig.sender->set_shards(rig.stream.map());
    for (uint32_t i = 0; i < 40; ++i) rig.add(objects(i, 1), "tag" + std::to_string(i));
    world.run_until_quiet();
    EXPECT_EQ(rig.delivered(), 40u);
    EXPECT_EQ(read_back(rig.stream).size(), 40u);
    return rig.stream.accepted.size();
  };
  EXPECT_EQ(records_with(true), 2u);
  EXPECT_EQ(records_with(false), 40u);
}

TEST(SenderAggregates, TheNumberOfOpenOnesIsBounded) {
  World world;
  SenderOptions options = by_tag(packed(kinesis_format::Aggregation::kpl));
  options.packer.aggregates.count_max = 8;
  Rig rig(world, options);
  for (uint32_t i = 0; i < 200; ++i) rig.add(objects(i, 1), "tag" + std::to_string(i));
  world.run_for(500ms);
  EXPECT_GE(rig.stream.accepted.size(), 150u);  // well before their time
  world.run_until_quiet();
  EXPECT_EQ(rig.delivered(), 200u);
}

TEST(SenderAggregates, AnAggregateWithAPoisonedEventIsTakenApart) {
  World world;
  Rig rig(world, packed(kinesis_format::Aggregation::lines));
  rig.stream.on_call = [](const PlayedStream::Call& call) -> std::optional<PutResult> {
    for (const auto& record : call.records) {
      if (record.data.find("\"n\":13,") != std::string::npos) {
        return whole(PutError::invalid_argument, "InvalidArgumentException");
      }
    }
    return std::nullopt;
  };
  rig.add(objects(0, 400, 300));
  world.run_until_quiet(30min);
  ASSERT_THAT(world.spool.letters, SizeIs(1));
  EXPECT_EQ(world.spool.letters[0].object, object(13, 300));
  EXPECT_EQ(rig.delivered(), 399u);
  EXPECT_EQ(rig.pending(), 0u);
}

// An aggregate made without order is refused alone when order is asked for already, and the other
// way about.
TEST(SenderAggregates, OneUnderWayWhileOrderChangesIsTakenApart) {
  for (const bool to_ordered : {true, false}) {
    World world;
    SenderOptions options = by_tag(packed(kinesis_format::Aggregation::kpl));
    options.flush_interval = 50ms;
    options.packer.keep_order = !to_ordered;
    Rig rig(world, options);
    rig.stream.on_call = [](const PlayedStream::Call& call) -> std::optional<PutResult> {
      for (const auto& record : call.records) {
        if (record.data.find("\"n\":3,") != std::string::npos) {
          return whole(PutError::invalid_argument, "InvalidArgumentException");
        }
      }
      return std::nullopt;
    };
    rig.add(objects(0, 10, 100), "a");
    world.run_for(55ms);
    ASSERT_THAT(rig.stream.calls, SizeIs(1));
    options.packer.keep_order = to_ordered;
    rig.sender->reconfigure(options);
    for (uint32_t i = 1; i <= 5; ++i) {  // others, to tell the record from the stream by
      rig.add(objects(10 * i, 10, 100), i % 2 == 0 ? "a" : "b");
      world.run_for(61s);
    }
    world.run_until_quiet(30min);
    EXPECT_EQ(rig.delivered(), 59u);
    EXPECT_EQ(rig.pending(), 0u);
    ASSERT_THAT(world.spool.letters, SizeIs(1));
    EXPECT_EQ(world.spool.letters[0].object, object(3, 100));
    EXPECT_TRUE(rig.sender->is_idle());
  }
}

TEST(SenderAggregates, AWindowThatTheyFillDoesNotWaitForTheirTime) {
  World world;
  SenderOptions options = packed(kinesis_format::Aggregation::kpl);
  options.window_bytes_max = 10'000;
  options.flush_interval = 60'000ms;
  Rig rig(world, options);
  for (uint32_t i = 0; i < 20; ++i) rig.add(objects(i * 10, 10, 500));
  world.run_for(5s);
  EXPECT_GE(rig.delivered(), 180u);
}

// No other record could show that the stream is good: the aggregate itself has them.
TEST(SenderAggregates, OneThatIsRefusedAndFillsTheWindowIsTakenApart) {
  World world;
  SenderOptions options = packed(kinesis_format::Aggregation::kpl);
  options.window_bytes_max = 10'000;
  Rig rig(world, options);
  rig.stream.on_call = [](const PlayedStream::Call& call) -> std::optional<PutResult> {
    for (const auto& record : call.records) {
      if (record.data.find("\"n\":3,") != std::string::npos) {
        return whole(PutError::invalid_argument, "InvalidArgumentException");
      }
    }
    return std::nullopt;
  };
  rig.add(objects(0, 40, 500));
  rig.add(objects(40, 40, 500));
  world.run_until_quiet(30min);
  EXPECT_EQ(rig.delivered(), 79u);
  EXPECT_EQ(rig.pending(), 0u);
  ASSERT_THAT(world.spool.letters, SizeIs(1));
  EXPECT_EQ(world.spool.letters[0].object, object(3, 500));
}

}  // namespace
}  // namespace penstock::delivery
