// StreamSender: empties one log of the spool, and its overflow logs, into one stream. It wires the
// parts below together and decides nothing that one of them owns.
//
//   log ─► EntryWindow ─► EventCursor ─► Packer ─► RequestAssembler ─► RequestQueue ─► PutPort
//               ▲             │  │          │               ▲               │            │
//               │      Overflow  └ EventSplitter            │               │         answer
//               │                           └► RetryQueue ──┘               │            │
//               │                                  ▲  ShardSelector paces   │            │
//               └────── events final ──────────────┴─ records that failed ◄─┴────────────┘
//
// Which record a rejected request is rejected for, and when the stream is paused, RefusalSearch
// says. Nothing is given up for age or number of attempts.
//
// stream_sender.cc fills requests, stream_sender_pack.cc makes records, stream_sender_answers.cc
// handles answers, stream_sender_misplaced.cc misplaced aggregates, stream_sender_large.cc large
// entries.
//
// Thread: one delivery thread, all of it. pump() makes whatever progress is possible now; wake_at
// says when to call it again.
#pragma once

#include <bitset>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "delivery/entry_window.h"
#include "delivery/event_cursor.h"
#include "delivery/event_splitter.h"
#include "delivery/memory_share.h"
#include "delivery/misplaced_aggregates.h"
#include "delivery/overflow.h"
#include "delivery/packer.h"
#include "delivery/put_port.h"
#include "delivery/records.h"
#include "delivery/refusal_search.h"
#include "delivery/request_assembler.h"
#include "delivery/request_queue.h"
#include "delivery/retry_queue.h"
#include "delivery/shard_selector.h"
#include "kinesis/back_off.h"
#include "metrics/counter.h"
#include "record/ledger.h"
#include "spool/spool.h"

namespace penstock::delivery {

struct SenderOptions {
  std::string stream;  // configuration name
  PackerOptions packer;
  kinesis_format::RequestBuilder::Options request;
  milliseconds flush_interval{1'000};
  size_t flush_bytes = 5_MiB;
  uint32_t requests_in_flight_max = 16;
  size_t window_bytes_max = 32_MiB;  // of entries of the main log that are read and not final
  // Of records that wait outside of requests; at this no more are made that would wait, too.
  size_t queue_bytes_max = 4_MiB;
  // What memory allows, however large a record the stream takes.
  size_t request_bytes_max = kinesis_format::kPutRecordsBytesMax;
  // The service chooses the shards itself, as far as is known (RecordDistributionStrategy AUTO).
  bool keys_are_ignored = false;
  uint64_t random_seed = 0;  // 0: a random one; else for runs that can be repeated
};

// What a sender works with. All of it outlives it.
struct SenderServices {
  spool::Spool& spool;
  record::Ledger& ledger;
  memory::MemoryBudget& memory;  // each sender is a member
  metrics::Metrics& metrics;
  PutPort& port;
  const Clock& clock;
  std::function<void(std::function<void()>)> post;  // onto the delivery thread, from any
  std::function<void(SteadyTime)> wake_at;          // calls pump() then, or earlier
  // Records went elsewhere than set_shards() said, or were throttled before it said anything.
  // Optional; may be called often; keep it short.
  std::function<void()> shards_changed = {};
};

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
  [[nodiscard]] bool is_missing() const { return search_.is_paused() && is_missing_; }

 private:
  // Where events come from: an overflow log, or the main log.
  static constexpr size_t kMain = Overflow::kLogs;
  static constexpr size_t kSources = Overflow::kLogs + 1;
  enum class Step : uint8_t { done, blocked, request_full, no_memory };
  struct Target;
  // Details of dead letters.
  static constexpr std::string_view kTooLarge = "larger than the stream takes";
  static constexpr std::string_view kNoPayload =
      "the record has no text, number or boolean at data_key";

  // Filling requests (stream_sender.cc).
  bool fill(SteadyTime now);
  bool fill_request(SteadyTime now);
  bool make_room(size_t data_bytes);
  void await_memory(size_t bytes);
  [[nodiscard]] bool may_queue_more();
  bool add_queued(SteadyTime now);
  [[nodiscard]] bool choose_again(QueuedRecord& record, SteadyTime now);
  [[nodiscard]] std::optional<size_t> next_source(SteadyTime now);
  [[nodiscard]] bool open_main();
  bool close_stuck_aggregates(SteadyTime now);
  void overflow_for_room(SteadyTime now);
  void close_aggregates(milliseconds age, SteadyTime now);
  void send_filled();
  void send(RequestAttempt attempt);
  void send_due(SteadyTime now);
  void try_others(SteadyTime now);
  void retest_suspects(SteadyTime due);
  void move_to_overflow(SteadyTime now);
  bool repack_misplaced(SteadyTime now);
  // Large entries: one at a time, on memory that others may wait for.
  [[nodiscard]] bool may_open_large() const;
  void note_large(uint64_t ticket, SteadyTime now);
  void look_after_large(SteadyTime now);
  [[nodiscard]] bool give_back_large();
  // Its event was given back to its log, or is no longer split the same way.
  [[nodiscard]] bool is_abandoned(const RecordMetadata& meta) const;
  void wake_by(SteadyTime when) { next_wake_ = std::min(next_wake_, when); }

