// QueueTaker: takes records that wait in the retry queue into the request that is being filled.
//
// Thread: the delivery thread's.
#pragma once

#include "delivery/alarm.h"
#include "delivery/overflow.h"
#include "delivery/record_queuer.h"
#include "delivery/repacker.h"
#include "delivery/request_assembler.h"
#include "delivery/request_room.h"
#include "delivery/retry_queue.h"
#include "delivery/shard_selector.h"

namespace penstock::delivery {

class QueueTaker {
 public:
  struct Parts {
    RetryQueue& retry;
    ShardSelector& selector;
    RequestAssembler& assembler;
    RequestRoom& room;
    RecordQueuer& queuer;
    Repacker& repacker;
    Overflow& overflow;
    Alarm& alarm;
  };
  explicit QueueTaker(const Parts& parts) : parts_(parts) {}

  // The next record that may go; false: there is none now, or the request is full.
  [[nodiscard]] bool take_next();

 private:
  [[nodiscard]] bool choose_again(QueuedRecord& record);
  void describe(QueuedRecord record);

  const Parts parts_;
};

}  // namespace penstock::delivery
