#include "delivery/placement.h"

#include <algorithm>

#include "kinesis_format/md5.h"

namespace penstock::delivery {
namespace {

using kinesis::HashKey;
using kinesis::kNoShard;
using kinesis::Shard;

// Random keys fill shards by their size. Up to this much (a sixteenth) nobody minds.
bool is_uneven(const kinesis::ShardMap& map) {
  if (map.size() < 2) return false;
  HashKey smallest = ~HashKey{0};
  HashKey largest = 0;
  for (const Shard& shard : map.shards()) {
    smallest = std::min(smallest, shard.last - shard.first);
    largest = std::max(largest, shard.last - shard.first);
  }
  return largest - smallest > smallest / 16;
}

}  // namespace

void Placement::set_shards(std::shared_ptr<const kinesis::ShardMap> shards) {
  if (shards && shards->empty()) shards.reset();
  shards_ = std::move(shards);
  uneven_ = shards_ && is_uneven(*shards_);
  map_missed_ = false;
  if (!shards_) return;
  pacer_.keep_only(*shards_);
  paced_ = pacer_.any_limit();  // some may have been throttled before they were known
}

// Limits lapse only when they are asked: those of shards nothing goes to now are asked here.
void Placement::look(SteadyTime now) {
  if (!paced_) return;
  (void)pacer_.ready_at(kNoShard, now);
  if (shards_) {
    for (const Shard& shard : shards_->shards()) (void)pacer_.ready_at(shard.number, now);
  }
  // What cannot be predicted cannot be paced: then only the stream's own limit counts.
  paced_ = shards_ ? pacer_.any_limit() : pacer_.pace(kNoShard)->limited();
}

uint32_t Placement::shard_of(std::string_view partition_key) const {
  return shards_ ? shard_of(kinesis_format::hash_key_of(partition_key)) : kNoShard;
}

uint32_t Placement::shard_of(HashKey key) const {
  const Shard* const shard = shards_ ? shards_->find(key) : nullptr;
  return shard != nullptr ? shard->number : kNoShard;
}

HashKey Placement::random_hash_key() { return HashKey{random_()} << 64 | random_(); }

std::optional<Placement::Spot> Placement::spread(SteadyTime now) {
  if (!shards_) {
    ready_again_ = ready_at(kNoShard, now);
    if (ready_again_ > now) return std::nullopt;
    return Spot{kNoShard, random_hash_key()};
  }
  const auto shards = shards_->shards();
  ready_again_ = SteadyTime::max();
  for (size_t tried = 0; tried < shards.size(); ++tried) {
    const Shard& shard = shards[turn_++ % shards.size()];
    const SteadyTime ready = ready_at(shard.number, now);
    if (ready > now) {
      ready_again_ = std::min(ready_again_, ready);
      continue;
    }
    const HashKey size = shard.last - shard.first + 1;  // 0: all there is
    const HashKey drawn = random_hash_key();
    return Spot{shard.number, size == 0 ? drawn : shard.first + drawn % size};
  }
  return std::nullopt;
}

void Placement::sent(uint32_t shard, size_t record_bytes, SteadyTime now) {
  if (paced_) pacer_.sent(shard, record_bytes, now);
}

void Placement::accepted(uint32_t shard, size_t record_bytes, SteadyTime now) {
  Tally& tally = tallies_[shard % tallies_.size()];
  if (tally.shard != shard) {
    settle(tally, now);
    tally.shard = shard;
  }
  tally.units += kinesis::pacing_units(record_bytes);
}

void Placement::settle(Tally& tally, SteadyTime now) {
  if (tally.units == 0) return;
  pacer_.accepted_units(tally.shard, tally.units, now);
  if (shards_ && tally.shard != kNoShard && !shards_->has(tally.shard)) map_missed_ = true;
  tally.units = 0;
}

void Placement::throttled(uint32_t shard, size_t record_bytes, SteadyTime now) {
  answer_ends(now);  // what was accepted says where the limit is
  pacer_.throttled(shard, record_bytes, now);
  if (!shards_ && shard != kNoShard) {
    map_missed_ = true;
  } else {
    paced_ = true;
  }
}

void Placement::answer_ends(SteadyTime now) {
  for (Tally& tally : tallies_) settle(tally, now);
}

}  // namespace penstock::delivery
