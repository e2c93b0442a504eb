// StreamQueue: one log: its parts, and what delivery is given of it.
//
//   writes ──commit queue──► segments ──► ReadCursor ──read()──► InFlightEntries ──release()──►
//   final
//
// Each part holds its own invariants. Those that cross parts:
//   an entry that was read is in flight until it is released, and unread in `segments` until it is
//   read
//   a segment of an overflow log stays while a restart may need to know what came from entries of
//   the main log that are still pending (may_retire())
//
// It has 15 members and 25 functions because it wires the parts: 14 members are parts, 15 functions
// are StreamLog's, and the others answer what only several parts together know.
//
// Thread: SpoolState's lock guards every member; the StreamLog functions take it themselves.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/chunk_table.h"
#include "spool/dead_letter.h"
#include "spool/disk_reservation.h"
#include "spool/in_flight_entries.h"
#include "spool/log_settings.h"
#include "spool/log_writer.h"
#include "spool/queued_entry.h"
#include "spool/read_allowance.h"
#include "spool/read_cursor.h"
#include "spool/reader_wake.h"
#include "spool/recovered_entries.h"
#include "spool/segment_table.h"
#include "spool/spool.h"

namespace penstock::spool {

struct SpoolState;

class StreamQueue final : public StreamLog {
 public:
  StreamQueue(SpoolState& state, const StreamOptions& options);

  [[nodiscard]] const std::string& stream() const override { return log_settings.stream(); }
  [[nodiscard]] const std::string& settings() const override { return log_settings.text(); }
  [[nodiscard]] std::optional<Entry> read() override;
  void on_readable(std::function<void()> wake) override;
  void release(Position position) override;
  void unread(Position position) override;
  [[nodiscard]] Reloaded reload(Position position) override;
  [[nodiscard]] bool next_is_large() const override;
  [[nodiscard]] std::optional<Position> next_origin() const override;
  [[nodiscard]] bool memory_is_awaited() const override;
  [[nodiscard]] bool empty() const override;
  [[nodiscard]] bool wants_room() const override;
  void allow_one_more() override;
  [[nodiscard]] StreamLog* overflow(size_t slot) override { return overflow_part.logs.at(slot); }
  void append_overflow(size_t slot, OverflowEntry entry, std::function<void(bool)> done) override;
  [[nodiscard]] RecoveredOverflow recovered_overflow(size_t slot) const override;

  // The rest is for the other parts of the spool, with the lock held.

  // Neither stored nor on its way in. An overflow log is one of its own in this.
  [[nodiscard]] bool holds_nothing() const;
  [[nodiscard]] bool is_overflow() const { return overflow_part.main != nullptr; }
  // Whether the file of a sealed segment of which nothing is pending may go. One of an overflow
  // log stays while a restart may need to know what came from entries that are still pending.
  [[nodiscard]] bool may_retire(uint64_t number, const SegmentState& segment) const;
  [[nodiscard]] int64_t oldest_received_ns() const;
  [[nodiscard]] bool has_backlog() const {
    return files != nullptr && cursor.has_backlog(segments.synced_count());
  }
  // Its directory goes, or could not be removed; its overflow logs' with it.
  void set_removed(bool removed);
  // The large entry whose batch is to be read; null: none.
  [[nodiscard]] const ReadyEntry* wanted_large() const {
    return in_flight.has_large() ? in_flight.wanted_reload() : cursor.wanted_large();
  }
  // The batch of this one is still to be read.
  [[nodiscard]] bool awaits_large(Position position);
  // It was; null: it is damaged. Requires awaits_large().
  void large_was_read(Position position, std::shared_ptr<const record::Batch> batch);
  // It was, and delivery has not taken it.
  [[nodiscard]] bool has_untaken_large(Position position);
  [[nodiscard]] std::shared_ptr<const record::Batch> take_back_large(Position position);
  // Of the log of dead letters: this one was delivered after all.
  void release_letter(Position position);
  // So many entries of the segment are final.
  void settle(uint64_t segment, uint32_t entries);
  // Entries of a segment that cannot be read: logged, counted, and final.
  void pass_over_damage(uint64_t segment, uint32_t entries, uint64_t events);

  // What becomes of the log.
  struct Use {
    bool open = true;  // appends go to it
    bool is_configured = true;
    bool removed = false;  // its directory is gone
    uint64_t generation = 0;
  };
  // What is on its way to disk.
  struct Writes {
    std::deque<QueuedEntry> unsynced;
    size_t in_round = 0;                       // entries that the commit thread is writing
    std::optional<SteadyTime> round_admitted;  // when the first was that a sender waits for
    std::optional<SteadyTime> retry_at;        // the disk failed: not before this time
    uint32_t failures = 0;                     // in a row
    [[nodiscard]] bool empty() const { return unsynced.empty() && in_round == 0; }
  };
  // What the commit thread is to do for it besides.
  struct Upkeep {
    SteadyTime retry_at{};
    bool drop_wanted = false;  // an append waits and when_full is drop_oldest
    bool checkpoint_due = false;
    SteadyTime checkpoint_at{};
    std::optional<SteadyTime> totals_at;  // a checkpoint is to say what was stored since
  };
  // Of the log of dead letters alone.
  struct Letters {
    GoneLetters gone;
    std::vector<Position> leaving;  // are gone when that is written down
  };
  // Of a main log on disk and its overflow logs.
  struct OverflowPart {
    std::array<StreamQueue*, kOverflowLogs> logs{};  // of a main log
    StreamQueue* main = nullptr;                     // of an overflow log
    // Of a main log: no entry before it is pending, and the checkpoint on disk says so.
    Position pending_from;
    // Of an overflow log:
    std::deque<QueuedEntry> waiting;  // for room
    RecoveredOverflow recovered;

    // None of the overflow logs holds anything.
    [[nodiscard]] bool holds_nothing() const;
    // Something waits for room in an overflow log of this main log, or of the one of this log.
    [[nodiscard]] bool any_waits() const;
  };

  LogSettings log_settings;
  Use use;
  std::unique_ptr<LogWriter> files;  // used by the commit thread alone; null: in memory
  DiskReservation reservation;
  Writes writes;
  SegmentTable segments;
  ReadCursor cursor;
  ReadAllowance allowance;
  InFlightEntries in_flight;
  RecoveredEntries recovered;
  Upkeep upkeep;
  Letters letters;
  OverflowPart overflow_part;
  ReaderWake wake;

 private:
  // An entry of this segment to delivery.
  [[nodiscard]] bool may_hand_out(uint64_t segment) const;

  SpoolState& state_;
};

}  // namespace penstock::spool
