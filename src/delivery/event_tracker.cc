#include "delivery/event_tracker.h"

#include <utility>

#include "base/check.h"

namespace penstock::delivery {
namespace {

// What the spool keeps of an entry in flight, and a few pointers.
constexpr size_t kBesidesSlot = 256;

}  // namespace

EventTracker::Slot& EventTracker::slot(uint64_t ticket) {
  CHECK(ticket >= first_ticket_ && ticket - first_ticket_ < open_.size());
  return open_[ticket - first_ticket_];
}

uint64_t EventTracker::open(spool::Entry entry) {
  CHECK(entry.events_final < entry.batch->event_count);
  const uint32_t outstanding = entry.batch->event_count - entry.events_final;
  events_ += outstanding;
  Slot& opened = open_.emplace_back();
  opened.entry = std::move(entry);
  opened.bytes = opened.entry.batch->entries_size;
  opened.outstanding = outstanding;
  const uint64_t ticket = end_ticket() - 1;
  hold(ticket);
  return ticket;
}

// Its batch is in memory from now on.
void EventTracker::hold(uint64_t ticket) {
  bytes_ += slot(ticket).bytes;
  while (!in_memory_.empty() &&
         (in_memory_.front() < first_ticket_ || !in_memory(in_memory_.front()))) {
    in_memory_.pop_front();
  }
  in_memory_.push_back(ticket);
}

void EventTracker::finish(uint64_t ticket, uint32_t count) {
  Slot& done = slot(ticket);
  CHECK(done.outstanding >= count);
  done.outstanding -= count;
  events_ -= count;
  if (done.outstanding > 0) {
    CHECK(!done.aside || done.outstanding >= done.aside->count);
    return;
  }
  if (done.aside) drop_aside(done);
  if (done.asked) forget_asked(done);
  if (done.entry.batch) bytes_ -= done.bytes;
  log_.release(done.entry.position);
  done.entry.batch.reset();
  while (!open_.empty() && open_.front().outstanding == 0) {
    open_.pop_front();
    ++first_ticket_;
  }
}

size_t EventTracker::book_bytes() const {
  return open_.size() * (sizeof(Slot) + kBesidesSlot) + aside_bytes_;
}

void EventTracker::add_slice(Slices& slices, size_t slice) {
  if (slices.test(slice)) return;
  slices.set(slice);
  if (entries_behind_[slice]++ == 0) behind_.set(slice);
}

void EventTracker::leave_slices(const Slices& slices) {
  for (size_t slice = 0; slice < kSliceCount; ++slice) {
    if (slices.test(slice) && --entries_behind_[slice] == 0) behind_.reset(slice);
  }
}

void EventTracker::drop_aside(Slot& slot) {
  leave_slices(slot.aside->slices);
  aside_bytes_ -= sizeof(Aside) + slot.aside->bits.size() * sizeof(uint64_t);
  slot.aside.reset();
}

void EventTracker::set_aside(uint64_t ticket, uint32_t index, size_t slice) {
  Slot& slot = this->slot(ticket);
  if (!slot.aside) {
    slot.aside = std::make_unique<Aside>();
    slot.aside->bits.resize((slot.entry.batch->event_count + 63) / 64);
    aside_bytes_ += sizeof(Aside) + slot.aside->bits.size() * sizeof(uint64_t);
  }
  slot.aside->bits[index / 64] |= uint64_t{1} << (index % 64);
  ++slot.aside->count;
  CHECK(slot.aside->count <= slot.outstanding);
  add_slice(slot.aside->slices, slice);
}

const EventTracker::Aside* EventTracker::aside_of(uint64_t ticket) const {
  return ticket < first_ticket_ ? nullptr : slot(ticket).aside.get();
}

bool EventTracker::is_aside(uint64_t ticket, uint32_t index) const {
  const Aside* const aside = aside_of(ticket);
  return aside != nullptr && (aside->bits[index / 64] >> (index % 64) & 1) != 0;
}

bool EventTracker::only_aside(uint64_t ticket) const {
  const Aside* const aside = aside_of(ticket);
  return aside != nullptr && aside->count == slot(ticket).outstanding;
}

const Slices* EventTracker::slices(uint64_t ticket) const {
  const Aside* const aside = aside_of(ticket);
  return aside == nullptr ? nullptr : &aside->slices;
}

void EventTracker::begin_again(uint64_t ticket) {
  CHECK(slot(ticket).aside);
  slot(ticket).aside->stay.reset();
}

void EventTracker::take_back(uint64_t ticket, uint32_t index) {
  Aside& aside = *slot(ticket).aside;
  aside.bits[index / 64] &= ~(uint64_t{1} << (index % 64));
  CHECK(aside.count > 0);
  --aside.count;
  ++taken_back_;
}

void EventTracker::stay(uint64_t ticket, size_t slice) {
  Aside& aside = *slot(ticket).aside;
  add_slice(aside.slices, slice);
  aside.stay.set(slice);
}

void EventTracker::end_again(uint64_t ticket) {
  if (aside_of(ticket) == nullptr) return;  // all of it was final before
  Slot& slot = this->slot(ticket);
  if (slot.aside->count == 0) {
    drop_aside(slot);
    return;
  }
  leave_slices(slot.aside->slices & ~slot.aside->stay);
  slot.aside->slices = slot.aside->stay;
}

bool EventTracker::put_down_oldest(uint64_t busy, uint64_t next) {
  for (size_t left = in_memory_.size(); left > 0; --left) {
    const uint64_t ticket = in_memory_.front();
    in_memory_.pop_front();
    if (ticket < first_ticket_ || !in_memory(ticket)) continue;
    Slot& slot = this->slot(ticket);
    if (slot.pinned || ticket == busy || ticket == next) {
      in_memory_.push_back(ticket);
      continue;
    }
    bytes_ -= slot.bytes;
    log_.put_down(slot.entry.position);
    slot.entry.batch.reset();
    return true;
  }
  return false;
}

void EventTracker::ask_again(uint64_t ticket, bool pin) {
  Slot& slot = this->slot(ticket);
  slot.pinned |= pin;
  if (slot.entry.batch || slot.damaged || std::exchange(slot.asked, true)) return;
  asked_.emplace(slot.entry.position, ticket);
  asked_bytes_ += slot.bytes;
  log_.read_again(slot.entry.position);
}

void EventTracker::forget_asked(Slot& slot) {
  slot.asked = false;
  asked_bytes_ -= slot.bytes;
  asked_.erase(slot.entry.position);
}

bool EventTracker::take_again(const std::function<void(uint32_t events)>& damaged) {
  bool any = false;
  while (std::optional<spool::EntryAgain> again = log_.take_again()) {
    any = true;
    const auto asked = asked_.find(again->position);
    if (asked == asked_.end()) continue;  // final in the meantime
    const uint64_t ticket = asked->second;
    Slot& slot = this->slot(ticket);
    forget_asked(slot);
    if (again->batch) {
      slot.entry.batch = std::move(again->batch);
      hold(ticket);
      continue;
    }
    slot.damaged = true;
    if (!slot.aside) continue;
    const uint32_t events = slot.aside->count;
    drop_aside(slot);
    damaged(events);
    finish(ticket, events);
  }
  return any;
}

}  // namespace penstock::delivery
