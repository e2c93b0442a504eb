// How a StreamSender goes about large entries (spool::Entry::is_large). See stream_sender.h.
//
// Such an entry is on the one large lease of the memory budget. It may be kept as long as records
// of it are accepted. When none is for a while and somebody waits for memory, the entry goes back
// to its log, and none is read before the stream has accepted something: a stream that is away, or
// takes nothing, keeps neither senders nor other streams from that lease. What was made of the
// entry is nobody's then, and is made again; parts that were accepted come twice.
#include "delivery/stream_sender.h"

namespace penstock::delivery {
namespace {

constexpr seconds kWithoutProgress{5};
constexpr auto kLook = milliseconds(1000);

}  // namespace

bool StreamSender::is_abandoned(const RecordMetadata& meta) const {
  if (meta.split != 0) return !window_.is_split_alive(meta.split);
  return meta.more.empty() && window_.is_given_back(meta.span.ticket);
}

bool StreamSender::may_open_large() const {
  return !large_ && !large_barred_;
}

void StreamSender::note_large(uint64_t ticket, SteadyTime now) {
  if (large_ && large_->ticket == ticket) return;
  if (window_.entry(ticket).is_large) large_ = {.ticket = ticket, .progress = now};
}

void StreamSender::look_after_large(SteadyTime now) {
  if (large_ && !window_.is_open(large_->ticket)) large_.reset();
  // With nothing on its way there is no acceptance to wait for.
  if (large_barred_ && !requests_.has_any() && retry_.count() == 0 && !packer_.oldest_since()) {
    large_barred_ = false;
    wake_by(now + kLook);
  }
  if (!large_) return;
  wake_by(now + kLook);
  if (now - large_->progress < kWithoutProgress || !log_.memory_is_awaited()) return;
  if (give_back_large()) large_barred_ = true;
}

// False: its event is on its way elsewhere, or what was made of it is out of our hands.
bool StreamSender::give_back_large() {
  const uint64_t ticket = large_->ticket;
  if (large_->is_leaving) return false;
  bool is_closed = false;
  for (size_t source = 0; source < kSources; ++source) {
    if (source != kMain && source >= overflow_.logs()) continue;
    EventCursor& events = cursor(source);
    if (!events.is_open() || events.ticket() != ticket) continue;
    events.close();
    is_closed = true;
  }
  // An overflow log counts what its cursor has passed.
  if (!is_closed && !window_.is_of(ticket, log_)) return false;
  splitter_.cancel_if_of(ticket);
  window_.give_back(ticket);
  large_.reset();
  return true;
}

}  // namespace penstock::delivery
