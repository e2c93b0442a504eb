// SpoolState: what admission, the commit queue, the backlog reader and the logs share, under one
// lock. The lock is taken a few times per message, never per event, and never during I/O.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/chunk_table.h"
#include "spool/file_system.h"
#include "spool/signal.h"
#include "spool/spool.h"
#include "spool/stream_queue.h"

namespace penstock::spool {

// An append on its way in. Its own lock decides between cancel() and admission.
struct AppendHandle::State {
  enum class Phase : uint8_t { waiting, admitted, over };
  std::mutex mutex;
  Phase phase = Phase::waiting;
  Append append;
  AckMode ack = AckMode::stored;
};

// Dead letters from delivery that wait for room.
struct WaitingLetters {
  std::vector<QueuedEntry> entries;
};

// For tests and the simulation; the defaults are what everybody else gets.
struct SpoolInternals {
  bool manual = false;         // no threads: commit_turn() and read_turn() are called by hand
  uint64_t segment_bytes = 0;  // 0: by the share of the stream
  uint64_t salt_seed = 0;      // 0: random
  bool direct_io = true;
  // Faults planted to show that the simulation finds them.
  bool planted_ack_before_sync = false;
  bool planted_checkpoint_before_release = false;
};

struct SpoolState {
  SpoolState(SpoolOptions spool_options, SpoolInternals spool_internals,
             record::Ledger& spool_ledger, memory::MemoryBudget& budget, const Clock& spool_clock,
             FileSystem& files);

  [[nodiscard]] bool on_disk() const { return !options.directory.empty(); }
  [[nodiscard]] int64_t wall_ns() const { return unix_nanoseconds(clock.wall()); }
  [[nodiscard]] StreamQueue* open_queue(std::string_view stream) const;
  [[nodiscard]] uint64_t bytes_of(std::string_view stream) const;
  [[nodiscard]] uint64_t bytes_of_all() const;
  // What a stream was given, else an equal share of what the others were not given.
  [[nodiscard]] uint64_t share_of(std::string_view stream) const;
  // What new messages leave of the share to the overflow log.
  [[nodiscard]] uint64_t overflow_reserve_of(std::string_view stream) const;
  [[nodiscard]] uint64_t cache_share() const;
  // Of what may be read from disk and held: a log's.
  [[nodiscard]] uint64_t read_share() const;
  [[nodiscard]] uint64_t segment_bytes_in(uint64_t share) const;
  [[nodiscard]] static uint64_t overflow_segment_bytes_in(uint64_t segment_bytes);
  // The sizes of segments, after shares have changed.
  void share_out();
  [[nodiscard]] uint64_t make_salt();
  void note_pressure();
  // Since when the senders of what was admitted have waited for the disk; nullopt: not long.
  [[nodiscard]] std::optional<SteadyTime> unsynced_since() const;
  void note_error(std::string what);

  SpoolOptions options;
  const SpoolInternals internals;
  record::Ledger& ledger;
  memory::MemoryBudget& memory;
  const Clock& clock;
  FileSystem& file_system;

  std::mutex mutex;  // guards everything below, and the queues
  Signal commit_wake;
  std::shared_ptr<Signal> read_wake = std::make_shared<Signal>();  // batches outlive the spool
  bool closed = false;
  bool stopping = false;  // the threads are to end
  ChunkTable chunks;
  Hash128 next_key;                                         // names chunks without a fingerprint
  std::vector<std::unique_ptr<StreamQueue>> queues;         // oldest generation of a stream first
  std::unique_ptr<StreamQueue> dead_letters;                // only with a directory for them
  std::list<std::shared_ptr<AppendHandle::State>> waiting;  // in the order they came
  std::list<WaitingLetters> waiting_letters;
  std::optional<SteadyTime> pushing_back_since;
  std::string last_error;
  uint64_t fixed_bytes = 0;  // files that belong to no log

 private:
  std::atomic<uint64_t> salts_made_{0};
};

// Makes what was collected under the lock, without it.
inline void make(Calls& calls) {
  for (const auto& call : calls) call();
  calls.clear();
}

// Batches give memory back when they go, and whoever waits for memory is called then: not while
// the lock is held.
inline void discard_later(std::shared_ptr<const void> what, Calls& calls) {
  calls.emplace_back([what = std::move(what)] {});
}

}  // namespace penstock::spool
