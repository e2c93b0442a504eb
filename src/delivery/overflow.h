// Overflow: events whose shard takes nothing for long, in logs of the spool beside the stream's
// main log (spool::StreamLog::overflow). The main log goes on for the other shards, and its
// segments are freed.
//
// When more waits for a shard than its part of the retry queue, the hash-key buckets of the shard
// overflow: nothing is sent there until every request that may carry a record for it is answered;
// then what waits in the retry queue is copied to an overflow log, and behind it each event that
// the main log has for these buckets. Copies that are synced are final for the main log. As long as
// an overflow log has events of a bucket, newer ones go behind them.
//
//   main log ──► event ──► bucket overflows? ──no──► record
//                              │ yes
//                              ▼
//                  deferred ──copy, sync──► overflow log 0…3 ──read, in order──► record
//
// There are several overflow logs so that shards do not wait for each other: each shard that
// overflows gets the one with the least in it. Each is first in, first out.
//
// Invariants, checked here:
//   a bucket is in at most one overflow log; after a crash in several, then see has_turn()
//   events of a bucket are deferred in the order of the main log
//   an event is finished in the main log after its copy is synced, and once
//
// Thread: the delivery thread's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "delivery/entry_window.h"
#include "delivery/event_cursor.h"
#include "delivery/memory_share.h"
#include "delivery/records.h"
#include "kinesis/shard_map.h"
#include "spool/spool.h"

namespace penstock::delivery {

// Bucket of a hash key: its upper ten bits.
[[nodiscard]] inline size_t bucket_of(kinesis::HashKey key) {
  return static_cast<size_t>(key >> 118);
}

class Overflow {
 public:
  // post: onto the delivery thread; stored: some copies are synced, there is something to do.
  struct Callbacks {
    std::function<void(std::function<void()>)> post;
    std::function<void()> stored;
  };
  Overflow(spool::StreamLog& main, EntryWindow& window, MemoryShare memory, Callbacks callbacks);
  ~Overflow();
  Overflow(const Overflow&) = delete;
  Overflow& operator=(const Overflow&) = delete;

  // The spool has overflow logs for this one.
  [[nodiscard]] bool is_available() const { return !slots_.empty(); }
  // Some bucket overflows.
  [[nodiscard]] bool is_active() const { return occupied_.any(); }
  [[nodiscard]] bool is_occupied(size_t bucket) const { return occupied_.test(bucket); }
  // What waits for some of them is not moved yet.
  [[nodiscard]] bool has_closings() const { return !closings_.empty(); }
  // It overflows, and what waits for it is not moved yet.
  [[nodiscard]] bool is_closing(size_t bucket) const;

  // ---- from the main log

  // Of a shard whose records are being moved: waits until `last_request` is answered.
  struct Closing {
    uint32_t shard = kinesis::kNoShard;
    spool::BucketSet buckets;
    uint64_t last_request = 0;
  };
  // The buckets of the shard overflow from now on. last_request: the number of the last request
  // that may carry a record for it; 0: none that matters.
  void begin(const kinesis::Shard& shard, uint64_t last_request);
  // A record of the main log went into this request after all: to a shard that its bucket belonged
  // to before the shards changed.
  void sent(size_t bucket, uint64_t request);
  // Closings whose requests are answered; the caller defers what the retry queue has for their
  // buckets, with defer_first(), and then calls finish_closing().
  [[nodiscard]] std::vector<Closing> ready_closings(uint64_t oldest_open_request);
  void finish_closing(const Closing& closing);
  // An event of the main log, in the order of the log; its bucket is occupied. entry: its bytes as
  // they stand in the batch. False: no memory for the copy now; nothing has changed.
  [[nodiscard]] bool defer(const EventSpan& event, size_t bucket, ByteView entry);
  // The same for an event that waited in the retry queue: it goes before all that were deferred
  // since begin(). The caller brings them in the order of the log.
  void defer_queued(const EventSpan& event, size_t bucket, ByteView entry);
  // Appends the copies, as far as closings allow.
  void flush();

  // ---- from the overflow logs

  static constexpr size_t kLogs = spool::kOverflowLogs;
  [[nodiscard]] size_t logs() const { return slots_.size(); }
  [[nodiscard]] EventCursor& cursor(size_t log) { return slots_[log]->cursor; }
  // Opens the log's next entry at its cursor; false: there is none now. bytes_max: of its entries
  // that are read and not final. may_be_large: see spool::StreamLog::next_is_large().
  [[nodiscard]] bool open_next(size_t log, size_t bytes_max, bool may_be_large);
  // After a crash two logs may have events of one bucket, the older ones delivered but not marked
  // so: then the logs take turns by the place of their events in the main log.
  [[nodiscard]] bool has_turn(size_t log) const;
  // The cursor went over all events of its entry.
  void passed(size_t log);

 private:
  // Events of one entry of the main log that become one entry of an overflow log.
  struct Group {
    uint64_t ticket = 0;
    spool::OverflowEntry entry;
  };
  struct Slot {
    spool::StreamLog* log = nullptr;
    EventCursor cursor;
    spool::BucketSet cursor_buckets;  // of the entry at the cursor
    spool::Position cursor_position;
    spool::Position cursor_origin;  // where its events stood in the main log
    spool::BucketSet occupied;
    spool::BucketSet passed;  // of entries that were passed; some may not be released yet
    std::array<uint32_t, 1024> entries{};  // made in this life and not passed, by bucket
    spool::StreamLog::RecoveredOverflow recovered;
    std::deque<Group> queued;    // from the retry queue: they go before
    std::deque<Group> deferred;  // from the main log
    std::optional<std::pair<uint64_t, uint32_t>> last_deferred;  // ticket and place
    uint64_t entries_open = 0;                                   // made in this life and not passed
  };

  [[nodiscard]] Slot& slot_of(size_t bucket);
  [[nodiscard]] Slot& slot_for(const spool::BucketSet& buckets);
  [[nodiscard]] bool has_recovered(const Slot& slot) const;
  [[nodiscard]] bool waits(const Group& group) const;
  void add_copy(Slot& slot, std::deque<Group>& groups, const EventSpan& event, size_t bucket,
                ByteView entry);
  static void put_queued_first(Slot& slot);
  void append(size_t number, Group group);
  void refresh_occupied();

  spool::StreamLog& main_;
  EntryWindow& window_;
  MemoryShare memory_;
  const Callbacks callbacks_;
  std::vector<std::unique_ptr<Slot>> slots_;  // empty: not available
  spool::BucketSet occupied_;                 // of all slots
  bool overlap_ = false;                      // of what was recovered
  std::vector<Closing> closings_;
  size_t bytes_copied_ = 0;          // and not synced
  std::shared_ptr<Overflow*> self_;  // null once this is gone
};

}  // namespace penstock::delivery
