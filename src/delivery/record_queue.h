// RecordQueue: the records that wait outside of requests, each for a reason of its own:
//
//   loose    failed, to be sent again; or finished by an aggregator: when it is due
//   parked   its shard takes nothing now: when the shard does, in the order they came
//   lanes    order: per_key: behind the record of its lane that is under way, or in front of those
//            that were never sent
//
// Thread: the sender's.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <unordered_map>

#include "delivery/outgoing.h"
#include "delivery/placement.h"

namespace penstock::delivery {

// So much of the queue may wait for one shard before what else comes for it is set aside.
[[nodiscard]] constexpr size_t place_bytes_max(size_t queue_bytes_max) {
  return queue_bytes_max / 8;
}

class RecordQueue {
 public:
  // By the time it is due; those of one time in the order they came.
  void add(Waiting record);
  // For the shard in its note; in_front: it was sent already and refused.
  void park(Waiting record, bool in_front);

  // A lane has at most one record under way.
  [[nodiscard]] bool lane_is_free(uint64_t lane) const { return !lanes_.contains(lane); }
  // Its record went into a request without having waited. Requires that it is free.
  void lane_begins(uint64_t lane);
  void lane_append(Waiting record);
  // The record under way is to be sent again: before any newer one.
  void lane_return(Waiting record);
  // Several in the place of the one under way.
  void lane_return(std::deque<Waiting> records);
  // The record under way is final.
  void lane_done(uint64_t lane);

  // The next record that may go now; nullptr: none before quiet_until(). Valid until anything else
  // is called.
  [[nodiscard]] Waiting* next(SteadyTime now, Placement& placement);
  [[nodiscard]] SteadyTime quiet_until() const { return quiet_until_; }
  // Takes the one that next() gave; its lane is under way.
  [[nodiscard]] Waiting take();

  // What waits for one shard, of the records that can go nowhere else.
  struct Place {
    size_t bytes = 0;
    size_t refused = 0;  // records: were sent there, and have to go again
  };
  [[nodiscard]] Place place(uint32_t shard) const {
    const auto found = places_.find(shard);
    return found == places_.end() ? Place{} : found->second;
  }
  [[nodiscard]] bool any_refused() const { return refused_ > 0; }

  [[nodiscard]] size_t count() const { return count_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  struct Lane {
    std::list<Waiting> records;
    bool under_way = false;
  };
  enum class From : uint8_t { nowhere, loose, lane, parked };
  using Lanes = std::unordered_map<uint64_t, Lane>;

  void count_in(const Waiting& record);
  void count_out(const Waiting& record);
  void list_lane(uint64_t id, SteadyTime due);
  Waiting* next_lane(SteadyTime now, Placement& placement);
  Waiting* next_parked(SteadyTime now, Placement& placement);

  std::deque<Waiting> loose_;
  std::map<uint32_t, std::deque<Waiting>> parked_;  // by shard
  Lanes lanes_;                                     // those with a record under way or waiting
  // Each lane that has records and none under way stands in one of these.
  std::deque<uint64_t> lanes_ready_;
  std::multimap<SteadyTime, uint64_t> lanes_later_;

  std::unordered_map<uint32_t, Place> places_;  // by shard; those with anything
  size_t refused_ = 0;
  size_t count_ = 0;
  size_t bytes_ = 0;
  SteadyTime quiet_until_{};
  From from_ = From::nowhere;
  uint32_t from_shard_ = 0;
  uint32_t last_shard_ = 0;  // parked shards take turns
};

}  // namespace penstock::delivery