  // Making records (stream_sender_pack.cc).
  [[nodiscard]] EventCursor& cursor(size_t source);
  Step pack_next(size_t source, SteadyTime now);
  [[nodiscard]] bool watches_shards() const;
  [[nodiscard]] bool must_overflow(uint32_t shard, uint64_t order_key, SteadyTime now);
  void begin_overflow(const kinesis::Shard& shard, SteadyTime now);
  std::optional<Step> defer(const Event& event, kinesis::HashKey hash_key, uint64_t order_key,
                            SteadyTime now);
  Step pack_plain(EventCursor& cursor, const Event& event, Target target, SteadyTime now);
  Step pack_queued(EventCursor& cursor, const Event& event, const Target& target);
  Step pack_aggregated(EventCursor& cursor, const Event& event, Target target, SteadyTime now);
  [[nodiscard]] bool open_aggregate(uint64_t group, Target target, SteadyTime now);
  Step pack_oversized(EventCursor& cursor, const Event& event, const Target& target,
                      SteadyTime now);
  Step pack_part(EventCursor& cursor, const Event& event, SteadyTime now);
  void enqueue(QueuedRecord record, SteadyTime now);
  void enqueue_made(SteadyTime now);
  [[nodiscard]] bool is_of_main(const RecordMetadata& meta) const;
  void spill(std::vector<QueuedRecord> records);

  // Answers (stream_sender_answers.cc).
  void on_answer(RequestAttempt attempt, PutResult result);
  void settle(RequestAttempt& attempt, const PutResult& result);
  void learn(const RequestAttempt& attempt, const PutResult& result, SteadyTime now);
  void keep_misplaced(RequestAttempt& attempt, const PutResult& result);
  void decide_misplaced();
  [[nodiscard]] uint64_t count_delivered(RequestAttempt& attempt, const PutResult& result);
  void put_back(QueuedRecord record);
  void retry_whole(RequestAttempt attempt, const PutResult& result);
  void pause(RequestAttempt attempt, const PutResult& result);
  void pause_stream(const PutResult& result);
  void search(RequestAttempt attempt, const PutResult& result);
  void retry_halves(RequestAttempt attempt, bool are_probes);
  [[nodiscard]] bool put_suspects_back(SteadyTime now);
  void release_suspects(SteadyTime now);
  void retry_as_json(RequestAttempt attempt, PutResult result);
  void reject(QueuedRecord record, const std::string& code);
  void repack(QueuedRecord record, SteadyTime now);
  [[nodiscard]] std::deque<QueuedRecord> repack_events(const RecordMetadata& meta, SteadyTime now);
  void dead_letter(const EventSpan& event, std::string_view reason, std::string_view detail);
  void count_request(const PutResult& result, size_t records);

  spool::StreamLog& log_;
  SenderOptions options_;
  SenderServices services_;
  const memory::MemoryBudget::Member member_;
  std::mt19937_64 random_;

  EntryWindow window_;
  RequestAssembler assembler_;
  Packer packer_;
  EventSplitter splitter_;
  RetryQueue retry_;
  RequestQueue requests_;
  RefusalSearch search_;
  ShardSelector selector_;
  MisplacedAggregates misplaced_;
  Overflow overflow_;
  MemoryShare queue_memory_;  // of the records in retry_ and the aggregates in packer_

  EventCursor main_cursor_;
  size_t source_ = kMain;           // whose entry is being packed
  uint32_t overflow_in_row_ = 0;    // entries of overflow logs since one of the main log
  std::bitset<kSources> blocked_;   // in this pass of fill_request()
  size_t needed_ = 0;               // data bytes of the record that comes next, if it is large
  std::vector<QueuedRecord> made_;  // by the packer, for the queue
  // A large entry that was read and is not final.
  struct LargeEntry {
    uint64_t ticket = 0;
    SteadyTime progress{};    // when it was read, or a record of it was accepted last
    bool is_leaving = false;  // its event is being stored elsewhere
  };
  std::optional<LargeEntry> large_;
  // One was given back, and nothing has been accepted since: none is read.
  bool large_barred_ = false;

  bool memory_awaited_ = false;
  bool is_missing_ = false;
  SteadyTime next_wake_ = SteadyTime::max();
  std::shared_ptr<StreamSender*> self_;  // null once this is gone: for callbacks that come later
};

}  // namespace penstock::delivery
