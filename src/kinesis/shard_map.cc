#include "kinesis/shard_map.h"

#include <algorithm>

namespace penstock::kinesis {

std::string shard_id_text(uint32_t number) {
  const std::string digits = std::to_string(number);
  return "shardId-" + std::string(12 - digits.size(), '0') + digits;
}

ShardMap::ShardMap(std::vector<Shard> shards) : shards_(std::move(shards)) {
  std::sort(shards_.begin(), shards_.end(),
            [](const Shard& a, const Shard& b) { return a.last < b.last; });
}

const Shard* ShardMap::find(HashKey key) const {
  const auto found =
      std::lower_bound(shards_.begin(), shards_.end(), key,
                       [](const Shard& shard, HashKey wanted) { return shard.last < wanted; });
  return found != shards_.end() && found->first <= key ? &*found : nullptr;
}

bool ShardMap::has(uint32_t number) const {
  return std::any_of(shards_.begin(), shards_.end(),
                     [number](const Shard& shard) { return shard.number == number; });
}

}  // namespace penstock::kinesis
