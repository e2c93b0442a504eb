// ShardMap: the open shards of a stream and the ranges of hash keys they own. A snapshot: streams
// are resharded at any time, so it says where a record will probably go, never where it must.
//
// A value, immutable once made. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kinesis_format/u128.h"

namespace penstock::kinesis {

using HashKey = kinesis_format::Uint128;

struct Shard {
  uint32_t number = 0;  // 12 of "shardId-000000000012"
  HashKey first = 0;    // both inclusive
  HashKey last = 0;

  [[nodiscard]] HashKey middle() const { return first + (last - first) / 2; }
  bool operator==(const Shard&) const = default;
};

[[nodiscard]] std::string shard_id_text(uint32_t number);

class ShardMap {
 public:
  // Sorts them. Overlaps and holes are taken as they are: in mid-reshard both are seen.
  explicit ShardMap(std::vector<Shard> shards);

  // The shard that owns the key; nullptr when none does.
  [[nodiscard]] const Shard* find(HashKey key) const;
  [[nodiscard]] bool has(uint32_t number) const;

  [[nodiscard]] std::span<const Shard> shards() const { return shards_; }  // by range
  [[nodiscard]] size_t size() const { return shards_.size(); }
  [[nodiscard]] bool empty() const { return shards_.empty(); }
  bool operator==(const ShardMap&) const = default;

 private:
  std::vector<Shard> shards_;  // by last
};

}  // namespace penstock::kinesis
