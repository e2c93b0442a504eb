// A service that distributes records itself (RecordDistributionStrategy AUTO) puts kpl aggregates
// into shards that do not own their keys, where readers made with the KCL drop them. What such a
// reader is given is complete from the first record on; a reshard, which places records correctly,
// repeats nothing.
#include <gtest/gtest.h>

#include <algorithm>

#include "delivery/sender_rig.h"
#include "delivery/stream_sender.h"
#include "route/field_path.h"

namespace penstock::delivery {
namespace {

using namespace std::chrono_literals;

enum class Keys : uint8_t { random, keyed, ordered };

SenderOptions options_of(Keys keys) {
  SenderOptions options = plain_options();
  options.packer.aggregation = kinesis_format::Aggregation::kpl;
  options.packer.aggregate_bytes_target = 2'000;
  if (keys != Keys::random) {
    options.packer.partition_key = route::PartitionKey::field(route::FieldPath{"k"});
    options.packer.keys_are_random = false;
  }
  options.packer.keep_order = keys == Keys::ordered;
  options.flush_interval = 50ms;
  return options;
}

std::vector<std::string> keyed_objects(uint32_t first, uint32_t count, size_t pad = 100) {
  std::vector<std::string> all;
  for (uint32_t n = first; n < first + count; ++n) {
    all.push_back(R"({"k":"key)" + std::to_string(n % 17) + R"(","n":)" + std::to_string(n) +
                  R"(,"pad":")" + std::string(pad, 'x') + "\"}");
  }
  return all;
}

std::vector<std::string> sorted(std::vector<std::string> events) {
  std::sort(events.begin(), events.end());
  return events;
}

class MisplacedAggregates : public testing::TestWithParam<Keys> {
 protected:
  explicit MisplacedAggregates(size_t queue_bytes_max = 4_MiB) {
    SenderOptions options = options_of(GetParam());
    options.queue_bytes_max = queue_bytes_max;
    rig_.emplace(world_, options, Rig::Log::on_disk);
    rig_->stream.reshard(PlayedStream::even_shards(4));
  }
  void add(uint32_t first, uint32_t count) { rig_->add(keyed_objects(first, count)); }
  [[nodiscard]] StreamSender& sender() { return *rig_->sender; }
  [[nodiscard]] PlayedStream& stream() { return rig_->stream; }
  void run() { world_.run_for(20s); }
  void expect_delivered(uint32_t count) {
    EXPECT_EQ(rig_->delivered(), count);
    EXPECT_EQ(rig_->pending(), 0u);
    EXPECT_TRUE(rig_->sender->is_idle());
    EXPECT_EQ(rig_->log.unreleased(), 0u);
  }

