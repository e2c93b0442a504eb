// OverflowMover: decides which events go to the overflow logs (overflow.h), and takes from the
// parts of delivery what is to go there: events that are read next, and records that wait in the
// retry queue or came back from a request.
//
// Invariant, checked here: records are moved in the order in which their events stand in the main
// log.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <vector>

#include "delivery/alarm.h"
#include "delivery/entry_window.h"
#include "delivery/event_cursor.h"
#include "delivery/event_splitter.h"
#include "delivery/misplaced_aggregates.h"
#include "delivery/overflow.h"
#include "delivery/packer.h"
#include "delivery/request_assembler.h"
#include "delivery/request_queue.h"
#include "delivery/retry_queue.h"
#include "delivery/sender_options.h"
#include "delivery/shard_selector.h"

namespace penstock::delivery {

class OverflowMover {
 public:
  struct Parts {
    const SenderOptions& options;
    spool::StreamLog& main;
    EntryWindow& window;
    Packer& packer;
    EventSplitters& splitters;
    RetryQueue& retry;
    const RequestQueue& requests;
    ShardSelector& selector;
    MisplacedAggregates& misplaced;
    const RequestAssembler& assembler;
    Overflow& overflow;
    Alarm& alarm;
  };
  explicit OverflowMover(const Parts& parts) : parts_(parts) {}

  // Keys decide where events go, and some cannot go there now.
  [[nodiscard]] bool watches_shards() const;

  // ---- events that come next in the main log

  enum class Deferred : uint8_t { no, done, later };
  // done: the event went to an overflow log, and its cursor has passed it. later: there is no
  // memory for the copy, or it is large, and a closing would keep the copy in memory.
  [[nodiscard]] Deferred defer(EventCursor& cursor, const Event& event, kinesis::HashKey hash_key,
                               uint64_t order_key);

  // ---- records

  // All of its events come from the main log, and their batches are there, so that they may go to
  // an overflow log.
  [[nodiscard]] bool may_move(const RecordMetadata& meta) const;
  // The record's bucket overflows: it goes there, too, unless its key queue keeps its order.
  [[nodiscard]] bool takes(const QueuedRecord& record) const;
  // The events of these records, which came from the main log, in the order of the log.
  void spill(std::vector<QueuedRecord> records);
  // Suspects of which none can be told apart before others are read: they go, and what waits behind
  // them in their key queues. Returns those that cannot go.
  [[nodiscard]] std::vector<QueuedRecord> set_aside(std::vector<QueuedRecord> suspects);
  // What waits may be little, and yet keep so many entries from being final that nothing more can
  // be read: then it overflows, shard by shard.
  void overflow_for_room();
  // Shards, or buckets, of which no request can bring back an older record.
  [[nodiscard]] std::vector<OverflowClosing> ready() const;
  // What waits for these. Requires that no aggregate is open.
  void move(const std::vector<OverflowClosing>& ready);

 private:
  [[nodiscard]] bool must_overflow(uint32_t shard, uint64_t order_key) const;
  void begin_overflow(const kinesis::Shard& shard);
  // The number of the oldest request that may bring back a record of these buckets.
  [[nodiscard]] OldestOpen oldest_open() const;

  const Parts parts_;
};

}  // namespace penstock::delivery
