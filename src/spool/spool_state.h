// SpoolState: what admission, the commit queue, the backlog reader and the logs share, under one
// lock. The lock is taken a few times per message, never per event, and never during I/O.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "spool/chunk_table.h"
#include "spool/file_system.h"
#include "spool/signal.h"
#include "spool/spool.h"
#include "spool/spool_logs.h"
#include "spool/spool_shares.h"

namespace penstock::spool {

// An append on its way in. Its own lock decides between cancel() and admission.
struct AppendHandle::State {
  enum class Phase : uint8_t { waiting, admitted, over };
  std::mutex mutex;
  Phase phase = Phase::waiting;
  Append append;
  AckMode ack = AckMode::stored;
};

// For tests and the simulation; the defaults are what everybody else gets.
struct SpoolInternals {
  bool manual = false;         // no threads: commit_turn() and read_turn() are called by hand
  uint64_t segment_bytes = 0;  // 0: by the share of the stream
  uint64_t salt_seed = 0;      // 0: random
  uint64_t large_entry_bytes = kLargeEntryBytes;
  bool direct_io = true;
  // Faults planted to show that the simulation finds them.
  bool planted_ack_before_sync = false;
  bool planted_checkpoint_before_release = false;
};

// Makes salts for files. They need not be secret, only unlike: no payload was written knowing them.
//
// Thread: make() on any; make_key() with SpoolState's lock.
class Salts {
 public:
  // seed 0: random ones.
  explicit Salts(uint64_t seed) : seed_(seed), last_key_{0, make()} {}
  [[nodiscard]] uint64_t make();
  // Names a chunk that has no fingerprint.
  [[nodiscard]] Hash128 make_key() {
    ++last_key_.low;
    return last_key_;
  }

 private:
  const uint64_t seed_;
  std::atomic<uint64_t> made_{0};
  Hash128 last_key_;
};

// Callbacks are made after the lock is given back, here and nowhere else.
class SpoolMutex : public std::mutex {
 public:
  // Changes what the lock guards, and then makes the calls that the change has collected.
  void change(const auto& with_calls) {
    Calls calls;
    {
      const std::lock_guard lock(*this);
      with_calls(calls);
    }
    for (const auto& call : calls) call();
  }
};

// The context of the parts, which wires them and is none of them: it has 15 members because each
// part needs some of them, and one lock guards them all.
struct SpoolState {
  [[nodiscard]] bool on_disk() const { return !options.directory.empty(); }
  [[nodiscard]] bool is_large(uint64_t payload_bytes) const {
    return payload_bytes > internals.large_entry_bytes;
  }
  [[nodiscard]] int64_t wall_ns() const { return unix_nanoseconds(clock.wall()); }
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

  SpoolMutex mutex{};  // guards everything below, and the queues
  struct Wake {
    Signal commit;
    std::shared_ptr<Signal> read = std::make_shared<Signal>();  // batches outlive the spool
    bool stopping = false;                                      // the threads are to end
  };
  Wake wake{};
  bool closed = false;
  ChunkTable chunks{options.repeats_max, nanoseconds(options.repeat_window).count()};
  Salts salts{internals.salt_seed};
  SpoolLogs logs{};
  SpoolShares shares{logs, options, internals.segment_bytes};
  struct Waiting {                                            // for room
    std::list<std::shared_ptr<AppendHandle::State>> appends;  // in the order they came
    std::list<std::vector<QueuedEntry>> letters;              // from delivery
  };
  Waiting waiting{};
  struct Health {
    std::optional<SteadyTime> pushing_back_since;
    std::string last_error;
  };
  Health health{};
};

// Batches give memory back when they go, and whoever waits for memory is called then: not while
// the lock is held.
inline void discard_later(std::shared_ptr<const void> what, Calls& calls) {
  calls.emplace_back([what = std::move(what)] {});
}

}  // namespace penstock::spool
