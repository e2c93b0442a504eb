#include "delivery/shard_selector.h"

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

void ShardSelector::set_shards(std::shared_ptr<const kinesis::ShardMap> shards) {
  if (shards && shards->empty()) shards.reset();
  shards_ = std::move(shards);
  is_uneven_ = shards_ && is_uneven(*shards_);
  map_missed_ = false;
  if (!shards_) return;
  pacer_.keep_only(*shards_);
  is_pacing_ = pacer_.any_limit();  // some may have been throttled before they were known
}

// Limits lapse only when they are asked: those of shards nothing goes to now are asked here.
void ShardSelector::refresh(SteadyTime now) {
  if (!is_pacing_) return;
  (void)pacer_.ready_at(kNoShard, now);
  if (shards_) {
    for (const Shard& shard : shards_->shards()) (void)pacer_.ready_at(shard.number, now);
  }
  // What cannot be predicted cannot be paced: then only the stream's own limit counts.
  is_pacing_ = shards_ ? pacer_.any_limit() : pacer_.pace(kNoShard)->limited();
}

uint32_t ShardSelector::shard_of(std::string_view partition_key) const {
  return shards_ ? shard_of(kinesis_format::hash_key_of(partition_key)) : kNoShard;
}

uint32_t ShardSelector::shard_of(HashKey key) const {
  const Shard* const shard = shards_ ? shards_->find(key) : nullptr;
  return shard != nullptr ? shard->number : kNoShard;
}

bool ShardSelector::is_closed(uint32_t shard) const {
  return std::find(closed_.begin(), closed_.end(), shard) != closed_.end();
}

bool ShardSelector::is_limited(uint32_t shard) const {
  if (!is_pacing_ || shard == kNoShard) return false;
  const kinesis::Pace* const pace = pacer_.pace(shard);
  return pace != nullptr && pace->limited();
}

std::optional<ShardSelector::Choice> ShardSelector::pick_shard(SteadyTime now) {
  if (!shards_) {
    ready_again_ = ready_at(kNoShard, now);
    if (ready_again_ > now) return std::nullopt;
    return Choice{kNoShard, random_hash_key()};
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
    return Choice{shard.number, size == 0 ? drawn : shard.first + drawn % size};
  }
  return std::nullopt;
}

void ShardSelector::sent(uint32_t shard, size_t record_bytes, SteadyTime now) {
  if (is_pacing_) pacer_.sent(shard, record_bytes, now);
}

void ShardSelector::accepted(uint32_t shard, size_t record_bytes, SteadyTime now) {
  Tally& tally = tallies_[shard % tallies_.size()];
  if (tally.shard != shard) {
    settle(tally, now);
    tally.shard = shard;
  }
  tally.units += kinesis::pacing_units(record_bytes);
}

void ShardSelector::settle(Tally& tally, SteadyTime now) {
  if (tally.units == 0) return;
  pacer_.accepted_units(tally.shard, tally.units, now);
  if (shards_ && tally.shard != kNoShard && !shards_->has(tally.shard)) map_missed_ = true;
  tally.units = 0;
}

void ShardSelector::throttled(uint32_t shard, size_t record_bytes, SteadyTime now) {
  end_answer(now);  // what was accepted says where the limit is
  pacer_.throttled(shard, record_bytes, now);
  if (!shards_ && shard != kNoShard) {
    map_missed_ = true;
  } else {
    is_pacing_ = true;
  }
}

void ShardSelector::end_answer(SteadyTime now) {
  for (Tally& tally : tallies_) settle(tally, now);
}

}  // namespace penstock::delivery
