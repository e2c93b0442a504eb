// Repacker: makes the events of a record into records of their own, by the limits and options in
// force: of an aggregate that was rejected or misplaced, and of a record that is larger than the
// stream takes by now.
//
// Thread: the delivery thread's.
#pragma once

#include <deque>

#include "delivery/alarm.h"
#include "delivery/dead_letter_writer.h"
#include "delivery/entry_window.h"
#include "delivery/event_splitter.h"
#include "delivery/large_entries.h"
#include "delivery/packer.h"
#include "delivery/record_queuer.h"
#include "delivery/request_assembler.h"
#include "delivery/retry_queue.h"
#include "delivery/shard_selector.h"

namespace penstock::delivery {

class Repacker {
 public:
  struct Parts {
    EntryWindow& window;
    Packer& packer;
    EventSplitters& splitters;
    RetryQueue& retry;
    const ShardSelector& selector;
    const RequestAssembler& assembler;
    const memory::MemoryBudget& memory;
    LargeEntries& large;
    DeadLetterWriter& dead_letters;
    RecordQueuer& queuer;
    const Alarm& alarm;
  };
  explicit Repacker(const Parts& parts) : parts_(parts) {}

  // The record is in no request; if it has an order_key, its key has it under way.
  void repack(const RecordMetadata& meta);

 private:
  [[nodiscard]] std::deque<QueuedRecord> records_of(const RecordMetadata& meta);
  void pack(const Event& event, const RecordMetadata& meta, std::deque<QueuedRecord>& made);

  const Parts parts_;
};

}  // namespace penstock::delivery
