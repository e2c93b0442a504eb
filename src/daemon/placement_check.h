// PlacementCheck: whether records arrive in the shards that own their hash keys. A shard's id is
// never used again and its range never changes, so one record that is found in a shard known not to
// own its key shows that the service chooses shards itself (RecordDistributionStrategy AUTO), which
// no reshard does.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "kinesis/shard_map.h"

namespace penstock::daemon {

class PlacementCheck {
 public:
  // So many records in their places, one after the other, show that keys count again: by chance the
  // service would do that with two shards once in 2^64.
  static constexpr uint32_t kInPlaceEnough = 64;

  // nullptr: not known.
  void set_shards(std::shared_ptr<const kinesis::ShardMap> shards) { shards_ = std::move(shards); }
  // Where an accepted record went.
  void note(const kinesis::HashKey& hash_key, uint32_t shard);

  // As far as answers show.
  [[nodiscard]] bool are_keys_ignored() const { return are_ignored_; }

 private:
  std::shared_ptr<const kinesis::ShardMap> shards_;
  bool are_ignored_ = false;
  uint32_t in_place_ = 0;  // since one that was not
};

}  // namespace penstock::daemon
