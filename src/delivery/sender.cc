#include "delivery/sender.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"

namespace penstock::delivery {
namespace {

// A request's memory is borrowed in steps of about its present size.
constexpr size_t kFirstLoan = 256_KiB;
// Keys, notes and framing beside the data, and what a growing buffer is ahead.
[[nodiscard]] size_t memory_for(size_t counted_bytes) {
  return counted_bytes + counted_bytes / 2 + 64_KiB;
}

}  // namespace

Sender::Sender(spool::StreamLog& log, SenderOptions options, SenderServices services)
    : log_(log),
      options_(std::move(options)),
      services_(std::move(services)),
      tracker_(log),
      packer_(options_.packer),
      random_(std::random_device{}()),
      builder_(options_.request),
      in_flight_allowed_(options_.requests_in_flight_max),
      self_(std::make_shared<Sender*>(this)) {
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
  if (next_wake_ != SteadyTime::max()) services_.wake_at(next_wake_);
}

// A stream that is held because it refuses records may refuse only those: others show it.
void Sender::try_others(SteadyTime now) {
  trial_due_ = false;
  (void)fill(now);
  if (!builder_.empty()) send_filled(now);
}

bool Sender::should_send(SteadyTime now) const {
  return request_full_ || in_flight_ == 0 || now - building_since_ >= options_.flush_interval;
}

// Fills the request as far as there is something to fill it with.
Sender::Fill Sender::fill(SteadyTime now) {
  while (!request_full_) {
    if (!room_for_more()) return Fill::more_to_come;
    if (add_waiting(now)) continue;
    if (request_full_) break;
    if (!packer_.has_entry() && !open_next_entry()) return Fill::dry;
    if (builder_.empty()) begin_request(now);
    if (!add_packed()) return Fill::more_to_come;
  }
  return Fill::more_to_come;
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
  building_lease_ = services_.memory.try_acquire(bytes);
  if (building_lease_) return true;
  if (in_flight_ > 0 || memory_awaited_) return false;  // an answer, or the grant, pumps again
  memory_awaited_ = true;
  services_.memory.acquire(
      bytes, [post = services_.post, weak = std::weak_ptr(self_)](record::MemoryLease lease) {
        auto granted = std::make_shared<record::MemoryLease>(std::move(lease));
        post([weak, granted] {
          const auto self = weak.lock();
          if (!self || *self == nullptr) return;
          (*self)->memory_awaited_ = false;
          (*self)->building_lease_ = std::move(*granted);
          (*self)->pump();
        });
      });
  return false;
}

// The next failed or finished record that is due; false when there is none.
bool Sender::add_waiting(SteadyTime now) {
  while (!waiting_.empty()) {
    Waiting& next = waiting_.front();
    if (next.due > now) {
      next_wake(next.due);
      return false;
    }
    if (builder_.empty()) begin_request(now);
    const encode::RecordKey key{next.partition_key, next.hash_key};
    switch (builder_.add_record(next.data.view(), key, notes_.size())) {
      case encode::AddOutcome::request_full:
        request_full_ = true;
        return false;
      case encode::AddOutcome::record_too_large: {
        // The stream's limit was lowered since it was packed: the service would refuse it.
        Waiting record = std::move(next);
        waiting_.pop_front();
        dissolve(std::move(record));
        continue;
      }
      case encode::AddOutcome::added:
        notes_.push_back(std::move(next.note));
        waiting_.pop_front();
        request_full_ = builder_.full() || builder_.counted_bytes() >= options_.flush_bytes;
        return true;
    }
  }
  return false;
}

// The next event; false when nothing was added to the request.
bool Sender::add_packed() {
  switch (packer_.pack(builder_, notes_, waiting_)) {
    case Packer::Outcome::added:
      request_full_ = builder_.full() || builder_.counted_bytes() >= options_.flush_bytes;
      return true;
    case Packer::Outcome::aside:
    case Packer::Outcome::entry_done:
      return true;
    case Packer::Outcome::request_full:
      request_full_ = true;
      return !builder_.empty();
    case Packer::Outcome::oversized:
      dead_letter(packer_.refused(), "oversized", "larger than the stream takes");
      return true;
  }
  return false;
}

bool Sender::open_next_entry() {
  if (tracker_.bytes() >= options_.window_bytes_max) return false;
  std::optional<spool::Entry> entry = log_.read();
  if (!entry) return false;
  const uint64_t ticket = tracker_.open(std::move(*entry));
  packer_.begin(ticket, tracker_.entry(ticket));
  return true;
}

void Sender::send_filled(SteadyTime) {
  Flight flight;
  flight.request = builder_.take();
  flight.notes = std::move(notes_);
  notes_.clear();
  notes_.reserve(flight.notes.size());
  flight.lease = std::move(building_lease_);
  flight.lease.shrink(flight.request.memory_bytes());
  request_full_ = false;
  send(std::move(flight));
}

void Sender::send(Flight flight) {
  ++in_flight_;
  if (flight.is_probe) probe_in_flight_ = true;
  auto kept = std::make_shared<Flight>(std::move(flight));
  encode::Request request = std::move(kept->request);
  services_.port.put(std::move(request), [weak = std::weak_ptr(self_), kept](
                                             PutResult result, encode::Request returned) {
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
    if (flight.due > now || (!held_because_.empty() && in_flight_ > 0)) {
      next_wake(flight.due);
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
  packer_.reconfigure(options_.packer);
  if (builder_.empty()) builder_.reconfigure(options_.request);
}

void Sender::limit_records(size_t record_bytes_max) {
  options_.request.record_bytes_max = record_bytes_max;
  if (builder_.empty()) builder_.reconfigure(options_.request);
}

}  // namespace penstock::delivery
