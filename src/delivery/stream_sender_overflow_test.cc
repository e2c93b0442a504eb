// A shard that takes nothing for long: its events go to an overflow log, the other shards keep
// their rate, the main log is released, and order and memory keep their promises.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <set>

#include "delivery/sender_rig.h"
#include "delivery/stream_sender.h"
#include "kinesis_format/md5.h"
#include "route/field_path.h"

namespace penstock::delivery {
namespace {

using testing::SizeIs;
using namespace std::chrono_literals;

constexpr size_t kMemory = 8_MiB;
constexpr uint32_t kDead = 3;

enum class Way : uint8_t { keyed, keyed_kpl, ordered, ordered_lines };

SenderOptions options_of(Way way) {
  SenderOptions options = plain_options();
  options.packer.partition_key = route::PartitionKey::field(route::FieldPath{"k"});
  options.packer.keys_are_random = false;
  options.packer.keep_order = way == Way::ordered || way == Way::ordered_lines;
  if (way == Way::keyed_kpl) options.packer.aggregation = kinesis_format::Aggregation::kpl;
  if (way == Way::ordered_lines) options.packer.aggregation = kinesis_format::Aggregation::lines;
  options.packer.aggregates.bytes_max = 1_MiB;
  options.flush_interval = 100ms;
  options.queue_bytes_max = kMemory / 4;
  options.window_bytes_max = kMemory / 2;
  return options;
}

std::string key_of(uint32_t n) { return "key" + std::to_string(n % 97); }

// {"k":"key<n mod 97>","n":<n>,"pad":"…"}
std::string keyed(uint32_t n, size_t size) {
  std::string text = R"({"k":")" + key_of(n) + R"(","n":)" + std::to_string(n) + R"(,"pad":")";
  return text + std::string(size - std::min(size, text.size() + 2), 'x') + "\"}";
}

// The number that follows each `"n":` in the text, in order.
void numbers_in(const std::string& text, std::vector<uint32_t>& numbers) {
  for (size_t at = text.find("\"n\":"); at != std::string::npos; at = text.find("\"n\":", at + 4)) {
    numbers.push_back(static_cast<uint32_t>(std::stoul(text.substr(at + 4, 12))));
  }
}

class Overflowing : public testing::Test {
 protected:
  explicit Overflowing(Way way = Way::ordered) : rig_(world_, options_of(way), Rig::Log::on_disk) {
    rig_.stream.reshard(PlayedStream::even_shards(8));
    rig_.sender->set_shards(rig_.stream.map());
  }
  [[nodiscard]] bool is_for_dead(uint32_t n) const {
    return shards_->find(kinesis_format::hash_key_of(key_of(n)))->number == kDead;
  }
  [[nodiscard]] bool is_for_dead(const PlayedStream::Record& record) const {
    const kinesis::HashKey hash_key =
        record.hash_key ? *record.hash_key : kinesis_format::hash_key_of(record.partition_key);
    return shards_->find(hash_key)->number == kDead;
  }
  // Entries of 100 events of a kilobyte, one every 50 ms.
  void come(uint32_t entries) {
    for (uint32_t i = 0; i < entries; ++i) {
      std::vector<std::string> objects;
      for (uint32_t last = sent_ + 100; sent_ < last; ++sent_) {
        objects.push_back(keyed(sent_, 1'000));
        if (!is_for_dead(sent_)) ++for_others_;
      }
      rig_.add(objects);
      world_.run_for(50ms);
    }
  }
  void fail_dead_shard(EntryOutcome result) {
    rig_.stream.on_record = [this, result](const PlayedStream::Record& record) {
      return is_for_dead(record) ? std::optional(result) : std::nullopt;
    };
  }
  [[nodiscard]] bool has_overflow() {
    for (size_t log = 0; log < spool::kOverflowLogs; ++log) {
      if (!rig_.log.overflow_log(log).empty()) return true;
    }
    return false;
  }
  // By key the numbers of the events in the stream, in order.
  [[nodiscard]] std::map<std::string, std::vector<uint32_t>> accepted() const {
    std::map<std::string, std::vector<uint32_t>> keys;
    std::vector<uint32_t> numbers;
    for (const auto& record : rig_.stream.accepted) numbers_in(record.data, numbers);
    for (const uint32_t n : numbers) keys[key_of(n)].push_back(n);
    return keys;
  }
  void expect_all_once(bool in_order) {
    EXPECT_EQ(rig_.delivered(), sent_);
    EXPECT_EQ(rig_.pending(), 0u);
    EXPECT_TRUE(rig_.sender->is_idle());
    EXPECT_EQ(rig_.log.released.size(), rig_.log.added);
    size_t count = 0;
    for (auto& [key, numbers] : accepted()) {
      count += numbers.size();
      EXPECT_TRUE(!in_order || std::is_sorted(numbers.begin(), numbers.end())) << key;
      std::vector<uint32_t> sorted = numbers;
      std::sort(sorted.begin(), sorted.end());
      EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end()) << key;
    }
    EXPECT_EQ(count, sent_);
  }

  World world_{kMemory};
  Rig rig_;
  const std::shared_ptr<const kinesis::ShardMap> shards_ =
      std::make_shared<const kinesis::ShardMap>(PlayedStream::even_shards(8));
  uint32_t sent_ = 0;
  uint32_t for_others_ = 0;
};

// A few events for it in each entry are enough to hold all that the spool reads ahead.
TEST_F(Overflowing, LittleOverflowsWhenTheSpoolReadsNoFurtherForIt) {
  rig_.log.held_bytes_max = 300'000;
  fail_dead_shard(EntryOutcome::throttled);
  come(40);
  world_.run_for(5s);
  EXPECT_EQ(rig_.delivered(), for_others_);
  EXPECT_TRUE(has_overflow());
  rig_.stream.on_record = nullptr;
  world_.run_until_quiet();
  expect_all_once(true);
}

class AnyWay : public Overflowing, public testing::WithParamInterface<std::tuple<Way, bool>> {
 protected:
  AnyWay() : Overflowing(std::get<0>(GetParam())) {}
};

TEST_P(AnyWay, OtherShardsKeepTheirRateAndTheDeadOneCatchesUp) {
  const auto [way, fails] = GetParam();
  fail_dead_shard(fails ? EntryOutcome::internal_failure : EntryOutcome::throttled);
  come(820);  // ten times the memory
  world_.run_for(500ms);
  EXPECT_GE(rig_.delivered(), for_others_ * 95 / 100);
  EXPECT_GT(rig_.pending(), 5'000u);
  EXPECT_LE(world_.memory_leased_most, kMemory);
  EXPECT_LE(rig_.log.held_bytes_most, kMemory / 2 + 700'000);
  // The main log keeps nothing of the dead shard's.
  EXPECT_LE(rig_.log.unreleased(), 5u);
  EXPECT_GT(rig_.log.overflow_events, 5'000u);
  // It recovers while the others go on.
  rig_.stream.on_record = nullptr;
  come(1'000);
  world_.run_for(500ms);
  EXPECT_GE(rig_.delivered(), for_others_ * 95 / 100);
  world_.run_until_quiet();
  expect_all_once(way == Way::ordered || way == Way::ordered_lines);
  EXPECT_LE(rig_.log.held_bytes_most, kMemory / 2 + 700'000);
  EXPECT_FALSE(has_overflow());
}

INSTANTIATE_TEST_SUITE_P(Ways, AnyWay,
                         testing::Combine(testing::Values(Way::keyed, Way::keyed_kpl, Way::ordered,
                                                          Way::ordered_lines),
                                          testing::Bool()));

// The dead shard's throttles, while its children of a reshard take everything.
TEST_F(Overflowing, OrderOutlivesAReshardWhileAShardOverflows) {
  fail_dead_shard(EntryOutcome::throttled);
  come(200);
  EXPECT_GT(rig_.pending(), 1'000u);
  rig_.stream.on_record = nullptr;
  rig_.stream.reshard(PlayedStream::even_shards(20, 8));
  come(20);
  rig_.sender->set_shards(rig_.stream.map());
  come(50);
  world_.run_until_quiet();
  expect_all_once(true);
}

TEST_F(Overflowing, InMemoryNothingOverflows) {
  Rig rig(world_, options_of(Way::ordered));
  rig.stream.reshard(PlayedStream::even_shards(8));
  rig.sender->set_shards(rig.stream.map());
  rig.stream.records_per_second[kDead] = 0;
  for (uint32_t n = 0; n < 10'000; n += 100) {
    std::vector<std::string> objects;
    for (uint32_t i = n; i < n + 100; ++i) objects.push_back(keyed(i, 1'000));
    rig.add(objects);
    world_.run_for(50ms);
  }
  EXPECT_LE(world_.memory_leased_most, kMemory);
  EXPECT_LE(rig.log.held_bytes_most, kMemory / 2 + 200'000);
  rig.stream.records_per_second.clear();
  world_.run_until_quiet();
  EXPECT_EQ(rig.delivered(), 10'000u);
}

// It waited in an overflow log when the service rejects it.
TEST_F(Overflowing, ARecordThatIsRejectedLateGoesToTheDeadLettersAlone) {
  fail_dead_shard(EntryOutcome::throttled);
  come(200);
  uint32_t bad = 0;
  while (!is_for_dead(bad)) ++bad;
  const std::string text = keyed(bad, 1'000);
  rig_.stream.on_record = nullptr;
  rig_.stream.on_call = [text](const PlayedStream::Call& call) -> std::optional<PutResult> {
    for (const auto& record : call.records) {
      if (record.data == text) return whole(PutError::invalid_argument, "InvalidArgumentException");
    }
    return std::nullopt;
  };
  world_.run_until_quiet(30min);
  ASSERT_THAT(world_.spool.letters, SizeIs(1));
  EXPECT_EQ(world_.spool.letters[0].object, text);
  EXPECT_EQ(rig_.delivered(), sent_ - 1);
  EXPECT_EQ(rig_.pending(), 0u);
}

// Delivered events do not come again, except those in flight; deferred events come once, and in
// order.
TEST_F(Overflowing, ACrashRepeatsOnlyWhatWasInFlight) {
  fail_dead_shard(EntryOutcome::throttled);
  come(200);
  const uint64_t delivered = rig_.delivered();
  EXPECT_GT(rig_.pending(), 1'000u);
  world_.run_for(1s);
  const size_t before = rig_.stream.accepted.size();
  rig_.restart();
  rig_.sender->set_shards(rig_.stream.map());
  world_.run_for(10s);
  EXPECT_EQ(rig_.stream.accepted.size(), before);  // all others' were released
  rig_.stream.on_record = nullptr;
  come(50);
  world_.run_until_quiet();
  EXPECT_GT(delivered, 0u);
  expect_all_once(true);
  EXPECT_FALSE(has_overflow());
}

TEST_F(Overflowing, TwoDeadShardsDoNotWaitForEachOther) {
  std::set<uint32_t> dead{kDead, 5};
  rig_.stream.on_record = [&](const PlayedStream::Record& record) {
    const auto* shard = shards_->find(kinesis_format::hash_key_of(record.partition_key));
    return dead.contains(shard->number) ? std::optional(EntryOutcome::throttled) : std::nullopt;
  };
  come(200);
  dead.erase(5);
  come(50);
  world_.run_for(20s);
  size_t for_dead = 0;
  for (uint32_t n = 0; n < sent_; ++n) for_dead += is_for_dead(n) ? 1 : 0;
  EXPECT_EQ(rig_.pending(), for_dead);
  dead.clear();
  world_.run_until_quiet();
  expect_all_once(true);
}

// A shard stops again while an event of it is being cut; those of others' events go out meanwhile.
TEST_P(AnyWay, AnEventThatIsHalfCutDoesNotKeepOthersFromBeingCut) {
  const auto [way, fails] = GetParam();
  SenderOptions options = options_of(way);
  options.packer.oversized = Oversized::split;
  rig_.sender->reconfigure(options);
  const EntryOutcome failure = fails ? EntryOutcome::internal_failure : EntryOutcome::throttled;
  fail_dead_shard(failure);
  come(60);
  uint32_t dead = 0;
  while (!is_for_dead(dead)) ++dead;
  for (int i = 0; i < 3; ++i) rig_.add({keyed(dead, 4'000'000)});
  sent_ += 3;
  world_.run_for(2s);
  ASSERT_TRUE(has_overflow());
  bool is_half_cut = false;
  rig_.stream.on_record = [&](const PlayedStream::Record& record) {
    const bool is_dead = is_for_dead(record);
    if (is_dead && is_half_cut) return std::optional(failure);
    is_half_cut |= is_dead && record.data.size() > 500'000;
    return std::optional<EntryOutcome>();
  };
  world_.run_for(30s);
  ASSERT_TRUE(is_half_cut);
  const uint64_t delivered = rig_.delivered();
  uint32_t alive = 0;
  while (is_for_dead(alive)) ++alive;
  for (int i = 0; i < 5; ++i) rig_.add({keyed(alive, 1'500'000)});
  sent_ += 5;
  world_.run_for(10s);
  EXPECT_EQ(rig_.delivered(), delivered + 5);
  EXPECT_LE(world_.memory_leased_most, kMemory);
  rig_.stream.on_record = nullptr;
  world_.run_until_quiet();
  EXPECT_EQ(rig_.delivered(), sent_);
  EXPECT_EQ(rig_.pending(), 0u);
  EXPECT_FALSE(has_overflow());
}

TEST_F(Overflowing, AfterAReloadToRandomKeysWhatWasDeferredGoesAnywhere) {
  fail_dead_shard(EntryOutcome::throttled);
  come(200);
  SenderOptions options = options_of(Way::keyed);
  options.packer.keys_are_random = true;
  options.packer.partition_key = route::PartitionKey::random();
  rig_.sender->reconfigure(options);
  come(50);
  world_.run_for(10s);
  // All but what was in the queue already.
  EXPECT_LT(rig_.pending(), 3'000u);
  rig_.stream.on_record = nullptr;
  world_.run_until_quiet();
  expect_all_once(false);
}

// Shards die for long stretches and recover, entries fail, requests get lost on the way, streams
// are resharded, records are too large or refused: in the end everything is there once, and in
// order.
class AnySeed : public testing::TestWithParam<Way> {};

void expect_once(const Rig& rig, uint32_t sent, bool ordered) {
  std::vector<uint32_t> numbers;
  for (const auto& record : rig.stream.accepted) numbers_in(record.data, numbers);
  std::map<std::string, uint32_t> last;
  for (const uint32_t n : numbers) {
    const auto [place, is_first] = last.try_emplace(key_of(n), n);
    ASSERT_TRUE(!ordered || is_first || place->second < n) << key_of(n);
    place->second = n;
  }
  std::sort(numbers.begin(), numbers.end());
  ASSERT_EQ(numbers.size(), sent);
  ASSERT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end());
}

// overflowed: how many events were deferred, in all.
void live_through(Way way, uint64_t seed, size_t& overflowed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return random() % n; };
  World world(4_MiB);
  SenderOptions options = options_of(way);
  options.queue_bytes_max = std::array<size_t, 3>{32_KiB, 256_KiB, 1_MiB}[below(3)];
  options.window_bytes_max = std::array<size_t, 3>{64_KiB, 512_KiB, 2_MiB}[below(3)];
  options.random_seed = seed;
  Rig rig(world, options, Rig::Log::on_disk);
  uint32_t first_shard = 0;
  const auto reshard = [&] {
    const auto count = static_cast<uint32_t>(1 + below(12));
    rig.stream.reshard(PlayedStream::even_shards(count, first_shard));
    first_shard += count;
  };
  reshard();
  rig.sender->set_shards(rig.stream.map());
  std::set<uint32_t> dead;
  bool calm = false;
  rig.stream.on_record = [&](const PlayedStream::Record& record) -> std::optional<EntryOutcome> {
    if (calm) return std::nullopt;
    const uint32_t shard =
        rig.stream.map()
            ->find(record.hash_key ? *record.hash_key
                                   : kinesis_format::hash_key_of(record.partition_key))
            ->number;
    if (dead.contains(shard))
      return shard % 2 == 0 ? EntryOutcome::throttled : EntryOutcome::internal_failure;
    return below(20) == 0 ? std::optional(EntryOutcome::internal_failure) : std::nullopt;
  };
  rig.stream.on_call = [&](const PlayedStream::Call&) -> std::optional<PutResult> {
    return !calm && below(20) == 0 ? std::optional(whole(PutError::server_fault)) : std::nullopt;
  };
  uint32_t sent = 0;
  for (int step = 0; step < 300; ++step) {
    const auto count = static_cast<uint32_t>(1 + below(60));
    std::vector<std::string> objects;
    for (uint32_t i = 0; i < count; ++i) objects.push_back(keyed(sent++, 30 + below(400)));
    rig.add(objects);
    switch (below(40)) {
      case 0:
      case 1:
        dead.insert(first_shard - 1 - static_cast<uint32_t>(below(4)));
        break;
      case 2:
        dead.clear();
        break;
      case 3:
        reshard();
        break;
      case 4:
        rig.sender->set_shards(rig.stream.map());
        break;
      case 5:
        world.run_for(seconds(below(20)));
        break;
      default:
        world.run_for(milliseconds(below(120)));
    }
  }
  calm = true;
  if (below(2) == 0) rig.sender->set_shards(rig.stream.map());
  world.run_until_quiet(60min);
  ASSERT_EQ(rig.delivered(), sent);
  ASSERT_EQ(rig.pending(), 0u);
  ASSERT_TRUE(rig.sender->is_idle());
  ASSERT_EQ(rig.log.released.size(), rig.log.added);
  overflowed += rig.log.overflow_events;
  expect_once(rig, sent, way == Way::ordered || way == Way::ordered_lines);
}

// PENSTOCK_OVERFLOW_SEEDS: how many (default 15). PENSTOCK_SIM_FIRST: the first of them.
TEST_P(AnySeed, EverythingArrivesOnceAndInOrder) {
  const char* const seeds = std::getenv("PENSTOCK_OVERFLOW_SEEDS");
  const char* const from = std::getenv("PENSTOCK_SIM_FIRST");
  const uint64_t first = from == nullptr ? 1 : std::strtoull(from, nullptr, 10);
  const uint64_t count = seeds == nullptr ? 15 : std::strtoull(seeds, nullptr, 10);
  size_t overflowed = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    live_through(GetParam(), seed, overflowed);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
  }
  EXPECT_GT(overflowed, count);  // otherwise it has tried nothing
}

INSTANTIATE_TEST_SUITE_P(Ways, AnySeed,
                         testing::Values(Way::keyed, Way::keyed_kpl, Way::ordered,
                                         Way::ordered_lines));

}  // namespace
}  // namespace penstock::delivery
