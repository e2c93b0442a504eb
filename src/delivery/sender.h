// Sender: empties one log of the spool into one stream. Reads entries in order, encodes each event
// into the body of the request that will carry it, keeps a window of requests in flight, sends
// failed records again alone and for as long as it takes, and releases entries whose events are all
// final.
//
//   entries ── Packer ──► records ── RequestBuilder ──► Flight ── PutPort ──► answer
//                ▲  │                     ▲                                      │
//                │  └─► RecordQueue ──────┴─────────────── failed, due later ◄───┤
//                └─ window full: stops reading                 events final ◄────┘
//
// Which shard a record goes to, and whether that shard takes it now, Placement tells: a throttled
// shard holds back only its own records.
//
// Records that can go nowhere but to a shard that takes nothing wait in the queue; when enough of
// them do, what else comes for it is set aside (event_tracker.h) and its entries are put down: the
// log is read on for the others, and again when the shard takes something (catch_up.h).
//
// A request that is refused as a whole is searched by halves for the record at fault; that record
// goes to the dead letters only if the stream accepts others meanwhile, else the stream is held and
// asked again every 30 to 60 s. Nothing is given up for age or number of tries.
//
// Thread: one delivery thread, all of it. pump() makes whatever progress is possible now; wake_at
// says when to call it again.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>

#include "delivery/catch_up.h"
#include "delivery/event_tracker.h"
#include "delivery/outgoing.h"
#include "delivery/packer.h"
#include "delivery/placement.h"
#include "delivery/put_port.h"
#include "delivery/record_queue.h"
#include "memory/memory_budget.h"
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
  size_t window_bytes_max = 32_MiB;  // of entries that are read and not final
  // Of records that wait outside of requests; at this it stops reading.
  size_t queue_bytes_max = 4_MiB;
  // What memory allows, however large a record the stream takes.
  size_t request_bytes_max = kinesis_format::kPutRecordsBytesMax;
  uint64_t random_seed = 0;  // 0: a random one; else for runs that can be repeated
};

// What a sender works with. All of it outlives it.
struct SenderServices {
  spool::Spool& spool;
  record::Ledger& ledger;
  memory::MemoryBudget& memory;  // for request bodies; each sender a member
  metrics::Metrics& metrics;
  PutPort& port;
  const Clock& clock;
  std::function<void(std::function<void()>)> post;  // onto the delivery thread, from any
  std::function<void(SteadyTime)> wake_at;          // calls pump() then, or earlier
  // Records went elsewhere than set_shards() said, or were throttled before it said anything.
  // Optional; may be called often; keep it short.
  std::function<void()> shards_changed = {};
};

class Sender {
 public:
  Sender(spool::StreamLog& log, SenderOptions options, SenderServices services);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void pump();
  // For the records read from now on.
  void reconfigure(SenderOptions options);
  // There are new ones: a stream that is held for its credentials is asked again at once.
  void credentials_renewed();
  // What the service says of the stream: the largest record; the open shards (nullptr: it does not
  // say).
  void limit_records(size_t record_bytes_max);
  void set_shards(std::shared_ptr<const kinesis::ShardMap> shards);

  [[nodiscard]] const std::string& stream() const { return options_.stream; }
  [[nodiscard]] spool::StreamLog& log() { return log_; }
  // Nothing read that is not final, nothing in flight.
  [[nodiscard]] bool idle() const { return tracker_.events() == 0 && in_flight_ == 0; }
  // Since when nothing is let through, and why; for status and alerts. Empty: it flows.
  [[nodiscard]] const std::string& held_because() const { return held_because_; }
  // The service says that there is no such stream.
  [[nodiscard]] bool is_missing() const { return held_because_ == "ResourceNotFoundException"; }

 private:
  enum class Fill : uint8_t { more_to_come, dry };

  // Filling a request (sender.cc).
  Fill fill(SteadyTime now);
  Fill fill_request(SteadyTime now);
  bool add_waiting(SteadyTime now);
  bool add_packed(SteadyTime now);
  [[nodiscard]] bool respread(Waiting& record, SteadyTime now);
  [[nodiscard]] Packing packing(SteadyTime now);
  bool close_stuck_aggregates(SteadyTime now);
  [[nodiscard]] bool queue_has_room();
  void apply_limits();
  bool open_next_entry(SteadyTime now);
  bool open_new(SteadyTime now);
  void entry_done(SteadyTime now);
  bool room_for_more();
  void begin_request(SteadyTime now);
  [[nodiscard]] bool should_send(SteadyTime now) const;
  void send_filled(SteadyTime now);
  static void seal_aggregates(Flight& flight);
  void try_others(SteadyTime now);
  void send(Flight flight);
  void resend_due(SteadyTime now);
  void next_wake(SteadyTime when);

