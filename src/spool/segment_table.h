// SegmentTable: the segments of one log, by number, and how much of each is still needed. It also
// numbers the entries of the log.
//
// Entries are numbered 0, 1, 2 … as they are synced (for this process only): the number says
// whether the next entry to be delivered is in memory or has to be read from disk.
//
//   begun ──add_synced()──► … ──► sealed ──settle()──► nothing left ──► retiring ──► erased
//                                    └────── drop() ───────────▲
//
// Invariants, checked here:
//   an entry is settled once: no more entries are settled than are left, no more events read than
//   are unread
//   the entries of a dropped segment are neither read nor settled
//   only a sealed segment of which nothing is left is retired
//
// It has 22 functions because each step of the picture is one, and all of them change the same
// counts: who divides them has to check the invariants across classes.
//
// Thread: SpoolState's lock guards it.
#pragma once

#include <cstdint>
#include <map>

#include "spool/log_totals.h"
#include "spool/position.h"
#include "spool/queued_entry.h"
#include "spool/segment_format.h"

namespace penstock::spool {

struct SegmentState {
  uint64_t file_bytes = 0;
  uint64_t end = kBlockBytes;  // of what is synced
  bool sealed = false;
  bool gone = false;           // its file is about to be removed: not to be read any more
  uint64_t first_number = 0;   // of its first entry
  uint32_t entries = 0;        // synced
  uint32_t entries_left = 0;   // not final
  uint64_t events_unread = 0;  // neither final nor handed to delivery
  int64_t first_received_ns = 0;
  int64_t last_received_ns = 0;
  bool dropped = false;  // its entries were not final: whoever tracks them is told at its end
  Position origin_max;   // overflow log only: of its entries
};

class SegmentTable {
 public:
  using Segments = std::map<uint64_t, SegmentState>;
  [[nodiscard]] const Segments& all() const { return segments_; }
  // Null: there is none.
  [[nodiscard]] const SegmentState* find(uint64_t number) const;
  // Entries numbered so far.
  [[nodiscard]] uint64_t synced_count() const { return synced_count_; }
  [[nodiscard]] uint64_t entries_left() const;
  [[nodiscard]] uint64_t events_unread() const;
  // What a checkpoint says of the log if it leaves pending every entry from this number on, and no
  // other: entries that are final, too, but those of segments that are retiring or dropped. Of
  // events those that are unread.
  [[nodiscard]] LogTotals totals_from(uint64_t number) const;

  // ---- found at start-up

  void add_found(uint64_t number, const SegmentState& segment);
  // After all of them are added.
  void number_found(const Tally& stored, uint64_t newest);

  // ---- from the commit thread

  void add(uint64_t number, uint64_t file_bytes);
  // An entry that ends at `end`. Returns its number.
  uint64_t add_synced(Position position, uint64_t end, const QueuedEntry& entry);
  // The same for an entry of a log in memory, which has no segments.
  uint64_t number_unstored() { return synced_count_++; }
  void seal(uint64_t number) { segments_.at(number).sealed = true; }
  void begin_retiring(uint64_t number);
  // Its file could not be removed.
  void cancel_retiring(uint64_t number) { segments_.at(number).gone = false; }
  void erase(uint64_t number);
  // Nothing more of it is delivered. Requires that it is sealed and that delivery has nothing of
  // it. Returns its events that were not final.
  uint64_t drop(uint64_t number);
  void clear() { segments_.clear(); }

  // ---- from delivery

  // So many events of one entry were handed to delivery; given back by it.
  void read(uint64_t number, uint64_t events);
  void unread(uint64_t number, uint64_t events);
  // So many events were found damaged. Returns how many of them were unread: those are lost.
  uint64_t lose(uint64_t number, uint64_t events);
  enum class Settled : uint8_t { none, some, last };
  // So many entries are final. none: the segment is gone or was dropped; last: nothing of a sealed
  // segment is left.
  Settled settle(uint64_t number, uint32_t entries);

 private:
  // Null: none, or a dropped one.
  [[nodiscard]] SegmentState* find_kept(uint64_t number);

  Segments segments_;
  uint64_t synced_count_ = 0;
  Tally stored_;         // since the log was begun, by any process
  uint64_t newest_ = 0;  // the segment that was begun last
};

}  // namespace penstock::spool
