// Where records go, how fast, and in which order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "delivery/sender_rig.h"
#include "delivery/stream_sender.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {
namespace {

using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAreArray;
using namespace std::chrono_literals;

SenderOptions by_tag(SenderOptions options) {
  options.packer.partition_key = route::PartitionKey::tag();
  options.packer.keys_are_random = false;
  return options;
}

SenderOptions ordered(SenderOptions options) {
  options.packer.keep_order = true;
  return by_tag(std::move(options));
}

// Eight shards, one of them throttled to nothing.
class OneShardOfEight : public testing::Test {
 protected:
  // Events delivered in `time`, arriving at `per_second`.
  size_t deliver(Rig& rig, uint32_t per_second, seconds time, const std::string& tags = "") {
    size_t before = rig.stream.accepted.size();
    uint32_t n = 0;
    for (uint32_t tick = 0; tick < static_cast<uint32_t>(time.count()) * 20; ++tick) {
      const std::string tag = tags.empty() ? "test" : tags + std::to_string(tick % 80);
      rig.add(objects(n, per_second / 20, 300), tag);
      n += per_second / 20;
      world_.run_for(50ms);
    }
    world_.run_for(500ms);
    return rig.stream.accepted.size() - before;
  }
  void set_up(Rig& rig) {
    rig.stream.reshard(PlayedStream::even_shards(8));
    rig.sender->set_shards(rig.stream.map());
    rig.stream.records_per_second[3] = 0;
  }

