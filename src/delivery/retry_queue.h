// RetryQueue: the records that wait outside of requests, and the order of the records of a key.
//
//   due      a record that failed, or a finished aggregate: leaves when its time has come
//   parked   a record whose shard accepts nothing now: leaves when the shard does, oldest first
//   by key   with order: per_key, a record behind the one of its key that is in flight
//
// Invariants, checked here:
//   a key has at most one record in flight; records of a key leave in the order they were appended,
//   a failed one before all that were never sent
//   a record belongs to a key queue exactly when its order_key says so, from the time it is begun
//   or appended until done(): options that change meanwhile do not change that
//
// It has 23 functions because the three ways to wait share one count, the load of each shard and
// the turns of next(); a queue of its own for each would have to ask the others before each record.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <unordered_map>
#include <vector>

#include "delivery/records.h"
#include "delivery/shard_selector.h"

namespace penstock::delivery {

class RetryQueue {
 public:
  // A new or failed record without a key queue; it leaves when it is due.
  void add(QueuedRecord record);
  // The same, but it leaves at the pace of the shard in its metadata.
  void park(QueuedRecord record);

  // ---- key queues: for records with an order_key

  [[nodiscard]] bool is_key_free(uint64_t key) const { return !keys_.contains(key); }
  // A record of the key went into a request without having waited. Requires that the key is free.
  void begin(uint64_t key);
  // Behind all that the key has.
  void append(QueuedRecord record);
  // The key's record in flight failed: it is to be sent again, or these records instead, which have
  // the same order_key.
  void put_back(std::deque<QueuedRecord> records);
  // The key's record in flight is final.
  void done(uint64_t key);

  // ---- taking

  // The next record that may go now; nullptr: none before quiet_until(). Valid until anything else
  // is called.
  [[nodiscard]] QueuedRecord* next(SteadyTime now, ShardSelector& shards);
  [[nodiscard]] SteadyTime quiet_until() const { return quiet_until_; }
  // All that waits does so for records of its keys that are under way: no time brings any of it.
  [[nodiscard]] bool waits_for_answers() const {
    return count_ > 0 && due_.empty() && parked_.empty() && keys_ready_.empty() &&
           keys_later_.empty();
  }
  // Takes the record that next() returned; from now on its key has a record in flight.
  [[nodiscard]] QueuedRecord take();
  // Some record for which `wanted` holds and that take_if() would take; nullptr: there is none.
  [[nodiscard]] const QueuedRecord* find_if(
      const std::function<bool(const QueuedRecord&)>& wanted) const;
  // Takes all records for which `wanted` holds; those of a key in order, and none that is before a
  // record of the key that stays.
  [[nodiscard]] std::vector<QueuedRecord> take_if(
      const std::function<bool(const QueuedRecord&)>& wanted);

  // What waits for one shard, of the records that can go nowhere else.
  struct Load {
    size_t bytes = 0;
    size_t refused = 0;  // records that were sent there, and have to go again
  };
  [[nodiscard]] Load load(uint32_t shard) const {
    const auto found = loads_.find(shard);
    return found == loads_.end() ? Load{} : found->second;
  }
  [[nodiscard]] bool any_refused() const { return refused_ > 0; }
  [[nodiscard]] size_t count() const { return count_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  struct KeyQueue {
    std::list<QueuedRecord> records;
    bool under_way = false;
  };
  enum class From : uint8_t { nowhere, due, key, parked };

  void count_in(const QueuedRecord& record);
  void count_out(const QueuedRecord& record);
  void schedule_key(uint64_t key, SteadyTime due);
  void schedule_all_keys();
  QueuedRecord* next_of_keys(SteadyTime now, ShardSelector& shards);
  QueuedRecord* next_parked(SteadyTime now, ShardSelector& shards);

  std::deque<QueuedRecord> due_;
  std::map<uint32_t, std::deque<QueuedRecord>> parked_;  // by shard
  std::unordered_map<uint64_t, KeyQueue> keys_;          // those with records, or one under way
  // Each key that has records and none under way stands in one of these.
  std::deque<uint64_t> keys_ready_;
  std::multimap<SteadyTime, uint64_t> keys_later_;

  std::unordered_map<uint32_t, Load> loads_;  // by shard; those with anything
  size_t refused_ = 0;
  size_t count_ = 0;
  size_t bytes_ = 0;
  SteadyTime quiet_until_{};
  From from_ = From::nowhere;  // where next() found its record
  uint32_t from_shard_ = 0;    // and the last shard it came from: parked ones take turns
};

}  // namespace penstock::delivery
