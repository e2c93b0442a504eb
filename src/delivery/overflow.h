// Overflow: moves the events of a shard that accepts nothing for long into logs of the spool beside
// the stream's main log (spool::StreamLog::overflow). Meanwhile the main log is read on for the
// other shards, and its segments are freed.
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
// It has many functions (25) because both ways of an event, into a log and out of it, change one
// state: which buckets are occupied. Copies and closings have classes of their own.
//
// Invariants, checked here:
//   a bucket is in at most one overflow log; after a crash in several, then see has_turn()
//   an event is finished in the main log after its copy is synced, and once
//
// Thread: the delivery thread's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "delivery/bucket.h"
#include "delivery/entry_window.h"
#include "delivery/event_cursor.h"
#include "delivery/memory_share.h"
#include "delivery/overflow_closings.h"
#include "delivery/overflow_copies.h"
#include "delivery/owner_post.h"
#include "delivery/records.h"
#include "kinesis/shard_map.h"
#include "spool/spool.h"

namespace penstock::delivery {

// So much of the retry queue may wait for one shard before its buckets overflow.
[[nodiscard]] inline size_t shard_bytes_max(size_t queue_bytes_max) { return queue_bytes_max / 8; }

class Overflow {
 public:
  // stored: some copies are synced, there is something to do.
  Overflow(spool::StreamLog& main, EntryWindow& window, MemoryShare memory, const OwnerPost& post,
           std::function<void()> stored);
  ~Overflow();
  Overflow(const Overflow&) = delete;
  Overflow& operator=(const Overflow&) = delete;

  // The spool has overflow logs for this one.
  [[nodiscard]] bool is_available() const { return !slots_.empty(); }
  // Some bucket overflows.
  [[nodiscard]] bool is_active() const { return occupied_.any(); }
  [[nodiscard]] bool is_occupied(size_t bucket) const { return occupied_.test(bucket); }
  // Buckets that overflow and whose records in the retry queue are not moved yet.
  [[nodiscard]] const OverflowClosings& closings() const { return closings_; }

  // ---- from the main log

  // These buckets overflow from now on, as far as they do not yet: a shard's, which is closed; or
  // kNoShard: those of records that others are to pass. last_request: the number of the last
  // request that may carry a record for them; 0: none that matters.
  void begin(uint32_t shard, const spool::BucketSet& buckets, uint64_t last_request);
  // See OverflowClosings.
  void sent(size_t bucket, uint64_t request) { closings_.sent(bucket, request); }
  // The requests of this closing are answered, and the caller has deferred what the retry queue has
  // for its buckets (defer_queued()).
  void finish_closing(const OverflowClosing& closing);
  // An event of the main log, in the order of the log; its bucket is occupied. entry: its bytes as
  // they stand in the batch. False: no memory for the copy now; nothing has changed.
  [[nodiscard]] bool defer(const EventSpan& event, size_t bucket, ByteView entry);
  // The same for an event that waited in the retry queue: it goes before all that were deferred
  // since begin(). The caller brings them in the order of the log.
  void defer_queued(const EventSpan& event, size_t bucket, ByteView entry);
  // Else the entries that they are copied from pay for them.
  [[nodiscard]] bool copies_are_paid() const { return memory_.bytes() >= bytes_copied_; }
  // Appends the copies, as far as closings allow.
  void flush();

  // ---- from the overflow logs

  static constexpr size_t kLogs = spool::kOverflowLogs;
  [[nodiscard]] size_t logs() const { return slots_.size(); }
  [[nodiscard]] spool::StreamLog& log(size_t log) { return *slots_[log]->log; }
  [[nodiscard]] EventCursor& cursor(size_t log) { return slots_[log]->cursor; }
  // Opens the log's next entry at its cursor; false: there is none now. bytes_max: of its entries
  // that are read and not final. may_be_large: see spool::StreamLog::next_is_large().
  [[nodiscard]] bool open_next(size_t log, size_t bytes_max, bool may_be_large);
  // After a crash two logs may have events of one bucket, the older ones delivered but not marked
  // so: then the logs take turns by the place of their events in the main log.
  [[nodiscard]] bool has_turn(size_t log) const;
  // The entry that the cursor is at or was at last.
  struct Passage {
    spool::BucketSet buckets;
    spool::Position position;
  };
  [[nodiscard]] Passage passage(size_t log) const;
  // The cursor went over all events of this entry.
  void passed(size_t log, const Passage& entry);

 private:
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
    OverflowCopies copies;
    uint64_t entries_open = 0;  // made in this life and not passed

    [[nodiscard]] bool has_recovered() const;
    // Where the events at the cursor, or else of the next entry, stood in the main log, if known.
    [[nodiscard]] std::optional<spool::Position> next_origin() const;
  };

  [[nodiscard]] Slot& slot_of(size_t bucket);
  [[nodiscard]] Slot& slot_for(const spool::BucketSet& buckets);
  void count(Slot& slot, size_t bucket, ByteView entry, OverflowCopies::Copied copied);
  void append(size_t number, OverflowCopies::Group group);
  void refresh_occupied();

  spool::StreamLog& main_;
  EntryWindow& window_;
  MemoryShare memory_;
  const OwnerPost& post_;
  const std::function<void()> stored_;
  std::vector<std::unique_ptr<Slot>> slots_;  // empty: not available
  spool::BucketSet occupied_;                 // of all slots
  bool overlap_ = false;                      // of what was recovered
  OverflowClosings closings_;
  size_t bytes_copied_ = 0;  // and not synced
};

}  // namespace penstock::delivery
