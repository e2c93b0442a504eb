// What a Sender does about shards that take nothing for long. See sender.h.
#include <algorithm>

#include "base/log.h"
#include "delivery/sender.h"

namespace penstock::delivery {
namespace {

// So many entries of which nothing could go: others will hardly be better, and are opened slowly.
constexpr uint32_t kSetAsideInRow = 16;
constexpr auto kPause = milliseconds(20);

}  // namespace

// Events for a shard that takes nothing need not wait in memory.
bool Sender::may_set_aside() const {
  return log_rereads_ && !options_.packer.keys_are_random && placement_.knows_shards() &&
         (placement_.paced() || queue_.any_refused());
}

// Where something may go now: for every shard a little waits in the queue, however slow it is.
Slices Sender::open_slices() const {
  Slices open;
  open.set();
  const auto shards = placement_.shards();
  if (options_.packer.keys_are_random || !shards) return open;
  const size_t place_max = place_bytes_max(options_.queue_bytes_max) / 2;
  const bool queue_is_full = queue_.bytes() >= options_.queue_bytes_max / 2;
  const auto is_open = [&](const kinesis::Shard& shard) {
    const size_t bytes = queue_.place(shard.number).bytes;
    return bytes == 0 || (bytes < place_max && !queue_is_full);
  };
  // A slice that several shards share is open when one of them is; so is what no shard owns.
  for (const bool opens : {false, true}) {
    for (const kinesis::Shard& shard : shards->shards()) {
      if (is_open(shard) != opens) continue;
      for (size_t slice = slice_of(shard.first); slice <= slice_of(shard.last); ++slice) {
        open.set(slice, opens);
      }
    }
  }
  return open;
}

bool Sender::open_behind(SteadyTime now) {
  if (!tracker_.any_behind()) return false;
  if (tracker_.bytes() >= options_.window_bytes_max) (void)put_down_some();
  const auto ticket = catch_up_.next(tracker_, open_slices(), options_.window_bytes_max / 8, now);
  next_wake(catch_up_.again_at());
  if (!ticket) {
    if (log_.wants_room()) (void)put_down_some();
    return false;
  }
  ++caught_up_in_row_;
  tracker_.begin_again(*ticket);
  packer_.begin_again(*ticket, tracker_.entry(*ticket));
  return true;
}

void Sender::entry_done(SteadyTime now) {
  const uint64_t ticket = packer_.ticket();
  if (packer_.is_again()) {
    catch_up_.finished(tracker_, ticket);
  } else if (!tracker_.only_aside(ticket)) {
    set_aside_in_row_ = 0;
  } else if (++set_aside_in_row_ >= kSetAsideInRow) {
    open_next_at_ = now + kPause;
  }
  books_ = tracker_.any_behind() ? tracker_.book_bytes() : 0;
}

// A quarter of what is in memory, the oldest first.
bool Sender::put_down_some() {
  if (!log_rereads_) return false;
  const bool is_stuck = tracker_.any_behind() || may_set_aside() || !condemned_.empty();
  if (!is_stuck) return false;
  const uint64_t busy = packer_.has_entry() ? packer_.ticket() : ~uint64_t{0};
  const size_t before = tracker_.bytes();
  while (tracker_.bytes() > before / 4 * 3 &&
         tracker_.put_down_oldest(busy, catch_up_.next_ticket())) {
  }
  return tracker_.bytes() < before;
}

// What the log has read again, and what it wants to be rid of.
void Sender::take_again() {
  const bool any = tracker_.take_again([this](uint32_t events) {
    log_error("events that waited for their shard are damaged in the spool",
              {{"stream", options_.stream}, {"events", events}});
    services_.ledger.drop(options_.stream, "damaged", events);
  });
  if (any && !condemned_.empty()) condemn_waiting();
  if (tracker_.any_behind() && log_.must_drop()) drop_oldest_aside();
}

// drop_oldest: the events of a segment that are set aside.
void Sender::drop_oldest_aside() {
  const uint64_t busy = packer_.has_entry() ? packer_.ticket() : ~uint64_t{0};
  std::vector<uint64_t> tickets;
  uint64_t segment = 0;
  uint64_t events = 0;
  for (uint64_t ticket = tracker_.first_ticket(); ticket < tracker_.end_ticket(); ++ticket) {
    if (ticket == busy || !tracker_.only_aside(ticket)) continue;
    const spool::Position position = tracker_.entry(ticket).position;
    if (!tickets.empty() && position.segment != segment) break;
    segment = position.segment;
    tickets.push_back(ticket);
    events += tracker_.outstanding(ticket);
  }
  if (tickets.empty()) return;
  services_.ledger.drop(options_.stream, "spool_full", events);
  for (const uint64_t ticket : tickets) tracker_.finish(ticket, tracker_.outstanding(ticket));
  log_limited(LogLevel::warn, options_.stream + "/spool_full",
              "stream is full: oldest events that waited for their shard dropped",
              {{"stream", options_.stream}, {"events", events}});
}

}  // namespace penstock::delivery
