#include "daemon/placement_check.h"

#include <algorithm>

namespace penstock::daemon {

void PlacementCheck::note(const kinesis::HashKey& hash_key, uint32_t shard) {
  if (!shards_ || shards_->size() < 2) return;
  const auto shards = shards_->shards();
  const auto found = std::find_if(shards.begin(), shards.end(),
                                  [shard](const auto& each) { return each.number == shard; });
  if (found == shards.end()) return;  // newer than the map
  if (hash_key < found->first || hash_key > found->last) {
    are_ignored_ = true;
    in_place_ = 0;
  } else if (are_ignored_ && ++in_place_ >= kInPlaceEnough) {
    are_ignored_ = false;
  }
}

}  // namespace penstock::daemon
