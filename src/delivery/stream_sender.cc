#include "delivery/stream_sender.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {
namespace {

// Entries of overflow logs that are opened before one of the main log: so what was deferred comes
// nearer though the main log goes on.
constexpr uint32_t kOverflowInRow = 4;
// Of entries of one overflow log that are read and not final.
constexpr size_t kOverflowWindow = 1_MiB;
constexpr auto kMemoryRetry = milliseconds(100);

RequestAssembler::Options assembler_options(const SenderOptions& options) {
  return {options.request, options.flush_bytes, options.request_bytes_max};
}

}  // namespace

StreamSender::StreamSender(spool::StreamLog& log, SenderOptions options, SenderServices services)
    : log_(log),
      options_(std::move(options)),
      services_(std::move(services)),
      member_(services_.memory.join()),
      random_(options_.random_seed != 0 ? options_.random_seed : std::random_device{}()),
      assembler_(assembler_options(options_), services_.memory, member_),
      packer_(options_.packer, assembler_.record_bytes_max()),
      splitter_(window_, {services_.memory, member_}),
      requests_(options_.requests_in_flight_max),
      selector_(random_()),
      overflow_(log, window_, {services_.memory, member_},
                {.post = services_.post, .stored = [this] { pump(); }}),
      queue_memory_(services_.memory, member_),
      self_(std::make_shared<StreamSender*>(this)) {
  log_.on_readable([post = services_.post, weak = std::weak_ptr(self_)] {
    post([weak] {
      if (const auto self = weak.lock(); self && *self) (*self)->pump();
    });
  });
}

StreamSender::~StreamSender() {
  log_.on_readable(nullptr);
  *self_ = nullptr;
}

void StreamSender::pump() {
  const SteadyTime now = services_.clock.steady();
  next_wake_ = SteadyTime::max();
  selector_.refresh(now);
  if (search_.is_paused() && now < search_.paused_until()) {
    wake_by(search_.paused_until());
  } else {
    if (search_.wants_others()) try_others(now);
    send_due(now);
    while (requests_.has_slot() && !search_.is_paused()) {
      (void)fill(now);
      if (assembler_.empty()) break;
      const bool is_due = assembler_.is_full() || requests_.in_flight() == 0 ||
                          now - assembler_.since() >= options_.flush_interval;
      if (!is_due) {
        wake_by(assembler_.since() + options_.flush_interval);
        break;
      }
      send_filled();
    }
  }
  move_to_overflow(now);
  look_after_large(now);
  splitter_.rest();
  if (assembler_.empty() && requests_.in_flight() == 0) assembler_.release_memory();
  if (retry_.count() == 0 && !packer_.oldest_since()) queue_memory_.release();
  if (next_wake_ != SteadyTime::max()) services_.wake_at(next_wake_);
}

// Fills the request as far as there is something to fill it with; false: there is no more now.
bool StreamSender::fill(SteadyTime now) {
  close_aggregates(options_.flush_interval, now);
  const bool is_full = fill_request(now);
  if (const auto since = packer_.oldest_since()) wake_by(*since + options_.flush_interval);
  return is_full;
}

bool StreamSender::fill_request(SteadyTime now) {
  blocked_.reset();
  needed_ = 0;
  while (!assembler_.is_full()) {
    if (!make_room(std::exchange(needed_, 0))) return false;
    if (assembler_.is_full()) break;
    if (add_queued(now)) continue;
    if (assembler_.is_full()) break;
    if (!may_queue_more()) return false;
    if (repack_misplaced(now)) continue;
    if (misplaced_.is_full()) return false;
    const std::optional<size_t> source = next_source(now);
    if (!source) {
      if (close_stuck_aggregates(now)) continue;
      overflow_for_room(now);
      return false;
    }
    switch (pack_next(*source, now)) {
      case Step::done:
      case Step::no_memory:     // make_room() with needed_
      case Step::request_full:  // the assembler knows
        break;
      case Step::blocked:
        blocked_.set(*source);
        break;
    }
  }
  return true;
}

