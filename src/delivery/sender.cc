#include "delivery/sender.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"

namespace penstock::delivery {
namespace {

// A request's memory is borrowed in steps of about its present size.
constexpr size_t kFirstLoan = 256_KiB;
// Entries gone through again before a new one is opened: so what is behind comes nearer though the
// log goes on.
constexpr uint32_t kCaughtUpInRow = 4;
constexpr auto kMemoryRetry = milliseconds(100);
// Keys, notes and framing beside the data, and what a growing buffer is ahead.
[[nodiscard]] size_t memory_for(size_t counted_bytes) {
  return counted_bytes + counted_bytes / 2 + 64_KiB;
}

}  // namespace

Sender::Sender(spool::StreamLog& log, SenderOptions options, SenderServices services)
    : log_(log),
      options_(std::move(options)),
      services_(std::move(services)),
      member_(services_.memory.join()),
      log_rereads_(log.can_read_again()),
      tracker_(log),
      packer_(options_.packer),
      random_(options_.random_seed != 0 ? options_.random_seed : std::random_device{}()),
      placement_(random_()),
      builder_(options_.request),
      in_flight_allowed_(options_.requests_in_flight_max),
      self_(std::make_shared<Sender*>(this)) {
  apply_limits();
  log_.on_readable([post = services_.post, weak = std::weak_ptr(self_)] {
    post([weak] {
      if (const auto self = weak.lock(); self && *self) (*self)->pump();
    });
  });
}

Sender::~Sender() {
  log_.on_readable(nullptr);
  *self_ = nullptr;
}

void Sender::next_wake(SteadyTime when) { next_wake_ = std::min(next_wake_, when); }

void Sender::pump() {
  const SteadyTime now = services_.clock.steady();
  next_wake_ = SteadyTime::max();
  placement_.look(now);
  if (log_rereads_) take_again();
  if (now < held_until_) {
    next_wake(held_until_);
  } else {
    judge_suspects();
    if (trial_due_) try_others(now);
    resend_due(now);
    while (in_flight_ < in_flight_allowed_ && held_because_.empty()) {
      if (fill(now) == Fill::dry && builder_.empty()) break;
      if (builder_.empty()) break;
      if (!should_send(now)) {
        next_wake(building_since_ + options_.flush_interval);
        break;
      }
      send_filled(now);
    }
  }
  if (builder_.empty() && in_flight_ == 0) {
    // Nothing to do: nothing is held.
    building_lease_.release();
    spare_.reset();
  }
  if (!tracker_.any_behind()) books_ = 0;
  if (queue_lease_ && queue_.count() == 0 && !packer_.has_open_aggregates() && books_ == 0) {
    queue_lease_.release();
  }
  if (next_wake_ != SteadyTime::max()) services_.wake_at(next_wake_);
}

// A stream that is held because it refuses records may refuse only those: others show it.
void Sender::try_others(SteadyTime now) {
  (void)fill(now);
  trial_due_ = false;
  if (!builder_.empty()) send_filled(now);
}

bool Sender::should_send(SteadyTime now) const {
  return request_full_ || in_flight_ == 0 || now - building_since_ >= options_.flush_interval;
}

Packing Sender::packing(SteadyTime now) {
  return {builder_,     notes_,   queue_,    placement_,
          parts_left_,  tracker_, catch_up_, options_.queue_bytes_max,
          log_rereads_, now};
}

// Fills the request as far as there is something to fill it with.
Sender::Fill Sender::fill(SteadyTime now) {
  packer_.close_older_than(options_.flush_interval, packing(now));
  const Fill filled = fill_request(now);
  if (packer_.has_open_aggregates()) next_wake(packer_.oldest_since() + options_.flush_interval);
  return filled;
}

Sender::Fill Sender::fill_request(SteadyTime now) {
  while (!request_full_) {
    if (!room_for_more()) return Fill::more_to_come;
    if (add_waiting(now)) continue;
    if (request_full_) break;
    if (!queue_has_room()) return Fill::dry;
    if (!packer_.has_entry() && !open_next_entry(now)) {
      if (!close_stuck_aggregates(now)) return Fill::dry;
      continue;
    }
    if (builder_.empty()) begin_request(now);
    if (!add_packed(now)) return Fill::dry;
  }
  return Fill::more_to_come;
}

// A full window that only open aggregates keep full would wait for their time.
bool Sender::close_stuck_aggregates(SteadyTime now) {
  const bool is_stuck = tracker_.bytes() >= options_.window_bytes_max && in_flight_ == 0;
  if (!is_stuck || !packer_.has_open_aggregates()) return false;
  packer_.close_all(packing(now));
  return true;
}

// Whether more may be put into the queue; takes the memory for what is in it.
bool Sender::queue_has_room() {
  constexpr size_t kStep = 256_KiB;
  const size_t bytes = queue_.bytes() + packer_.memory_bytes() + books_;
  // All of the queue may be behind one suspect: its judgement takes a record from beyond.
  const size_t bytes_max = trial_due_ ? 2 * options_.queue_bytes_max : options_.queue_bytes_max;
  const bool has_room = queue_.bytes() < bytes_max || may_set_aside();
  if (bytes <= queue_lease_.bytes()) return has_room;
  const size_t wanted = (bytes / kStep + 1) * kStep;
  if (queue_lease_) {
    if (services_.memory.try_resize(queue_lease_, wanted)) return has_room;
  } else {
    queue_lease_ = services_.memory.try_acquire(wanted, member_);
    if (queue_lease_) return has_room;
  }
  // Without records that wait there may be none whose answer pumps again.
  if (books_ > 0) next_wake(services_.clock.steady() + kMemoryRetry);
  return queue_.count() == 0;
}

void Sender::begin_request(SteadyTime now) {
  building_since_ = now;
  if (!spare_) return;
  const size_t bytes = std::max(building_lease_.bytes(), spare_->memory_bytes());
  if (building_lease_ && services_.memory.try_resize(building_lease_, bytes)) {
    builder_.reuse(std::move(*spare_));
  }
  spare_.reset();
}

// Memory for a little more than the request has now. Without any request under way it is waited
// for, else what there is goes out first.
bool Sender::room_for_more() {
  const size_t wanted = std::max(memory_for(builder_.counted_bytes() + 64_KiB), kFirstLoan);
  if (building_lease_.bytes() >= wanted) return true;
  const size_t bytes = wanted + wanted / 2;
  if (building_lease_) {
    if (services_.memory.try_resize(building_lease_, bytes)) return true;
    request_full_ = !builder_.empty();
    return request_full_;
  }
  building_lease_ = services_.memory.try_acquire(bytes, member_);
  if (building_lease_) return true;
  if (in_flight_ > 0 || memory_awaited_) return false;  // an answer, or the grant, pumps again
  memory_awaited_ = true;
  // What waits in the queue must not stand in the way of the request that would carry it.
  queue_lease_.release();
  services_.memory.acquire(
      bytes,
      [post = services_.post, weak = std::weak_ptr(self_)](memory::MemoryLease lease) {
        auto granted = std::make_shared<memory::MemoryLease>(std::move(lease));
        post([weak, granted] {
          const auto self = weak.lock();
          if (!self || *self == nullptr) return;
          (*self)->memory_awaited_ = false;
          (*self)->building_lease_ = std::move(*granted);
          (*self)->pump();
        });
      },
      member_);
  return false;
}

// Another shard for a record whose key is ours to choose; false: none takes it now.
bool Sender::respread(Waiting& record, SteadyTime now) {
  if (!record.note.anywhere || !placement_.steering()) return true;
  if (placement_.ready_at(record.note.shard, now) <= now && record.note.tries == 0) return true;
  const auto spot = placement_.spread(now);
  if (!spot) {
    next_wake(placement_.ready_again());
    return false;
  }
  record.hash_key = spot->hash_key;
  record.note.shard = spot->shard;
  return true;
}

// The next record of the queue that may go; false when there is none.
bool Sender::add_waiting(SteadyTime now) {
  while (Waiting* const next = queue_.next(now, placement_)) {
    if (!respread(*next, now)) return false;
    if (builder_.empty()) begin_request(now);
    if (next->note.unsealed && builder_.options().protocol == kinesis_format::Protocol::json) {
      const std::span<uint8_t> record(next->data.data(), next->data.size());
      kinesis_format::seal({&record, 1});  // as base64 it can no longer be changed
      next->note.unsealed = false;
    }
    const kinesis_format::RecordKey key{next->partition_key, next->hash_key};
    switch (builder_.add_record(next->data.view(), key, notes_.size())) {
      case kinesis_format::AddOutcome::request_full:
        request_full_ = true;
        return false;
      case kinesis_format::AddOutcome::record_too_large:
        // The stream's limit was lowered since it was packed: the service would refuse it.
        condemn({queue_.take(), {}, true});
        continue;
      case kinesis_format::AddOutcome::added: {
        Waiting record = queue_.take();
        placement_.sent(record.note.shard, record.data.size(), now);
        unsealed_ |= record.note.unsealed;
        notes_.push_back(std::move(record.note));
        request_full_ = builder_.full() || builder_.counted_bytes() >= options_.flush_bytes;
        return true;
      }
    }
  }
  if (queue_.count() > 0 && queue_.quiet_until() != SteadyTime::max()) {
    next_wake(queue_.quiet_until());
  }
  return false;
}

// The next event; false when nothing can go on before next_wake_.
bool Sender::add_packed(SteadyTime now) {
  switch (packer_.pack(packing(now))) {
    case Packer::Outcome::added:
      request_full_ = builder_.full() || builder_.counted_bytes() >= options_.flush_bytes;
      return true;
    case Packer::Outcome::aside:
      return true;
    case Packer::Outcome::entry_done:
      entry_done(now);
      return true;
    case Packer::Outcome::request_full:
      request_full_ = true;
      return true;
    case Packer::Outcome::paced:
      next_wake(placement_.ready_again());
      return false;
    case Packer::Outcome::given_up:
      dead_letter(packer_.given_up().span, packer_.given_up().reason, packer_.given_up().message);
      return true;
  }
  return false;
}

// What is behind goes first, but what is new has its turns, too.
bool Sender::open_next_entry(SteadyTime now) {
  const bool in_turn = caught_up_in_row_ < kCaughtUpInRow;
  return (in_turn && open_behind(now)) || open_new(now) || (!in_turn && open_behind(now));
}

bool Sender::open_new(SteadyTime now) {
  if (now < open_next_at_) {
    next_wake(open_next_at_);
    return false;
  }
  if (tracker_.bytes() >= options_.window_bytes_max && !put_down_some()) return false;
  if (books_ >= options_.queue_bytes_max / 2) return false;
  std::optional<spool::Entry> entry = log_.read();
  if (!entry) {
    // What is put down makes room for what comes next; its coming wakes us.
    if (log_.wants_room()) (void)put_down_some();
    return false;
  }
  caught_up_in_row_ = 0;
  const uint64_t ticket = tracker_.open(std::move(*entry));
  packer_.begin(ticket, tracker_.entry(ticket));
  return true;
}

void Sender::send_filled(SteadyTime) {
  Flight flight;
  flight.request = builder_.take();
  if (limits_changed_) {
    limits_changed_ = false;
    builder_.reconfigure(options_.request);
  }
  flight.notes = std::move(notes_);
  notes_.clear();
  notes_.reserve(flight.notes.size());
  flight.lease = std::move(building_lease_);
  flight.lease.shrink(flight.request.memory_bytes());
  request_full_ = false;
  if (std::exchange(unsealed_, false)) seal_aggregates(flight);
  send(std::move(flight));
}

// All at once, which is faster than each when it is full.
void Sender::seal_aggregates(Flight& flight) {
  std::vector<std::span<uint8_t>> unsealed;
  for (size_t slot = 0; slot < flight.request.slots().size(); ++slot) {
    RecordNote& note = flight.notes[flight.request.slots()[slot].cookie];
    if (!std::exchange(note.unsealed, false)) continue;
    unsealed.push_back(flight.request.data_in_place(slot));
  }
  kinesis_format::seal(unsealed);
}

void Sender::send(Flight flight) {
  ++in_flight_;
  if (flight.is_probe) probe_in_flight_ = true;
  auto kept = std::make_shared<Flight>(std::move(flight));
  kinesis_format::Request request = std::move(kept->request);
  services_.port.put(std::move(request), [weak = std::weak_ptr(self_), kept](
                                             PutResult result, kinesis_format::Request returned) {
    const auto self = weak.lock();
    if (!self || *self == nullptr) return;
    kept->request = std::move(returned);
    (*self)->answered(std::move(*kept), std::move(result));
    (*self)->pump();
  });
}

// Whole requests whose time has come, and the next step of the search for a bad record.
void Sender::resend_due(SteadyTime now) {
  for (size_t i = again_.size(); i > 0 && in_flight_ < in_flight_allowed_; --i) {
    Flight flight = std::move(again_.front());
    again_.pop_front();
    // One request at a time asks whether the stream is still to be held: its answer pumps.
    const bool is_asking = !held_because_.empty() && in_flight_ > 0;
    if (flight.due > now || is_asking) {
      if (!is_asking) next_wake(flight.due);
      again_.push_back(std::move(flight));
      continue;
    }
    send(std::move(flight));
  }
  if (!probe_in_flight_ && !probes_.empty() && in_flight_ < in_flight_allowed_) {
    if (probes_.front().due > now) {
      next_wake(probes_.front().due);
      return;
    }
    Flight probe = std::move(probes_.front());
    probes_.pop_front();
    send(std::move(probe));
  }
}

void Sender::reconfigure(SenderOptions options) {
  options_ = std::move(options);
  in_flight_allowed_ = options_.requests_in_flight_max;
  packer_.close_all(packing(services_.clock.steady()));
  packer_.reconfigure(options_.packer);
  apply_limits();
}

void Sender::limit_records(size_t record_bytes_max) {
  stream_record_bytes_ = record_bytes_max;
  apply_limits();
}

// A record may be as large as the stream takes and a request of ours can be.
void Sender::apply_limits() {
  kinesis_format::RequestBuilder::Options& request = options_.request;
  if (stream_record_bytes_ > 0 && request.service == kinesis_format::Service::kinesis) {
    request.request_bytes_max =
        std::min({std::max(request.request_bytes_max, stream_record_bytes_ + 64_KiB),
                  options_.request_bytes_max, kinesis_format::kPutRecordsBytesMax});
    request.record_bytes_max = stream_record_bytes_;
  }
  limits_changed_ = !builder_.empty();
  if (!limits_changed_) builder_.reconfigure(request);
  const size_t record_max = std::min(request.record_bytes_max, request.request_bytes_max);
  packer_.close_all(packing(services_.clock.steady()));
  packer_.limit_records(record_max);
}

void Sender::set_shards(std::shared_ptr<const kinesis::ShardMap> shards) {
  placement_.set_shards(std::move(shards));
}

}  // namespace penstock::delivery
