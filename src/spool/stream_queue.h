// StreamQueue: the books of one log. What is admitted but not synced, which segments there are and
// how much of each is still needed, what delivery may read and what it holds.
//
//   unsynced ──commit queue──► segments, and in memory as far as there is room:
//                              ahead   read from disk for delivery, older than
//                              fresh   kept since it was appended; without a gap, up to the newest
//   ahead, fresh ──read()──► in flight ──release()──► final
//
// Entries are numbered 0, 1, 2 … as they are synced (for this process only): the number tells
// whether the next one to be delivered is in memory or has to be read from disk.
//
// Thread: SpoolState's lock guards every member; the StreamLog functions take it themselves.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "spool/chunk_table.h"
#include "spool/dead_letter.h"
#include "spool/log_writer.h"
#include "spool/signal.h"
#include "spool/spool.h"

namespace penstock::spool {

struct SpoolState;

// Several dead letters that are answered together.
struct LetterGroup {
  size_t left = 0;
  std::function<void(bool)> done;
};

// Which part of which chunk an entry is.
struct ChunkPart {
  Hash128 key;               // of the chunk
  bool fingerprint = false;  // the key is one
  bool replayed = false;     // a dead letter that was handed back
  uint64_t part_key = 0;
  uint16_t part_count = 1;
};
[[nodiscard]] ChunkPart chunk_part_of(const EntryHeader& header);

// An entry that is admitted and not yet safe.
struct QueuedEntry {
  std::shared_ptr<const record::Batch> batch;
  ChunkPart chunk;
  uint64_t bytes = 0;  // what it takes on disk, or in memory
  SteadyTime admitted{};
  [[nodiscard]] EntryToStore as_stored() const;
  bool answered = false;  // its chunk has been told that it is synced
  // Dead letters only:
  std::string stream;
  std::string reason;
  std::string detail;
  std::shared_ptr<LetterGroup> letters;  // empty: it came with an append
  // Overflow log only:
  std::shared_ptr<const OverflowOrigin> origin;
  std::function<void(bool)> overflowed;
};

// When the first of these was admitted that came with an append: its sender waits for it.
template <class Entries>
[[nodiscard]] std::optional<SteadyTime> oldest_admitted(const Entries& entries) {
  for (const QueuedEntry& entry : entries) {
    if (!entry.letters) return entry.admitted;
  }
  return std::nullopt;
}

// An entry in memory that delivery has not read yet.
struct ReadyEntry {
  Position position;
  uint32_t end = 0;  // offset of the first byte behind it
  std::shared_ptr<const record::Batch> batch;
  uint32_t events_final = 0;
  uint64_t bytes = 0;  // of memory; in a spool without a directory its share of the stream
  uint64_t number = 0;
  ChunkPart chunk;
  std::shared_ptr<const std::vector<uint32_t>> overflowed = {};  // see Entry; null: none
  std::shared_ptr<const OverflowOrigin> origin = {};             // overflow log only
  bool is_large = false;  // its batch has no storage until LargeEntryReader has read it
  [[nodiscard]] bool is_loaded() const { return !is_large || !batch->storage.empty(); }
  [[nodiscard]] uint64_t events_left() const {
    return batch->event_count - events_final - (overflowed ? overflowed->size() : 0);
  }
};

[[nodiscard]] constexpr bool is_large(uint64_t payload_bytes) {
  return payload_bytes > kLargeEntryBytes;
}
// What is known of a large entry's batch while it is not read.
[[nodiscard]] std::shared_ptr<const record::Batch> without_storage(const record::Batch& batch);

// An entry that delivery holds.
struct EntryInFlight {
  uint64_t bytes = 0;
  uint32_t events_final = 0;
  int64_t received_ns = 0;
  ChunkPart chunk;
  bool kept = false;  // it was kept in memory since it was appended
};

// Memory of batches that were read from disk, until the last one who holds such a batch lets go.
struct BytesRead {
  explicit BytesRead(std::shared_ptr<Signal> reader_signal) : signal(std::move(reader_signal)) {}
  void give_back(uint64_t n) {
    bytes -= n;
    signal->raise();
  }
  std::atomic<uint64_t> bytes{0};
  std::shared_ptr<Signal> signal;
};

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

class StreamQueue final : public StreamLog {
 public:
  StreamQueue(SpoolState& state, const StreamOptions& stream_options);

  [[nodiscard]] const std::string& stream() const override { return name_; }
  [[nodiscard]] const std::string& settings() const override { return *settings_.load(); }
  [[nodiscard]] std::optional<Entry> read() override;
  void on_readable(std::function<void()> wake) override;
  void release(Position position) override;
  void unread(Position position) override;
  [[nodiscard]] bool next_is_large() const override;
  [[nodiscard]] bool memory_is_awaited() const override;
  [[nodiscard]] bool empty() const override;
  [[nodiscard]] bool wants_room() const override;
  [[nodiscard]] StreamLog* overflow(size_t slot) override { return overflow_queues.at(slot); }
  void append_overflow(size_t slot, OverflowEntry entry, std::function<void(bool)> done) override;
  [[nodiscard]] RecoveredOverflow recovered_overflow(size_t slot) const override;

  // The rest is for the other parts of the spool, with the lock held.