// False: nothing can be added before memory comes.
bool StreamSender::make_room(size_t data_bytes) {
  switch (assembler_.make_room(data_bytes, services_.clock.steady())) {
    case RequestAssembler::Room::ready:
    case RequestAssembler::Room::request_full:
      return true;
    case RequestAssembler::Room::no_memory:
      break;
  }
  // An answer, or the grant, pumps again.
  if (requests_.in_flight() == 0) await_memory(assembler_.first_bytes(data_bytes));
  return false;
}

void StreamSender::await_memory(size_t bytes) {
  if (memory_awaited_) return;
  memory_awaited_ = true;
  // What waits in the queue must not stand in the way of the request that would carry it.
  queue_memory_.release();
  services_.memory.acquire(
      std::min(bytes, services_.memory.loan_max()),
      [post = services_.post, weak = std::weak_ptr(self_)](memory::MemoryLease lease) {
        auto granted = std::make_shared<memory::MemoryLease>(std::move(lease));
        post([weak, granted] {
          const auto self = weak.lock();
          if (!self || *self == nullptr) return;
          (*self)->memory_awaited_ = false;
          (*self)->assembler_.adopt(std::move(*granted));
          (*self)->pump();
        });
      },
      member_);
}

// Whether more records may be made that perhaps wait; takes the memory for those that do.
bool StreamSender::may_queue_more() {
  // All of the queue may be behind one suspect: its retest takes a record from beyond.
  const size_t bytes_max =
      search_.wants_others() ? 2 * options_.queue_bytes_max : options_.queue_bytes_max;
  const bool has_room = retry_.bytes() < bytes_max || watches_shards();
  if (queue_memory_.ensure(retry_.bytes() + packer_.memory_bytes())) return has_room;
  if (retry_.count() == 0) return true;
  wake_by(services_.clock.steady() + kMemoryRetry);
  return false;
}

// An aggregate makes many records: one at a time, as the queue has room.
bool StreamSender::repack_misplaced(SteadyTime now) {
  if (!misplaced_.has_misplaced() || retry_.bytes() >= options_.queue_bytes_max) return false;
  QueuedRecord aggregate;
  aggregate.meta = misplaced_.take();
  repack(std::move(aggregate), now);
  return true;
}

// Another shard for a record whose key is ours to choose; false: none takes it now.
bool StreamSender::choose_again(QueuedRecord& record, SteadyTime now) {
  if (!record.meta.any_shard || !selector_.chooses_keys()) return true;
  const bool is_ready = selector_.ready_at(record.meta.shard, now) <= now;
  if (is_ready && record.meta.attempts == 0) return true;
  const auto choice = selector_.pick_shard(now);
  if (!choice) {
    wake_by(selector_.ready_again());
    return false;
  }
  record.hash_key = choice->hash_key;
  record.meta.shard = choice->shard;
  return true;
}

// The next record of the queue that may go; false when there is none.
bool StreamSender::add_queued(SteadyTime now) {
  while (QueuedRecord* const next = retry_.next(now, selector_)) {
    if (is_abandoned(next->meta)) {
      const QueuedRecord dead = retry_.take();  // its event goes another way
      if (dead.meta.order_key != 0) retry_.done(dead.meta.order_key);
      continue;
    }
    if (!choose_again(*next, now)) return false;
    if (next->data.size() > assembler_.data_bytes_paid() &&
        (!make_room(next->data.size()) || assembler_.is_full())) {
      return false;
    }
    switch (assembler_.add(*next, now)) {
      case kinesis_format::AddOutcome::request_full:
        return false;
      case kinesis_format::AddOutcome::record_too_large:
        repack(retry_.take(), now);  // the stream's limit was lowered since it was made
        continue;
      case kinesis_format::AddOutcome::added: {
        QueuedRecord record = retry_.take();
        selector_.sent(record.meta.shard, record.data.size(), now);
        if (overflow_.is_active() && record.meta.order_key != 0) {
          overflow_.sent(bucket_of(kinesis_format::hash_key_of(record.partition_key)),
                         assembler_.number());
        }
        assembler_.describe(std::move(record.meta));
        return true;
      }
    }
  }
  if (retry_.count() > 0 && retry_.quiet_until() != SteadyTime::max()) {
    wake_by(retry_.quiet_until());
  }
  return false;
}

