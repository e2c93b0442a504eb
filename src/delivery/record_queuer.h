// RecordQueuer: where a record that is in no request waits: in its key queue, at the pace of its
// shard, for its own pause, or, if its bucket overflows, in an overflow log.
//
// Thread: the delivery thread's.
#pragma once

#include <vector>

#include "delivery/alarm.h"
#include "delivery/entry_window.h"
#include "delivery/overflow_mover.h"
#include "delivery/retry_queue.h"
#include "delivery/shard_selector.h"

namespace penstock::delivery {

class RecordQueuer {
 public:
  RecordQueuer(const EntryWindow& window, RetryQueue& retry, ShardSelector& selector,
               OverflowMover& mover, const Alarm& alarm)
      : window_(window), retry_(retry), selector_(selector), mover_(mover), alarm_(alarm) {}

  // A record that is new, or was made again, without a key under way.
  void add(QueuedRecord record);
  // All of them; none is left.
  void add_all(std::vector<QueuedRecord>& records);
  // A record that failed. One with a key of our choosing need not go where it was rejected.
  void put_back(QueuedRecord record);
  // The record is final, or is no more: its key queue goes on.
  void done(const RecordMetadata& meta);
  // The record's event goes another way (EntryWindow::is_abandoned()): true, and only its key queue
  // has to know.
  bool drop_abandoned(const RecordMetadata& meta);
  [[nodiscard]] bool is_abandoned(const RecordMetadata& meta) const {
    return window_.is_abandoned(meta);
  }

 private:
  const EntryWindow& window_;
  RetryQueue& retry_;
  ShardSelector& selector_;
  OverflowMover& mover_;
  const Alarm& alarm_;
};

}  // namespace penstock::delivery
