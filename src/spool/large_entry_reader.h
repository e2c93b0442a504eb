// LargeEntryReader: reads large entries (spool.h) for BacklogReader, one at a time over all logs;
// logs take turns.
//
//   delivery comes to one ──► wait for the budget's large lease ──► read ──► delivery ──► final
//                                       ▲                                      │
//                                       └────── unread, or not taken in time ◄─┘
//
// The lease is waited for in the line of all who wait for memory, with nothing held in the
// meantime. It covers the entry and, as far as it goes, what delivery makes of it: its JSON text,
// or a copy of it.
//
// Thread: BacklogReader's.
#pragma once

#include <atomic>
#include <optional>

#include "spool/awaited_lease.h"
#include "spool/segment_reader.h"
#include "spool/spool_state.h"

namespace penstock::spool {

class LargeEntryReader {
 public:
  explicit LargeEntryReader(SpoolState& state) : state_(state) {}
  ~LargeEntryReader() { stop(); }

  // False: there is nothing to be done now.
  bool turn();
  void stop();
  // The large lease is wanted and not granted yet. Thread: any.
  [[nodiscard]] bool awaits_memory() const { return awaits_memory_; }

 private:
  struct Wanted {
    StreamQueue* queue = nullptr;
    Position position;
    uint64_t limit = 0;
  };
  struct Untaken {
    StreamQueue* queue = nullptr;
    Position position;
    SteadyTime since{};
  };

  [[nodiscard]] bool choose();
  void ask_for_memory(uint64_t payload_bytes);
  bool take_back();
  IoResult<std::optional<record::Batch>> read(memory::MemoryLease lease);
  void publish(IoResult<std::optional<record::Batch>> outcome);

  SpoolState& state_;
  size_t next_queue_ = 0;
  std::optional<Wanted> wanted_;
  std::optional<AwaitedLease> awaited_;  // for that
  std::atomic<bool> awaits_memory_{false};
  std::optional<Untaken> untaken_;  // loaded last
};

}  // namespace penstock::spool