// The overflow logs go first, but the main log has its turns, too.
std::optional<size_t> StreamSender::next_source(SteadyTime now) {
  if (!blocked_.test(source_) && cursor(source_).is_open()) return source_;
  const auto open_overflow = [&] {
    for (size_t log = 0; log < overflow_.logs(); ++log) {
      if (blocked_.test(log)) continue;
      if (!overflow_.open_next(log, kOverflowWindow, may_open_large())) continue;
      note_large(overflow_.cursor(log).ticket(), now);
      if (!overflow_.has_turn(log)) continue;
      source_ = log;
      ++overflow_in_row_;
      return true;
    }
    return false;
  };
  if (overflow_in_row_ < kOverflowInRow && open_overflow()) return source_;
  if (!blocked_.test(kMain) && (main_cursor_.is_open() || open_main())) {
    source_ = kMain;
    overflow_in_row_ = 0;
    return source_;
  }
  if (open_overflow()) return source_;
  return std::nullopt;
}

bool StreamSender::open_main() {
  if (window_.bytes(log_) >= options_.window_bytes_max) {
    // All of the window may be suspects: their retest takes a record from beyond.
    const bool has_room =
        window_.bytes(log_) < 2 * options_.window_bytes_max || window_.entries(log_) <= 1;
    if (!search_.wants_others() || !has_room) return false;
  }
  if (log_.next_is_large() && !may_open_large()) return false;
  std::optional<spool::Entry> entry = log_.read();
  if (!entry) return false;
  const uint64_t ticket = window_.open(log_, std::move(*entry));
  main_cursor_.begin(ticket, window_.entry(ticket));
  note_large(ticket, services_.clock.steady());
  return true;
}

// A full window that only open aggregates keep full would wait for their time.
bool StreamSender::close_stuck_aggregates(SteadyTime now) {
  const bool is_stuck =
      window_.bytes(log_) >= options_.window_bytes_max && requests_.in_flight() == 0;
  if (!is_stuck || !packer_.oldest_since()) return false;
  close_aggregates(milliseconds(0), now);
  return true;
}

// What waits may be little, and yet keep so many entries from being final that nothing more can be
// read: then it goes to an overflow log, shard by shard.
void StreamSender::overflow_for_room(SteadyTime now) {
  const bool waits_for_others = requests_.in_flight() > 0 || !assembler_.empty();
  if (waits_for_others || retry_.count() == 0 || !watches_shards()) return;
  if (window_.bytes(log_) < options_.window_bytes_max && !log_.wants_room()) return;
  const kinesis::Shard* shard = nullptr;
  (void)retry_.find_if([&](const QueuedRecord& record) {
    if (record.meta.any_shard || record.hash_key || !is_of_main(record.meta)) return false;
    const kinesis::HashKey hash_key = kinesis_format::hash_key_of(record.partition_key);
    if (overflow_.is_occupied(bucket_of(hash_key))) return false;
    shard = selector_.shard_at(hash_key);
    return shard != nullptr;
  });
  if (shard != nullptr) begin_overflow(*shard, now);
}

void StreamSender::close_aggregates(milliseconds age, SteadyTime now) {
  packer_.close_older_than(age, now, made_);
  enqueue_made(now);
}

void StreamSender::send_filled() { send(assembler_.take()); }

void StreamSender::send(RequestAttempt attempt) {
  requests_.sent(attempt);
  auto kept = std::make_shared<RequestAttempt>(std::move(attempt));
  kinesis_format::Request request = std::move(kept->request);
  services_.port.put(std::move(request), [weak = std::weak_ptr(self_), kept](
                                             PutResult result, kinesis_format::Request returned) {
    const auto self = weak.lock();
    if (!self || *self == nullptr) return;
    kept->request = std::move(returned);
    (*self)->on_answer(std::move(*kept), std::move(result));
    (*self)->pump();
  });
}

