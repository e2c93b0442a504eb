#include "delivery/misplaced_aggregates.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::delivery {
namespace {

// A map that was asked for after the aggregate was accepted has its shard. The first that comes may
// have been asked for before.
constexpr uint32_t kMapsEnough = 2;

}  // namespace

void MisplacedAggregates::set_map(std::shared_ptr<const kinesis::ShardMap> map) {
  map_before_ = std::exchange(map_, std::move(map));
  if (map_ == nullptr) return;
  for (Accepted& aggregate : undecided_) ++aggregate.maps;
}

MisplacedAggregates::Place MisplacedAggregates::place_of(const Accepted& aggregate,
                                                         bool keys_are_ignored) const {
  uint32_t newest = 0;
  for (const kinesis::ShardMap* const map : {map_.get(), map_before_.get()}) {
    if (map == nullptr) continue;
    for (const kinesis::Shard& shard : map->shards()) {
      newest = std::max(newest, shard.number);
      if (shard.number != aggregate.shard) continue;
      const bool is_owned = shard.first <= aggregate.hash_key && aggregate.hash_key <= shard.last;
      return is_owned ? Place::owned : Place::foreign;
    }
  }
  if (keys_are_ignored) return Place::foreign;
  // Numbers grow: a shard older than the map was closed since it accepted the aggregate.
  const bool is_newer = map_ == nullptr || aggregate.shard > newest;
  const bool may_wait = maps_are_expected_ && aggregate.maps < kMapsEnough;
  return is_newer && may_wait ? Place::unknown : Place::owned;
}

void MisplacedAggregates::add(Accepted aggregate, Place place) {
  CHECK(place != Place::owned);
  (place == Place::foreign ? misplaced_ : undecided_).push_back(std::move(aggregate));
}

std::vector<RecordMetadata> MisplacedAggregates::decide(bool keys_are_ignored) {
  std::vector<RecordMetadata> owned;
  for (Accepted& aggregate : std::exchange(undecided_, {})) {
    const Place place = place_of(aggregate, keys_are_ignored);
    if (place == Place::owned) {
      owned.push_back(std::move(aggregate.meta));
    } else {
      add(std::move(aggregate), place);
    }
  }
  return owned;
}

RecordMetadata MisplacedAggregates::take() {
  CHECK(!misplaced_.empty());
  RecordMetadata meta = std::move(misplaced_.front().meta);
  misplaced_.pop_front();
  return meta;
}

std::vector<RecordMetadata> MisplacedAggregates::take_if(
    const std::function<bool(const Accepted&)>& wanted) {
  std::vector<RecordMetadata> taken;
  std::erase_if(misplaced_, [&](Accepted& aggregate) {
    if (!wanted(aggregate)) return false;
    taken.push_back(std::move(aggregate.meta));
    return true;
  });
  return taken;
}

uint64_t MisplacedAggregates::oldest_undecided() const {
  uint64_t oldest = ~uint64_t{0};
  for (const Accepted& aggregate : undecided_) oldest = std::min(oldest, aggregate.request);
  return oldest;
}

}  // namespace penstock::delivery
