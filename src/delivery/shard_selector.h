// ShardSelector: to which shard a record goes, whether that shard takes one now, and, where the key
// is ours to choose, a shard that does.
//
// It has many functions (23) because choosing a shard and learning from answers need the same two
// things: the map and the pacer.
//
// Costs nothing while no shard is limited and the shards are even: then keys spread records well
// enough, and nobody asks where they go (chooses_keys() is false).
//
// Invariant, checked here: while shards are not known nothing is predicted, so nothing is paced by
// shard, only by the stream.
//
// Thread: the delivery thread's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "kinesis/put_records.h"
#include "kinesis/shard_map.h"
#include "kinesis/shard_pacer.h"

namespace penstock::delivery {

class ShardSelector {
 public:
  explicit ShardSelector(uint64_t seed) : random_(seed) {}

  // Where the shards lie; nullptr: not known (no permission to ask, not yet asked).
  void set_shards(std::shared_ptr<const kinesis::ShardMap> shards);
  [[nodiscard]] bool knows_shards() const { return shards_ != nullptr; }
  [[nodiscard]] const kinesis::Shard* shard_at(kinesis::HashKey key) const {
    return shards_ ? shards_->find(key) : nullptr;
  }
  // kNoShard when the map does not tell.
  [[nodiscard]] uint32_t shard_of(std::string_view partition_key) const;
  [[nodiscard]] uint32_t shard_of(kinesis::HashKey key) const;

  // Some shard, or the stream, is limited: records ask before they go. As of the last refresh().
  [[nodiscard]] bool is_pacing() const { return is_pacing_; }
  void refresh(SteadyTime now);
  [[nodiscard]] SteadyTime ready_at(uint32_t shard, SteadyTime now) {
    if (!closed_.empty() && is_closed(shard)) return SteadyTime::max();
    return is_pacing_ ? pacer_.ready_at(shard, now) : now;
  }
  // It has a rate of its own: what was refused there waits for its turn.
  [[nodiscard]] bool is_limited(uint32_t shard) const;
  // Nothing goes there until it is opened, whatever its pace.
  void close(uint32_t shard) { closed_.push_back(shard); }
  void open(uint32_t shard) { std::erase(closed_, shard); }

  // Keys that may be anything are better chosen: pacing, or shards of unequal size.
  [[nodiscard]] bool chooses_keys() const { return is_pacing_ || is_uneven_; }
  struct Choice {
    uint32_t shard = kinesis::kNoShard;
    kinesis::HashKey hash_key = 0;  // random, inside the shard
  };
  // The next shard in turn that takes a record now; nullopt: none does before ready_again().
  [[nodiscard]] std::optional<Choice> pick_shard(SteadyTime now);
  [[nodiscard]] SteadyTime ready_again() const { return ready_again_; }
  [[nodiscard]] kinesis::HashKey random_hash_key() {
    return kinesis::HashKey{random_()} << 64 | random_();
  }

  // What was put into a request, and what became of it. shard: the predicted one; in answers the
  // one the service named, where it did.
  void sent(uint32_t shard, size_t record_bytes, SteadyTime now);
  void accepted(uint32_t shard, size_t record_bytes, SteadyTime now);
  void throttled(uint32_t shard, size_t record_bytes, SteadyTime now);
  // After the last entry of an answer.
  void end_answer(SteadyTime now);
  // True once after records went to shards that the map does not have, or were throttled by shard
  // without a map.
  [[nodiscard]] bool needs_map() { return std::exchange(map_missed_, false); }

 private:
  // The units of one answer, by shard: added up before the pacer is asked for each.
  struct Tally {
    uint32_t shard = kinesis::kNoShard;
    double units = 0;
  };
  void settle(Tally& tally, SteadyTime now);
  [[nodiscard]] bool is_closed(uint32_t shard) const;

  kinesis::ShardPacer pacer_;
  std::shared_ptr<const kinesis::ShardMap> shards_;
  std::vector<uint32_t> closed_;
  std::mt19937_64 random_;
  size_t turn_ = 0;
  bool is_uneven_ = false;
  bool is_pacing_ = false;
  bool map_missed_ = false;
  SteadyTime ready_again_{};
  std::array<Tally, 64> tallies_;  // by the low bits of the shard's number
};

}  // namespace penstock::delivery