// Whole requests whose time has come, and the next step of the search for a rejected record.
void StreamSender::send_due(SteadyTime now) {
  while (requests_.has_slot()) {
    // Of a paused stream one request at a time asks: its answer pumps.
    if (search_.is_paused() && requests_.in_flight() > 0) return;
    std::optional<RequestAttempt> attempt = requests_.take_due(now);
    if (!attempt) break;
    send(std::move(*attempt));
  }
  if (requests_.has_slot()) wake_by(requests_.next_due());
}

// After a pause for suspects: beside them goes something that shows whether it is the stream.
void StreamSender::try_others(SteadyTime now) {
  (void)fill(now);
  search_.others_tried();
  if (!assembler_.empty()) {
    send_filled();
  } else if (requests_.in_flight() == 0 && put_suspects_back(now)) {
    search_.resume();
  }
}

void StreamSender::retest_suspects(SteadyTime due) {
  for (QueuedRecord& suspect : requests_.take_suspects()) {
    RequestAttempt probe = request_of_one(std::move(suspect), assembler_.unlimited());
    probe.is_probe = true;
    probe.due = due;
    requests_.add_last(std::move(probe));
  }
  search_.retesting();
}

// What waits for shards that take nothing, once no request can bring back an older record.
void StreamSender::move_to_overflow(SteadyTime now) {
  if (!overflow_.is_active()) return;
  if (overflow_.has_closings() && requests_.has_only_suspects() && assembler_.empty()) {
    release_suspects(now);
  }
  const uint64_t filling = assembler_.empty() ? ~uint64_t{0} : assembler_.number();
  const uint64_t oldest =
      std::min({filling, requests_.oldest_open(), misplaced_.oldest_undecided()});
  for (const auto& closing : overflow_.ready_closings(oldest)) {
    close_aggregates(milliseconds(0), now);
    std::vector<QueuedRecord> waiting = retry_.take_if([&](const QueuedRecord& record) {
      const RecordMetadata& meta = record.meta;
      if (is_abandoned(meta)) return true;
      return !meta.any_shard && is_of_main(meta) &&
             closing.buckets.test(bucket_of(kinesis_format::hash_key_of(record.partition_key)));
    });
    for (RecordMetadata& meta : misplaced_.take_if([&](const auto& aggregate) {
           return aggregate.meta.order_key != 0 && is_of_main(aggregate.meta) &&
                  closing.buckets.test(bucket_of(aggregate.hash_key));
         })) {
      retry_.done(meta.order_key);
      waiting.emplace_back().meta = std::move(meta);
    }
    spill(std::move(waiting));
    overflow_.finish_closing(closing);
    selector_.open(closing.shard);
    wake_by(now);
  }
  overflow_.flush();
}

void StreamSender::reconfigure(SenderOptions options) {
  close_aggregates(milliseconds(0), services_.clock.steady());
  options_ = std::move(options);
  requests_.set_in_flight_max(options_.requests_in_flight_max);
  assembler_.configure(assembler_options(options_));
  packer_.configure(options_.packer, assembler_.record_bytes_max());
  splitter_.restart();
  decide_misplaced();
}

void StreamSender::limit_records(size_t record_bytes_max) {
  close_aggregates(milliseconds(0), services_.clock.steady());
  assembler_.limit_records(record_bytes_max);
  packer_.configure(options_.packer, assembler_.record_bytes_max());
}

void StreamSender::set_shards(std::shared_ptr<const kinesis::ShardMap> shards) {
  misplaced_.set_map(shards);
  selector_.set_shards(std::move(shards));
  decide_misplaced();
}

void StreamSender::expect_shards(bool are_expected) {
  misplaced_.expect_maps(are_expected);
  if (!are_expected) decide_misplaced();
}

void StreamSender::credentials_renewed() {
  const SteadyTime now = services_.clock.steady();
  if (!search_.on_new_credentials(now)) return;
  requests_.make_due(now);
  pump();
}

}  // namespace penstock::delivery
