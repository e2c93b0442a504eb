// StreamSender: empties one log of the spool, and its overflow logs, into one stream. It wires the
// parts below together, pumps them, and decides nothing that one of them owns.
//
//   log ─► EntrySources ─► RecordMaker ──────────────► RequestAssembler ─► RequestQueue ─► PutPort
//              │ EntryWindow  │ Packer, EventSplitter        ▲                                │
//              │              ▼                              │                             answer
//              │         RecordQueuer ─► RetryQueue ─► QueueTaker                             │
//              │              ▲  │                                                            ▼
//              │              │  └ OverflowMover ─► Overflow (logs)                   AnswerHandler
//              │              └────── records that failed ◄───────────────────────────────────┤
//              └───────────────────── events that are final ◄─────────────────────────────────┤
//                                                                RejectedRequests, StreamPause ┘
//
// RequestFiller says what goes into the next request, ShardSelector to which shard. Which record a
// rejected request is rejected for, and when the stream is paused, RefusalSearch says. Nothing is
// given up for age or number of attempts.
//
// Thread: one delivery thread, all of it. pump() makes whatever progress is possible now; wake_at
// says when to call it again.
#pragma once

#include <memory>
#include <random>
#include <string>

#include "delivery/alarm.h"
#include "delivery/answer_handler.h"
#include "delivery/dead_letter_writer.h"
#include "delivery/entry_sources.h"
#include "delivery/entry_window.h"
#include "delivery/event_splitter.h"
#include "delivery/large_entries.h"
#include "delivery/misplaced_aggregates.h"
#include "delivery/overflow.h"
#include "delivery/overflow_mover.h"
#include "delivery/owner_post.h"
#include "delivery/packer.h"
#include "delivery/queue_taker.h"
#include "delivery/record_maker.h"
#include "delivery/record_queuer.h"
#include "delivery/refusal_search.h"
#include "delivery/rejected_requests.h"
#include "delivery/repacker.h"
#include "delivery/request_assembler.h"
#include "delivery/request_filler.h"
#include "delivery/request_queue.h"
#include "delivery/request_room.h"
#include "delivery/request_settings.h"
#include "delivery/retry_queue.h"
#include "delivery/sender_options.h"
#include "delivery/shard_selector.h"
#include "delivery/stream_pause.h"

namespace penstock::delivery {

class StreamSender {
 public:
  StreamSender(spool::StreamLog& log, SenderOptions options, SenderServices services);
  ~StreamSender();
  StreamSender(const StreamSender&) = delete;
  StreamSender& operator=(const StreamSender&) = delete;

  void pump();
  // For the records made from now on; those that were made keep their key, order and form.
  void reconfigure(SenderOptions options);
  // There are new ones: a stream that is paused for its credentials is asked at once.
  void credentials_renewed();
  // What the service says of the stream: the largest record; the open shards (nullptr: it does not
  // say).
  void limit_records(size_t record_bytes_max);
  void set_shards(std::shared_ptr<const kinesis::ShardMap> shards);
  // Whether set_shards() follows each call of SenderServices::shards_changed, and, at the start,
  // without one. Not so before this is called.
  void expect_shards(bool are_expected);

  // No event was read that is not final, no request is in flight.
  [[nodiscard]] bool is_idle() const { return window_.events() == 0 && requests_.in_flight() == 0; }
  // Why nothing is let through, for status and alerts. Empty: it flows.
  [[nodiscard]] const std::string& paused_because() const { return search_.reason(); }
  // The service says that there is no such stream.
  [[nodiscard]] bool is_missing() const { return pause_.is_missing(); }

 private:
  void send_filled();
  void send(RequestAttempt attempt);
  void send_due();
  void send_new();
  void try_others();
  void make_way_for_others();
  void move_to_overflow();

  spool::StreamLog& log_;
  SenderOptions options_;  // in force; parts refer to them
  const SenderServices services_;
  const memory::MemoryBudget::Member member_;
  std::mt19937_64 seeds_;
  OwnerPost post_;
  Alarm alarm_;

  // Each has a state of its own, and uses only parts that stand before it.
  EntryWindow window_;
  RequestSettings settings_;
  RequestAssembler assembler_;
  Packer packer_;
  EventSplitters splitters_;
  RetryQueue retry_;
  RequestQueue requests_;
  RefusalSearch search_;
  ShardSelector selector_;
  MisplacedAggregates misplaced_;
  Overflow overflow_;
  StreamPause pause_;
  DeadLetterWriter dead_letters_;
  EntrySources sources_;
  LargeEntries large_;
  OverflowMover mover_;
  RecordQueuer queuer_;
  Repacker repacker_;
  RecordMaker maker_;
  RequestRoom room_;
  QueueTaker taker_;
  RequestFiller filler_;
  RejectedRequests rejected_;
  AnswerHandler answers_;
};

}  // namespace penstock::delivery