  World world_;
  std::optional<Rig> rig_;
};

TEST_P(MisplacedAggregates, NothingIsLostToTheKclFromTheFirstRecordUnderAuto) {
  sender().set_shards(stream().map());
  sender().expect_shards(true);
  add(0, 1'000);
  run();
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(keyed_objects(0, 1'000)));
  const size_t aggregated = stream().accepted.size();
  EXPECT_LT(aggregated, 500u);

  stream().distributes_records = true;
  add(1'000, 1'000);
  run();
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(keyed_objects(0, 2'000)));
  EXPECT_GT(read_back(stream()).size(), 2'300u);  // other readers are given both
  expect_delivered(2'000);
}

TEST_P(MisplacedAggregates, TheFirstAnswersWaitForTheFirstMap) {
  stream().distributes_records = true;
  sender().expect_shards(true);
  add(0, 1'000);
  run();
  EXPECT_LT(rig_->delivered(), 100u);
  sender().set_shards(stream().map());
  sender().pump();
  run();
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(keyed_objects(0, 1'000)));
  expect_delivered(1'000);
}

TEST_P(MisplacedAggregates, AreKnownWithoutAMapWhenTheServiceSaysAuto) {
  stream().distributes_records = true;
  sender().expect_shards(true);
  add(0, 1'000);
  run();
  SenderOptions told = options_of(GetParam());
  told.packer.aggregation = kinesis_format::Aggregation::none;
  told.keys_are_ignored = true;
  sender().reconfigure(told);
  sender().expect_shards(false);
  sender().pump();
  run();
  // What happened to be in its place may come twice.
  auto read = sorted(read_by_kcl(stream()));
  read.erase(std::unique(read.begin(), read.end()), read.end());
  EXPECT_EQ(read, sorted(keyed_objects(0, 1'000)));
  expect_delivered(1'000);
}

TEST_P(MisplacedAggregates, NothingWaitsWhereNoMapIsExpected) {
  add(0, 1'000);
  run();
  expect_delivered(1'000);
  sender().expect_shards(true);
  add(1'000, 1'000);
  run();
  EXPECT_LT(rig_->delivered(), 1'100u);  // what goes alone is no aggregate
  sender().expect_shards(false);
  sender().pump();
  run();
  expect_delivered(2'000);
}

TEST_P(MisplacedAggregates, AReshardRepeatsNothing) {
  sender().set_shards(stream().map());
  sender().expect_shards(true);
  add(0, 1'000);
  run();
  stream().reshard(PlayedStream::even_shards(6, 4));
  add(1'000, 1'000);
  run();
  EXPECT_GT(rig_->maps_asked_for, 0);
  EXPECT_LT(rig_->delivered(), 1'100u);
  sender().set_shards(stream().map());
  sender().pump();
  run();
  EXPECT_EQ(sorted(read_back(stream())), sorted(keyed_objects(0, 2'000)));
  expect_delivered(2'000);
}

// The map that comes first may have been asked for before the reshard.
TEST_P(MisplacedAggregates, AnOldMapIsWaitedOutOnce) {
  const auto old = stream().map();
  sender().set_shards(old);
  sender().expect_shards(true);
  stream().reshard(PlayedStream::even_shards(6, 4));
  add(0, 100);
  run();
  const int asked = rig_->maps_asked_for;
  sender().set_shards(old);
  EXPECT_LT(rig_->delivered(), 20u);
  EXPECT_EQ(rig_->maps_asked_for, asked + 1);
  sender().set_shards(old);
  sender().pump();
  run();
  EXPECT_EQ(sorted(read_back(stream())), sorted(keyed_objects(0, 100)));
  expect_delivered(100);
}

// The map may be newer than the answer.
TEST_P(MisplacedAggregates, AShardThatWasClosedBeforeTheAnswerIsKnown) {
  sender().set_shards(stream().map());
  sender().expect_shards(true);
  stream().distributes_records = true;
  add(0, 1'000);
  sender().pump();
  EXPECT_GT(stream().in_flight, 0u);
  sender().set_shards(std::make_shared<kinesis::ShardMap>(PlayedStream::even_shards(6, 4)));
  world_.run_for(stream().latency);
  sender().expect_shards(false);
  run();
  EXPECT_GE(sorted(read_by_kcl(stream())).size(), 1'000u);
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(keyed_objects(0, 1'000)));
  expect_delivered(1'000);
}

TEST_P(MisplacedAggregates, ThatFailedInBetweenAreKnownToo) {
  sender().set_shards(stream().map());
  stream().distributes_records = true;
  size_t seen = 0;
  stream().on_record = [&](const PlayedStream::Record&) -> std::optional<EntryOutcome> {
    if (++seen % 3 == 0) return EntryOutcome::throttled;
    return std::nullopt;
  };
  add(0, 1'000);
  world_.run_for(5min);
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(keyed_objects(0, 1'000)));
  expect_delivered(1'000);
}

// A shard takes nothing while the service distributes: what overflows and what is taken apart are
// of the same keys.
TEST_P(MisplacedAggregates, AreTakenApartBesideAnOverflow) {
  sender().set_shards(stream().map());
  stream().distributes_records = true;
  stream().on_record = [](const PlayedStream::Record& record) -> std::optional<EntryOutcome> {
    if (record.shard == 2) return EntryOutcome::throttled;
    return std::nullopt;
  };
  for (uint32_t i = 0; i < 20; ++i) {
    add(i * 1'000, 1'000);
    world_.run_for(200ms);
  }
  stream().on_record = nullptr;
  world_.run_for(10min);
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(keyed_objects(0, 20'000)));
  expect_delivered(20'000);
}

class FewInTheQueue : public MisplacedAggregates {
 protected:
  FewInTheQueue() : MisplacedAggregates(64_KiB) {}
};

TEST_P(FewInTheQueue, TheyAreTakenApartAsTheQueueHasRoom) {
  sender().set_shards(stream().map());
  stream().distributes_records = true;
  for (uint32_t shard = 0; shard < 4; ++shard) stream().records_per_second[shard] = 200;
  add(0, 10'000);
  world_.run_for(10min);
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(keyed_objects(0, 10'000)));
  expect_delivered(10'000);
  EXPECT_LT(world_.memory_leased_most, 4_MiB);
}

TEST_P(FewInTheQueue, TheyAreTakenApartAsTheQueueHasRoomWhileAllShardsAreThrottled) {
  stream().distributes_records = true;
  sender().expect_shards(true);
  add(0, 20'000);
  run();
  ASSERT_LT(rig_->delivered(), 1'000u);
  stream().on_record = [](const PlayedStream::Record&) { return EntryOutcome::throttled; };
  world_.memory_leased_most = 0;
  sender().set_shards(stream().map());
  sender().pump();
  run();
  EXPECT_LT(world_.memory_leased_most, 4_MiB) << "all at once: 6.5 MB";
  stream().on_record = nullptr;
  world_.run_for(10min);
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(keyed_objects(0, 20'000)));
  expect_delivered(20'000);
}

// Most of what comes is for one key, and so waits behind an aggregate that is to be taken apart.
TEST_P(FewInTheQueue, TheyAreTakenApartThoughTheQueueIsFullOfWhatWaitsForTheirKeys) {
  sender().set_shards(stream().map());
  stream().distributes_records = true;
  std::vector<std::string> all;
  for (uint32_t n = 0; n < 1'000; ++n) {
    all.push_back(R"({"k":"key","n":)" + std::to_string(n) + R"(,"pad":")" + std::string(300, 'x') +
                  "\"}");
  }
  rig_->add(all);
  world_.run_for(10min);
  EXPECT_EQ(sorted(read_by_kcl(stream())), sorted(all));
  expect_delivered(1'000);
}

INSTANTIATE_TEST_SUITE_P(Keys, MisplacedAggregates,
                         testing::Values(Keys::random, Keys::keyed, Keys::ordered));
INSTANTIATE_TEST_SUITE_P(Keys, FewInTheQueue,
                         testing::Values(Keys::random, Keys::keyed, Keys::ordered));

}  // namespace
}  // namespace penstock::delivery