  World world_;
};

TEST_F(OneShardOfEight, RandomKeysGoToTheOthersAndNothingIsLost) {
  Rig rig(world_, plain_options());
  set_up(rig);
  const size_t sent = deliver(rig, 4'000, 10s);
  EXPECT_GE(sent, 40'000u * 95 / 100);
  world_.run_for(30s);
  EXPECT_EQ(rig.delivered(), 40'000u);
  EXPECT_EQ(rig.stream.accepted_by_shard()[3], 0u);
  for (const auto& [shard, count] : rig.stream.accepted_by_shard()) {
    EXPECT_NEAR(static_cast<double>(count), 40'000 / 7.0, 1'000) << shard;
  }
}

TEST_F(OneShardOfEight, KeyedRecordsOfTheOthersKeepTheirRateAndMemoryStaysBounded) {
  SenderOptions options = by_tag(plain_options());
  options.queue_bytes_max = 8_MiB;
  Rig rig(world_, options);
  set_up(rig);
  size_t for_others = 0;
  for (uint32_t tick = 0; tick < 200; ++tick) {
    const std::string tag = "tag" + std::to_string(tick % 80);
    if (rig.stream.map()->find(kinesis_format::hash_key_of(tag))->number != 3) for_others += 200;
  }
  const size_t sent = deliver(rig, 4'000, 10s, "tag");
  EXPECT_GE(sent, for_others * 95 / 100);
  EXPECT_LE(world_.memory_leased_most, 24_MiB);
  // The shard recovers by itself.
  rig.stream.records_per_second.erase(3);
  world_.run_for(5min);
  EXPECT_EQ(rig.delivered(), 40'000u);
  EXPECT_EQ(rig.pending(), 0u);
}

TEST_F(OneShardOfEight, WhatIsParkedIsBoundedAndGoesOutWhenTheShardRecovers) {
  SenderOptions options = by_tag(plain_options());
  options.queue_bytes_max = 256_KiB;
  Rig rig(world_, options);
  set_up(rig);
  (void)deliver(rig, 4'000, 5s, "tag");
  EXPECT_GT(rig.pending(), 500u);
  EXPECT_LE(world_.memory_leased_most, 8_MiB);
  rig.stream.records_per_second.erase(3);
  world_.run_for(5min);
  EXPECT_EQ(rig.delivered(), 20'000u);
  EXPECT_EQ(rig.pending(), 0u);
}

TEST_F(OneShardOfEight, AggregatesGoToTheOthers) {
  SenderOptions options = plain_options();
  options.packer.aggregation = kinesis_format::Aggregation::kpl;
  options.flush_interval = 100ms;
  Rig rig(world_, options);
  set_up(rig);
  (void)deliver(rig, 20'000, 10s);
  EXPECT_GE(rig.delivered(), 200'000u * 95 / 100);
}

TEST(SenderShards, AShardThatTakesLessGetsWhatItTakes) {
  World world;
  Rig rig(world, plain_options());
  rig.stream.reshard(PlayedStream::even_shards(2));
  rig.sender->set_shards(rig.stream.map());
  rig.stream.records_per_second[0] = 200;
  for (uint32_t tick = 0; tick < 600; ++tick) {
    rig.add(objects(tick * 100, 100));
    world.run_for(50ms);
  }
  world.run_for(2s);
  EXPECT_EQ(rig.delivered(), 60'000u);
  // In 30 s it takes 6,000; found by being throttled now and then.
  EXPECT_GT(rig.stream.accepted_by_shard()[0], 3'500u);
}

TEST(SenderShards, RandomKeysFillUnevenShardsEvenly) {
  World world;
  Rig rig(world, plain_options());
  auto shards = PlayedStream::even_shards(2);
  const auto half = shards[1];
  shards[1].last = half.middle();
  shards.push_back({2, half.middle() + 1, half.last});
  rig.stream.reshard(shards);
  rig.sender->set_shards(rig.stream.map());
  rig.add(objects(0, 3'000));
  world.run_until_quiet();
  for (const auto& [shard, count] : rig.stream.accepted_by_shard()) EXPECT_EQ(count, 1'000u);
}

TEST(SenderShards, EvenShardsCostNoExplicitHashKeys) {
  World world;
  Rig rig(world, plain_options());
  rig.stream.reshard(PlayedStream::even_shards(3));
  rig.sender->set_shards(rig.stream.map());
  rig.add(objects(0, 100));
  world.run_until_quiet();
  for (const auto& record : rig.stream.accepted) EXPECT_FALSE(record.hash_key.has_value());
}

TEST(SenderShards, WithoutAMapThrottledRandomRecordsAreSentElsewhere) {
  World world;
  Rig rig(world, plain_options());
  rig.stream.reshard(PlayedStream::even_shards(8));
  rig.stream.records_per_second[3] = 0;
  rig.add(objects(0, 1'000));
  world.run_until_quiet();
  EXPECT_EQ(rig.delivered(), 1'000u);
}

TEST(SenderShards, AThrottleThatNamesNoShardSlowsTheStreamUntilItRecovers) {
  World world;
  Rig rig(world, plain_options());
  bool refuses = true;
  rig.stream.on_call = [&](const PlayedStream::Call& call) -> std::optional<PutResult> {
    if (!refuses) return std::nullopt;
    PutResult result = whole(PutError::none);
    for (size_t i = 0; i < call.records.size(); ++i) {
      result.entries.push_back({EntryOutcome::throttled, kinesis::kNoShard});
    }
    return result;
  };
  rig.add(objects(0, 50));
  world.run_for(20s);
  EXPECT_EQ(rig.delivered(), 0u);
  EXPECT_LT(rig.stream.calls.size(), 200u);
  refuses = false;
  world.run_until_quiet();
  EXPECT_EQ(rig.delivered(), 50u);
}

TEST(SenderShards, RecordsThatLandElsewhereAskForAFreshMap) {
  World world;
  Rig rig(world, plain_options());
  rig.stream.reshard(PlayedStream::even_shards(2));
  rig.sender->set_shards(rig.stream.map());
  rig.add(objects(0, 100));
  world.run_until_quiet();
  EXPECT_EQ(rig.maps_asked_for, 0);
  rig.stream.reshard(PlayedStream::even_shards(4, 2));
  rig.add(objects(0, 100));
  world.run_until_quiet();
  EXPECT_GE(rig.maps_asked_for, 1);
  EXPECT_EQ(rig.delivered(), 200u);
}

// ---- order ----

// For each key its events as the stream has them: by order of acceptance, which is that of sequence
// numbers.
std::map<std::string, std::vector<std::string>> by_key(const PlayedStream& stream) {
  std::map<std::string, std::vector<std::string>> keys;
  for (const auto& record : stream.accepted) {
    std::string lines = record.data;
    for (size_t start = 0; start < lines.size();) {
      const size_t end = std::min(lines.find('\n', start), lines.size());
      keys[record.partition_key].push_back(lines.substr(start, end - start));
      start = end + 1;
    }
  }
  return keys;
}

class SenderOrder : public testing::TestWithParam<kinesis_format::Aggregation> {};

TEST_P(SenderOrder, IsKeptPerKeyThroughThrottlesPartialFailuresLostAnswersAndResharding) {
  World world;
  SenderOptions options = ordered(plain_options());
  options.packer.aggregation = GetParam();
  options.flush_interval = 50ms;
  Rig rig(world, options);
  rig.stream.reshard(PlayedStream::even_shards(4));
  rig.sender->set_shards(rig.stream.map());
  rig.stream.records_per_second[1] = 40;
  uint64_t state = 3;
  const auto one_in = [&](uint64_t n) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % n == 0;
  };
  rig.stream.on_record = [&](const PlayedStream::Record&) -> std::optional<EntryOutcome> {
    return one_in(5) ? std::optional(EntryOutcome::internal_failure) : std::nullopt;
  };
  rig.stream.on_call = [&](const PlayedStream::Call&) -> std::optional<PutResult> {
    return one_in(10) ? std::optional(whole(PutError::server_fault)) : std::nullopt;
  };
  std::map<std::string, std::vector<std::string>> expected;
  for (uint32_t i = 0; i < 300; ++i) {
    const std::string tag = "tag" + std::to_string(i % 13);
    const auto some = objects(i * 5, 5, 100);
    auto& all = expected[tag];
    all.insert(all.end(), some.begin(), some.end());
    rig.add(some, tag);
    world.run_for(10ms);
    if (i == 100) rig.stream.reshard(PlayedStream::even_shards(6, 4));
    if (i == 150) rig.sender->set_shards(rig.stream.map());
  }
  world.run_until_quiet();
  EXPECT_EQ(rig.delivered(), 1'500u);
  EXPECT_EQ(by_key(rig.stream), expected);
  for (const auto& call : rig.stream.calls) {
    std::map<std::string, int> of_key;
    for (const auto& record : call.records) EXPECT_EQ(++of_key[record.partition_key], 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, SenderOrder,
                         testing::Values(kinesis_format::Aggregation::none,
                                         kinesis_format::Aggregation::lines));

TEST(SenderLanes, AFailingKeyHoldsUpNoOther) {
  World world;
  Rig rig(world, ordered(plain_options()));
  bool fails = true;
  rig.stream.on_record = [&](const PlayedStream::Record& record) -> std::optional<EntryOutcome> {
    return fails && record.partition_key == "bad" ? std::optional(EntryOutcome::internal_failure)
                                                  : std::nullopt;
  };
  rig.add(objects(0, 10), "bad");
  rig.add(objects(10, 10), "good");
  world.run_for(10s);
  EXPECT_EQ(rig.delivered(), 10u);
  fails = false;
  world.run_until_quiet();
  EXPECT_THAT(by_key(rig.stream).at("bad"), ElementsAreArray(objects(0, 10)));
  EXPECT_THAT(rig.log.released, SizeIs(2));
}

TEST(SenderLanes, ADeadLetterAndASplitEventLetTheLaneGoOn) {
  World world;
  Rig rig(world, ordered(plain_options()));
  rig.stream.on_call = [](const PlayedStream::Call& call) -> std::optional<PutResult> {
    for (const auto& record : call.records) {
      if (record.data == object(1))
        return whole(PutError::invalid_argument, "InvalidArgumentException");
    }
    return std::nullopt;
  };
  rig.add({object(0), object(1), object(2, 2'500'000), object(3)}, "a");
  rig.add(objects(10, 3), "b");
  world.run_until_quiet(30min);
  EXPECT_THAT(world.spool.letters, SizeIs(1));
  EXPECT_EQ(rig.delivered(), 6u);
  EXPECT_EQ(rig.pending(), 0u);
  const auto of_a = by_key(rig.stream).at("a");
  EXPECT_EQ(of_a.front(), object(0));
  EXPECT_EQ(of_a.back(), object(3));
}

}  // namespace
}  // namespace penstock::delivery
