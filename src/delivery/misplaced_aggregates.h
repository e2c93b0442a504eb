// MisplacedAggregates: kpl aggregates that the service accepted in a shard that does not own their
// hash key. It does so on a stream whose records it distributes itself (RecordDistributionStrategy
// AUTO); readers made with the KCL drop such an aggregate. Its events are therefore not final: they
// are sent again, each in a record of its own.
//
// Aggregates accepted in a shard that the shard map does not have wait here for the next map: a
// reshard places them correctly, AUTO does not. They wait only while a new map is expected.
//
// Invariant, checked here: the events of an aggregate in here are in the EntryWindow, and its
// order_key has its record under way; the aggregate leaves once, as delivered or as misplaced.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "delivery/records.h"
#include "kinesis/shard_map.h"

namespace penstock::delivery {

class MisplacedAggregates {
 public:
  struct Accepted {
    RecordMetadata meta;
    kinesis::HashKey hash_key = 0;  // of the aggregate and of all that is in it
    uint32_t shard = kinesis::kNoShard;
    uint64_t request = 0;  // its number
    uint32_t maps = 0;     // that came since and do not have the shard
  };
  enum class Place : uint8_t { owned, foreign, unknown };

  // nullptr: not known.
  void set_map(std::shared_ptr<const kinesis::ShardMap> map);
  // A new map follows a question for one.
  void expect_maps(bool are_expected) { maps_are_expected_ = are_expected; }
  // keys_are_ignored: AUTO, as far as is known.
  [[nodiscard]] Place place_of(const Accepted& aggregate, bool keys_are_ignored) const;

  // Requires that its place is not owned.
  void add(Accepted aggregate, Place place);
  // After what place_of() depends on has changed. Returns those that are in their place.
  [[nodiscard]] std::vector<RecordMetadata> decide(bool keys_are_ignored);

  [[nodiscard]] bool has_undecided() const { return !undecided_.empty(); }
  [[nodiscard]] bool has_misplaced() const { return !misplaced_.empty(); }
  // No more aggregates are to be sent before some of these are gone.
  [[nodiscard]] bool is_full() const { return undecided_.size() + misplaced_.size() >= kCountMax; }
  // The oldest one that is known to be misplaced. Requires that there is one.
  [[nodiscard]] RecordMetadata take();
  // The same for all that the predicate wants.
  [[nodiscard]] std::vector<RecordMetadata> take_if(
      const std::function<bool(const Accepted&)>& wanted);
  // The smallest number of a request with an undecided aggregate; ~0: there is none.
  [[nodiscard]] uint64_t oldest_undecided() const;

 private:
  static constexpr size_t kCountMax = 4096;

  std::shared_ptr<const kinesis::ShardMap> map_;
  std::shared_ptr<const kinesis::ShardMap> map_before_;  // has shards that were closed since
  bool maps_are_expected_ = false;
  std::deque<Accepted> undecided_;
  std::deque<Accepted> misplaced_;
};

}  // namespace penstock::delivery
