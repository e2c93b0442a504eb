// EventTracker: which events of which spool entries are still on their way. An entry is released
// when its last event is final, whatever order they end in; the spool sorts out the order.
//
// Thread: the sender's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "base/check.h"
#include "spool/spool.h"

namespace penstock::delivery {

// Some events of one entry, one after the other. What a record in Kinesis is made of.
struct EventSpan {
  uint64_t ticket = 0;  // the entry's, from EventTracker::open()
  uint32_t first = 0;   // index in the batch
  uint32_t count = 0;
};

class EventTracker {
 public:
  explicit EventTracker(spool::StreamLog& log) : log_(log) {}

  // Takes charge of an entry with at least one event that is not final.
  uint64_t open(spool::Entry entry) {
    CHECK(entry.events_final < entry.batch->event_count);
    const uint32_t outstanding = entry.batch->event_count - entry.events_final;
    bytes_ += entry.batch->entries_size;
    events_ += outstanding;
    open_.push_back({std::move(entry), outstanding});
    return first_ticket_ + open_.size() - 1;
  }

  [[nodiscard]] const spool::Entry& entry(uint64_t ticket) const { return slot(ticket).entry; }

  // `count` events of the entry are final. Valid until the last one: then the ticket is spent.
  void finish(uint64_t ticket, uint32_t count) {
    Slot& done = slot(ticket);
    CHECK(done.outstanding >= count);
    done.outstanding -= count;
    events_ -= count;
    if (done.outstanding > 0) return;
    bytes_ -= done.entry.batch->entries_size;
    log_.release(done.entry.position);
    done.entry.batch.reset();
    while (!open_.empty() && open_.front().outstanding == 0) {
      open_.pop_front();
      ++first_ticket_;
    }
  }

  // Of entries with outstanding events.
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t events() const { return events_; }

 private:
  struct Slot {
    spool::Entry entry;
    uint32_t outstanding;
  };
  [[nodiscard]] Slot& slot(uint64_t ticket) {
    CHECK(ticket >= first_ticket_ && ticket - first_ticket_ < open_.size());
    return open_[ticket - first_ticket_];
  }
  [[nodiscard]] const Slot& slot(uint64_t ticket) const {
    return const_cast<EventTracker*>(this)->slot(ticket);
  }

  spool::StreamLog& log_;
  std::deque<Slot> open_;
  uint64_t first_ticket_ = 0;
  size_t bytes_ = 0;
  uint64_t events_ = 0;
};

}  // namespace penstock::delivery
