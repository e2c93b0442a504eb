// ChunkTable: which messages are held but not yet final, and whose acknowledgement waits for what.
// A message sent again finds its first copy here and waits with it; once it is safe only its
// fingerprint is remembered (RepeatWindow).
//
//   begin ──► unsynced entries ──synced()──► stored ──released()──► delivered
//                                            │                      │
//                         AckMode::stored ◄──┘   AckMode::delivered ◄┘
//
// Thread: none of its own; the spool's lock guards it. Callbacks are not made here but handed out
// in Calls, to be made when the lock is given back.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "spool/repeat_window.h"
#include "spool/spool.h"

namespace penstock::spool {

using Calls = std::vector<std::function<void()>>;

class ChunkTable {
 public:
  struct Waiter {
    AckMode ack = AckMode::stored;
    std::function<void(AppendOutcome)> done;
  };
  enum class Known : uint8_t {
    no,
    held,    // its first copy is held: wait with it
    partly,  // only some of its parts outlived a crash: has_part() says which
    safe,    // as safe as it can be: done
  };

  ChunkTable(uint32_t count_max, int64_t window_ns) : window_(count_max, window_ns) {}

  // key: the fingerprint, or (repeatable false) any unique number. Its `entries` are reported one
  // by one to synced() and, if they are tracked until their release, to released().
  void begin(const Hash128& key, bool repeatable, bool until_released, uint32_t entries,
             Waiter waiter);
  [[nodiscard]] Known look_up(const Hash128& fingerprint, int64_t now_ns);
  // What was found on disk at start-up of a chunk that is not safe yet: the parts that are there,
  // and how many of them are not final. complete: no part is missing.
  void recover(const Hash128& key, int64_t received_ns, std::vector<uint64_t> parts, bool complete,
               uint32_t unreleased);
  [[nodiscard]] bool has_part(const Hash128& key, uint64_t part_key) const;
  // Some part of it is neither synced nor on disk.
  [[nodiscard]] bool is_incomplete(const Hash128& key) const;
  // For a chunk that look_up() found held.
  void wait(const Hash128& key, Waiter waiter, Calls& calls);
  // Events of one of its entries, which is not released yet, are in another entry as well: that
  // one is waited for, too.
  void add_entry(const Hash128& key);
  void synced(const Hash128& key, int64_t now_ns, Calls& calls);
  void released(const Hash128& key, int64_t now_ns, Calls& calls);
  // Every waiter that still waits gets AppendOutcome::closed.
  void close(Calls& calls);

  [[nodiscard]] RepeatWindow& window() { return window_; }
  [[nodiscard]] size_t held() const { return chunks_.size(); }

 private:
  struct Chunk {
    bool repeatable = false;
    bool until_released = false;
    uint32_t unsynced = 0;
    uint32_t unreleased = 0;
    std::vector<Waiter> waiters;
    std::vector<uint64_t> parts;  // that outlived a crash
    bool partly = false;          // and others did not
    int64_t recovered_ns = 0;     // when a chunk that was found partly on disk was received
  };
  struct KeyHash {
    size_t operator()(const Hash128& key) const { return key.low ^ key.high; }
  };
  using Chunks = std::unordered_map<Hash128, Chunk, KeyHash>;

  static void answer(Chunk& chunk, Calls& calls);
  void settle(Chunks::iterator chunk, int64_t now_ns, Calls& calls);

  Chunks chunks_;
  RepeatWindow window_;
};

}  // namespace penstock::spool
