// RequestFiller: fills the next request: with records that wait, then with records of the events
// that come next. It says what is taken when, and nothing else.
//
// Thread: the delivery thread's.
#pragma once

#include "delivery/alarm.h"
#include "delivery/entry_sources.h"
#include "delivery/large_entries.h"
#include "delivery/misplaced_aggregates.h"
#include "delivery/overflow_mover.h"
#include "delivery/queue_taker.h"
#include "delivery/record_maker.h"
#include "delivery/refusal_search.h"
#include "delivery/repacker.h"
#include "delivery/request_room.h"

namespace penstock::delivery {

class RequestFiller {
 public:
  struct Parts {
    const SenderOptions& options;
    const RefusalSearch& search;
    EntrySources& sources;
    const LargeEntries& large;
    RecordMaker& maker;
    Repacker& repacker;
    const RequestQueue& requests;
    const RetryQueue& retry;
    RequestAssembler& assembler;
    MisplacedAggregates& misplaced;
    OverflowMover& mover;
    Alarm& alarm;
  };
  RequestFiller(const Parts& parts, RequestRoom& room, QueueTaker& taker)
      : parts_(parts), room_(room), taker_(taker) {}

  // As far as there is something to fill it with.
  void fill();

 private:
  void fill_with_all();
  [[nodiscard]] bool is_stuck() const;
  [[nodiscard]] bool has_queue_room(bool for_what_shows_more) const;
  [[nodiscard]] bool may_queue_more();
  [[nodiscard]] bool repack_misplaced();
  [[nodiscard]] bool close_stuck_aggregates();

  const Parts parts_;
  RequestRoom& room_;
  QueueTaker& taker_;
};

}  // namespace penstock::delivery
