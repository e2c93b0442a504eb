// ReadCursor: what delivery reads next from one log, and what is in memory for it.
//
//   ahead   read from disk for delivery, older than
//   fresh   kept since it was appended, up to the newest
//
//   disk ──begin_reading(), end_reading()──► ahead ─┐
//   appended ──keep()──► fresh ─────────────────────┴──take()──► delivery
//
// Invariants, checked here:
//   entries are taken in the order of the log, each once; one that was given back comes first again
//   fresh has all entries from its first to the newest, except dropped segments; it begins with
//   the next entry or behind what is still to be read from disk while the backlog reader is at it,
//   nothing else moves the position
//
// It has 25 functions because delivery, the commit thread, and the backlog reader each have a few
// of their own, and all of them change the one place where the log is read.
//
// Thread: SpoolState's lock guards it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "spool/chunk_table.h"
#include "spool/queued_entry.h"
#include "spool/segment_table.h"

namespace penstock::spool {

// An entry in memory that delivery has not read yet.
struct ReadyEntry {
  Position position;
  uint32_t end = 0;  // offset of the first byte behind it
  std::shared_ptr<const record::Batch> batch;
  uint64_t bytes = 0;  // of memory; in a spool without a directory its share of the stream
  uint64_t number = 0;
  ChunkPart chunk;
  std::shared_ptr<const std::vector<uint32_t>> overflowed = {};  // see Entry; null: none
  std::shared_ptr<const OverflowOrigin> origin = {};             // overflow log only
  bool is_large = false;  // its batch has no storage until LargeEntryReader has read it
  bool is_fresh = false;  // it was kept in memory since it was appended
  [[nodiscard]] bool is_loaded() const { return !is_large || !batch->storage.empty(); }
  [[nodiscard]] uint64_t events_left() const {
    return batch->event_count - (overflowed ? overflowed->size() : 0);
  }
};

// What is known of a large entry's batch while it is not read.
[[nodiscard]] std::shared_ptr<const record::Batch> without_storage(const record::Batch& batch);

class ReadCursor {
 public:
  // ---- delivery

  // Null: it is not in memory, or there is none.
  [[nodiscard]] const ReadyEntry* next() const;
  // Takes what next() shows; it is loaded.
  [[nodiscard]] ReadyEntry take();
  // A large entry comes back: it was the last one that was taken.
  void put_back(ReadyEntry entry);
  // Something is in memory: the next entry, or later ones.
  [[nodiscard]] bool has_ready() const { return !ahead_.empty() || !fresh_.empty(); }
  // Everything before it has been taken.
  [[nodiscard]] Position taken_to() const;
  // The number of the entry there.
  [[nodiscard]] uint64_t taken_to_number() const;
  // Synced entries are neither in memory up to the next one nor read.
  [[nodiscard]] bool has_backlog(uint64_t synced_count) const {
    return next_number_ < (fresh_.empty() ? synced_count : fresh_.front().number);
  }

  // ---- entries that were just synced

  // Whether this one, the newest, follows what is in memory.
  [[nodiscard]] bool may_keep(uint64_t number) const;
  // Requires may_keep().
  void keep(ReadyEntry entry);
  // Bytes of what was kept and not taken.
  [[nodiscard]] uint64_t fresh_bytes() const { return fresh_bytes_; }

  // ---- the backlog reader

  // Over segments that are read to their end, dropped or gone. False: there is nothing to be read.
  bool step_over_gone(const SegmentTable& segments);
  // What is to be read next from disk: behind this, up to first_fresh().
  [[nodiscard]] Position position() const { return position_; }
  [[nodiscard]] uint64_t next_number() const { return next_number_; }
  [[nodiscard]] const ReadyEntry* first_fresh() const {
    return fresh_.empty() ? nullptr : &fresh_.front();
  }
  // Events of the segment that are in memory.
  [[nodiscard]] uint64_t events_in_memory(uint64_t segment) const;
  void begin_reading();
  void end_reading(Position position, uint64_t next_number, std::vector<ReadyEntry> entries);
  [[nodiscard]] bool is_reading(uint64_t segment) const {
    return reading_ && segment == position_.segment;
  }

  // ---- large entries

  // One is ahead: behind it nothing is read.
  [[nodiscard]] bool has_large_ahead() const;
  // Delivery has come to one that is not loaded. True: this was not known.
  bool want_large() { return !std::exchange(large_wanted_, true); }
  // The one that is to be loaded; null: none.
  [[nodiscard]] const ReadyEntry* wanted_large() const;
  // The batch of the next entry, if that is a large one at this position, else null: it was
  // dropped.
  [[nodiscard]] std::shared_ptr<const record::Batch>* large_batch_at(Position position);
  void forget_wanted_large() { large_wanted_ = false; }
  // Its payload is damaged.
  ReadyEntry drop_large();

  // Nothing of this segment is delivered.
  void drop_segment(uint64_t number, Calls& calls);

 private:
  Position position_;         // the next entry to be read, from memory or disk, is here or behind
  uint64_t next_number_ = 0;  // and has this number
  bool reading_ = false;      // the backlog reader is at it: position and number are its own
  std::deque<ReadyEntry> ahead_;
  std::deque<ReadyEntry> fresh_;
  uint64_t fresh_bytes_ = 0;
  bool large_wanted_ = false;
};

}  // namespace penstock::spool