  // New settings for the same target.
  void take_over(const StreamOptions& renewed);
  // Neither stored nor on its way in. An overflow log is one of its own in this.
  [[nodiscard]] bool holds_nothing() const;
  // Of a main log: none of its overflow logs holds anything.
  [[nodiscard]] bool overflow_holds_nothing() const;
  // Of a main log or an overflow log: something waits for room in an overflow log of that main log.
  [[nodiscard]] bool overflow_waits() const;
  // What the checkpoint found at start-up says of this entry.
  [[nodiscard]] bool is_recovered_pending(Position position) const {
    return position >= recovered_read || recovered_pending.contains(position);
  }
  [[nodiscard]] bool is_overflow() const { return main_queue != nullptr; }
  // Whether the file of a sealed segment of which nothing is pending may go. One of an overflow
  // log stays while a restart may need to know what came from entries that are still pending.
  [[nodiscard]] bool may_retire(uint64_t number, const SegmentState& segment) const;
  [[nodiscard]] int64_t oldest_received_ns() const;
  // An entry of this segment to delivery.
  [[nodiscard]] bool may_hand_out(uint64_t segment) const;
  // Adds the wake-up to calls if delivery has found nothing and waits.
  void wake_reader(Calls& calls);
  // The same, whether it waits or not.
  void wake_delivery(Calls& calls);
  [[nodiscard]] bool has_backlog() const;
  // Whether another entry may be read from disk. However little the share is, one may be.
  [[nodiscard]] bool has_room_ahead() const {
    return bytes_read->bytes.load() < read_share() || bytes_read->bytes.load() == 0;
  }
  // Of what is read from disk and held.
  [[nodiscard]] uint64_t read_share() const;
  // Of the log of dead letters: this one was delivered after all.
  void release_letter(Position position);
  // Counts an entry as final in the books of its segment.
  void settle_segment(Position position, uint32_t entries);
  // Entries of a segment that cannot be read: logged, counted, and final.
  void pass_over_damage(uint64_t segment_number, uint32_t entries, uint64_t events);

  // Bytes that `more` would take beyond what is held, and whatever is planned for what is queued.
  [[nodiscard]] uint64_t planned_bytes(uint64_t more) const;
  void plan(uint64_t bytes);
  void plan_afresh();
  [[nodiscard]] uint64_t new_segment_bytes(uint64_t entry_bytes) const;

  SpoolState& state_;
  const std::string name_;
  StreamOptions options;
  bool open = true;      // appends go to it
  bool is_configured = true;
  bool removed = false;  // its directory is gone
  uint64_t generation = 0;

  std::unique_ptr<LogWriter> files;  // used by the commit thread alone; null: in memory
  std::deque<QueuedEntry> unsynced;
  uint64_t held_bytes = 0;                   // files, or payload in memory
  uint64_t planned_files = 0;                // of segments that what is queued will need
  uint64_t planned_room = 0;                 // left in the last of them
  bool planned_spare = false;                // the spare is there and not planned for
  uint64_t spare_bytes = 0;                  // of the spare file, part of held_bytes
  uint64_t segment_bytes = 0;                // of an ordinary segment file
  size_t in_round = 0;                       // entries that the commit thread is writing
  std::optional<SteadyTime> round_admitted;  // when the first of them was that a sender waits for
  std::optional<SteadyTime> retry_at;        // the disk failed: not before this time
  uint32_t failures = 0;                     // in a row
  SteadyTime upkeep_retry_at{};
  bool drop_wanted = false;  // an append waits and when_full is drop_oldest
  bool checkpoint_due = false;
  SteadyTime checkpoint_at{};
  std::map<uint64_t, SegmentState> segments;  // by number
  uint64_t synced_count = 0;                  // entries numbered so far

  Position cursor;  // the next entry to be read, from memory or disk, stands here or behind
  uint64_t next_number = 0;  // and has this number
  bool reading = false;      // the backlog reader is at it: cursor and next_number are its own
  std::deque<ReadyEntry> ahead;
  std::deque<ReadyEntry> fresh;
  uint64_t fresh_bytes = 0;
  // Of entries that delivery took from there and still holds: they take room of the same memory.
  uint64_t kept_in_flight = 0;
  std::shared_ptr<BytesRead> bytes_read;
  std::optional<SteadyTime> read_retry_at;
  std::map<Position, EntryInFlight> in_flight;
  bool large_wanted = false;            // read() has come to one that is not loaded
  std::optional<ReadyEntry> large_out;  // the one in flight, without its storage
  // What the checkpoint found at start-up said of entries not read yet since.
  Position recovered_read;
  std::map<Position, uint32_t> recovered_pending;  // events final
  // Of the log of dead letters:
  GoneLetters gone_letters;
  std::vector<Position> leaving;  // are gone when that is written down

  // Of a main log and its overflow logs: each other. Of a log in memory: null.
  std::array<StreamQueue*, kOverflowLogs> overflow_queues{};
  StreamQueue* main_queue = nullptr;
  // Of a main log: no entry before it is pending, and the checkpoint on disk says so.
  Position pending_from;
  // Found at start-up: events of entries of the main log that an overflow log has. Of an entry that
  // is final for that, all.
  std::map<Position, std::shared_ptr<const std::vector<uint32_t>>> recovered_overflowed;
  // Of an overflow log:
  std::deque<QueuedEntry> waiting;  // for room
  BucketSet recovered_buckets;
  Position recovered_end;

  uint64_t lost_events = 0;  // found damaged at start-up

 private:
  bool reader_waits_ = false;
  std::mutex wake_mutex_;  // held while wake_ runs; never taken while the state's lock is held
  std::function<void()> wake_;
  // settings() hands out a reference: what was in force earlier stays alive.
  std::deque<std::string> later_settings_;
  std::atomic<const std::string*> settings_;
};

}  // namespace penstock::spool
