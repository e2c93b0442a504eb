// AnswerHandler: what follows from the answer to a request: records that were accepted are final,
// the others are retried, and the parts that pace and pause are told.
//
// It refers to many parts (14) because an answer concerns all of them; it has no state but a random
// number for delays.
//
// Invariant: the ledger counts events as delivered before their entry is released, so that a scrape
// finds each event in one place.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "delivery/alarm.h"
#include "delivery/entry_window.h"
#include "delivery/large_entries.h"
#include "delivery/misplaced_aggregates.h"
#include "delivery/record_queuer.h"
#include "delivery/refusal_search.h"
#include "delivery/rejected_requests.h"
#include "delivery/request_assembler.h"
#include "delivery/request_queue.h"
#include "delivery/sender_options.h"
#include "delivery/shard_selector.h"
#include "delivery/stream_pause.h"

namespace penstock::delivery {

class AnswerHandler {
 public:
  struct Parts {
    const SenderOptions& options;
    const SenderServices& services;
    EntryWindow& window;
    RequestAssembler& assembler;
    RequestSettings& settings;
    RequestQueue& requests;
    RefusalSearch& search;
    StreamPause& pause;
    RejectedRequests& rejected;
    ShardSelector& selector;
    MisplacedAggregates& misplaced;
    LargeEntries& large;
    RecordQueuer& queuer;
    const Alarm& alarm;
  };
  AnswerHandler(const Parts& parts, uint64_t seed) : parts_(parts), random_(seed) {}

  void handle(RequestAttempt attempt, PutResult result);
  // After what MisplacedAggregates::place_of() depends on has changed.
  void decide_misplaced();

 private:
  void settle(RequestAttempt& attempt, const PutResult& result);
  void keep_misplaced(RequestAttempt& attempt, const PutResult& result);
  [[nodiscard]] uint64_t mark_final(RequestAttempt& attempt, const PutResult& result);
  void count_delivered(uint64_t events);
  void learn(const RequestAttempt& attempt, const PutResult& result);
  void finish_accepted(RequestAttempt& attempt, const PutResult& result);
  void finish(const EventSpan& span);
  void retry_failed(const RequestAttempt& attempt, const PutResult& result);
  void retry_whole(RequestAttempt attempt, const PutResult& result);
  void pause(RequestAttempt attempt, const PutResult& result);
  void retry_as_json(RequestAttempt attempt, const PutResult& result);

  const Parts parts_;
  std::mt19937_64 random_;
};

}  // namespace penstock::delivery