  // Answers (sender_answers.cc).
  void answered(Flight flight, PutResult result);
  void settle_entries(Flight& flight, const PutResult& result);
  [[nodiscard]] bool completes(const RecordNote& note);
  void settle_spans(const RecordNote& note);
  void retry_whole(Flight flight, const PutResult& result);
  void hold(Flight flight, const PutResult& result);
  void hold_stream(const PutResult& result);
  void search(Flight flight, const PutResult& result);
  void split_in_two(Flight flight, bool is_probe, std::deque<Flight>& into);
  void rebuild_as_json(Flight flight);
  void put_back(Waiting waiting);
  void learn(const Flight& flight, const PutResult& result, SteadyTime now);
  [[nodiscard]] Waiting take_out(const Flight& flight, size_t slot);

  // What is behind (sender_behind.cc).
  [[nodiscard]] bool may_set_aside() const;
  [[nodiscard]] Slices open_slices() const;
  bool open_behind(SteadyTime now);
  bool put_down_some();
  void take_again();
  void drop_oldest_aside();

  // Bad records (sender_refused.cc).
  void refused_alone(Waiting record, const PutResult& result);
  [[nodiscard]] Flight alone_in_a_flight(Waiting record);
  [[nodiscard]] kinesis_format::RequestBuilder::Options limitless() const;
  void judge_suspects();
  // A record that cannot stay as it is.
  struct Condemned {
    Waiting record;
    std::string code;        // why it was refused, alone
    bool too_large = false;  // the limit was lowered: for what it has become
  };
  void condemn(Condemned condemned);
  void condemn_at_once(Condemned condemned);
  void condemn_waiting();
  bool has_entries_of(const RecordNote& note);
  void unpin_entries_of(const RecordNote& note);
  void drop_damaged(const EventSpan& span);
  void dissolve(Waiting record);
  void dead_letter(const EventSpan& span, std::string_view reason, std::string_view detail);
  void count_request(const PutResult& result, size_t records);

  spool::StreamLog& log_;
  SenderOptions options_;
  SenderServices services_;
  const memory::MemoryBudget::Member member_;
  const bool log_rereads_;  // what waits for long may be put down
  EventTracker tracker_;
  Packer packer_;
  std::mt19937_64 random_;
  Placement placement_;

  kinesis_format::RequestBuilder builder_;
  std::vector<RecordNote> notes_;  // of the records in builder_
  memory::MemoryLease building_lease_;
  SteadyTime building_since_{};
  bool request_full_ = false;
  bool unsealed_ = false;           // aggregates in builder_ have no digest yet
  bool limits_changed_ = false;     // the next request has other options
  size_t stream_record_bytes_ = 0;  // what the service said; 0: nothing
  bool memory_awaited_ = false;
  std::optional<kinesis_format::Request> spare_;  // a spent request, for its memory

  CatchUp catch_up_;
  uint32_t caught_up_in_row_ = 0;  // entries gone through again, since one was opened
  uint32_t set_aside_in_row_ = 0;  // entries opened of which nothing could go
  SteadyTime open_next_at_{};

  RecordQueue queue_;
  memory::MemoryLease queue_lease_;  // for the records in it and in open aggregates, and the books
  size_t books_ = 0;                 // the tracker's, when there is anything beside the window
  std::deque<Flight> again_;         // whole requests to be sent again
  std::deque<Flight> probes_;        // the search for a bad record, one at a time
  std::deque<std::pair<Waiting, std::string>> suspects_;  // refused alone, with the service's code
  // Is to be condemned when its entries, which were put down, are in memory again.
  std::deque<Condemned> condemned_;
  std::unordered_map<uint64_t, uint32_t> parts_left_;  // of split events, by RecordNote::split
  uint32_t in_flight_ = 0;
  uint32_t in_flight_allowed_;
  bool probe_in_flight_ = false;
  uint64_t dead_letters_pending_ = 0;

  SteadyTime held_until_{};
  std::string held_because_;
  bool held_for_credentials_ = false;
  bool trial_due_ = false;  // after the hold other records are tried, too
  SteadyTime search_began_{};
  SteadyTime last_accepted_{};
  SteadyTime next_wake_ = SteadyTime::max();
  std::shared_ptr<Sender*> self_;  // null once this is gone: for callbacks that come later
};

}  // namespace penstock::delivery
