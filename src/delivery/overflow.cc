#include "delivery/overflow.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::delivery {
namespace {

// Of copies that are not synced yet.
constexpr size_t kCopiedBytesMax = 8_MiB;

}  // namespace

Overflow::Overflow(spool::StreamLog& main, EntryWindow& window, MemoryShare memory,
                   const OwnerPost& post, std::function<void()> stored)
    : main_(main),
      window_(window),
      memory_(std::move(memory)),
      post_(post),
      stored_(std::move(stored)) {
  for (size_t number = 0; number < kLogs; ++number) {
    spool::StreamLog* const log = main_.overflow(number);
    if (log == nullptr) return;
    auto slot = std::make_unique<Slot>();
    slot->log = log;
    slot->recovered = main_.recovered_overflow(number);
    slot->occupied = slot->recovered.buckets;
    overlap_ |= (occupied_ & slot->occupied).any();
    occupied_ |= slot->occupied;
    slots_.push_back(std::move(slot));
    log->on_readable(post_.posted([this] { stored_(); }));
  }
  refresh_occupied();
}

Overflow::~Overflow() {
  for (const auto& slot : slots_) slot->log->on_readable(nullptr);
}

void Overflow::refresh_occupied() {
  occupied_.reset();
  bool overlap = false;
  for (const auto& slot : slots_) {
    overlap |= (occupied_ & slot->occupied).any();
    occupied_ |= slot->occupied;
  }
  CHECK(!overlap || overlap_);
  overlap_ = overlap;
}

Overflow::Slot& Overflow::slot_of(size_t bucket) {
  const auto slot = std::find_if(slots_.begin(), slots_.end(), [bucket](const auto& candidate) {
    return candidate->occupied.test(bucket);
  });
  CHECK(slot != slots_.end());
  return **slot;
}

// The one that has most of these buckets already, else the one with the least in it.
Overflow::Slot& Overflow::slot_for(const spool::BucketSet& buckets) {
  Slot* best = slots_.front().get();
  const auto rank = [&](const Slot& slot) {
    const bool is_used = slot.entries_open > 0 || slot.occupied.any();
    return std::pair{static_cast<int64_t>((slot.occupied & buckets).count()),
                     is_used ? -static_cast<int64_t>(slot.entries_open) - 1 : 0};
  };
  for (const auto& slot : slots_) {
    if (rank(*slot) > rank(*best)) best = slot.get();
  }
  return *best;
}

void Overflow::begin(uint32_t shard, const spool::BucketSet& buckets, uint64_t last_request) {
  // Events of a bucket that were passed lie in front of what comes now: they stay in one log.
  const spool::BucketSet begun = buckets & ~occupied_;
  spool::BucketSet left = begun;
  for (const auto& slot : slots_) {
    if (window_.bytes(*slot->log) == 0) slot->passed.reset();
    slot->occupied |= slot->passed & left;
    left &= ~slot->passed;
  }
  slot_for(buckets).occupied |= left;
  refresh_occupied();
  // What waits of other buckets came back later than events that were deferred: it stays before
  // them in its key queue.
  closings_.add({shard, begun, last_request});
}

void Overflow::finish_closing(const OverflowClosing& closing) {
  closings_.finish(closing);
  for (const auto& slot : slots_) {
    slot->copies.put_queued_first();
    // Nothing of it waits anywhere: its buckets are free again.
    for (size_t bucket = 0; bucket < closing.buckets.size(); ++bucket) {
      if (closing.buckets.test(bucket) && slot->entries[bucket] == 0 &&
          !slot->recovered.buckets.test(bucket)) {
        slot->occupied.reset(bucket);
      }
    }
  }
  refresh_occupied();
}

bool Overflow::defer(const EventSpan& event, size_t bucket, ByteView entry) {
  const size_t bytes = bytes_copied_ + entry.size() + OverflowCopies::kBesideEvents;
  if (bytes_copied_ > 0 && bytes > kCopiedBytesMax) return false;
  if (!memory_.ensure_most(bytes)) return false;
  Slot& slot = slot_of(bucket);
  window_.pin(event.ticket);
  count(slot, bucket, entry, slot.copies.defer(event, bucket, entry, window_.entry(event.ticket)));
  return true;
}

// What waited in the retry queue was paid for there, and is copied whatever the memory.
void Overflow::defer_queued(const EventSpan& event, size_t bucket, ByteView entry) {
  (void)memory_.ensure_most(bytes_copied_ + entry.size() + OverflowCopies::kBesideEvents);
  if (!occupied_.test(bucket)) {
    slots_.front()->occupied.set(bucket);
    refresh_occupied();
  }
  Slot& slot = slot_of(bucket);
  window_.pin(event.ticket);
  count(slot, bucket, entry,
        slot.copies.add_queued(event, bucket, entry, window_.entry(event.ticket)));
}

void Overflow::count(Slot& slot, size_t bucket, ByteView entry, OverflowCopies::Copied copied) {
  if (copied.is_new_group) {
    bytes_copied_ += OverflowCopies::kBesideEvents;
    ++slot.entries_open;
  }
  if (copied.is_new_bucket) ++slot.entries[bucket];
  bytes_copied_ += entry.size();
}

void Overflow::flush() {
  for (size_t number = 0; number < slots_.size(); ++number) {
    OverflowCopies& copies = slots_[number]->copies;
    copies.put_queued_first();
    while (auto group = copies.take_next(closings_)) append(number, std::move(*group));
  }
}

void Overflow::append(size_t number, OverflowCopies::Group group) {
  const uint64_t ticket = group.ticket;
  const auto events = group.entry.batch.event_count;
  const size_t bytes = group.bytes();
  main_.append_overflow(number, std::move(group.entry),
                        post_.posted([this, ticket, events, bytes](bool is_safe) {
                          if (!is_safe) return;
                          CHECK(bytes_copied_ >= bytes);
                          bytes_copied_ -= bytes;
                          if (bytes_copied_ == 0) memory_.release();
                          // Its entry may have been lost meanwhile: forget_lost().
                          if (!window_.is_given_back(ticket)) window_.finish(ticket, events);
                          stored_();
                        }));
}

bool Overflow::open_next(size_t log, size_t bytes_max, bool may_be_large) {
  Slot& slot = *slots_[log];
  if (slot.cursor.is_open()) return true;
  if (window_.bytes(*slot.log) >= bytes_max) return false;
  // One that waits for its turn would take the large place from the one that has it.
  if (slot.log->next_is_large() && !(may_be_large && has_turn(log))) return false;
  std::optional<spool::Entry> entry = slot.log->read();
  if (!entry) {
    // What drop_oldest took was never passed: an empty log says that nothing is left.
    if (slot.occupied.any() && slot.copies.empty() && bytes_copied_ == 0 && closings_.empty() &&
        slot.log->empty()) {
      slot.occupied.reset();
      slot.entries.fill(0);
      slot.entries_open = 0;
      slot.recovered = {};
      refresh_occupied();
    }
    return false;
  }
  slot.cursor_buckets = entry->buckets;
  slot.cursor_position = entry->position;
  slot.cursor_origin = entry->origin.value_or(spool::Position{});
  const uint64_t ticket = window_.open(*slot.log, std::move(*entry));
  slot.cursor.begin(ticket, window_.entry(ticket));
  return true;
}

bool Overflow::Slot::has_recovered() const {
  return recovered.buckets.any() && cursor_position < recovered.end &&
         (cursor.is_open() || !log->empty());
}

std::optional<spool::Position> Overflow::Slot::next_origin() const {
  return cursor.is_open() ? cursor_origin : log->next_origin();
}

bool Overflow::has_turn(size_t log) const {
  if (!overlap_) return true;
  const Slot& slot = *slots_[log];
  const auto own = slot.next_origin();
  return own && std::none_of(slots_.begin(), slots_.end(), [&](const auto& other) {
           if (other.get() == &slot || !other->has_recovered()) return false;
           const auto origin = other->next_origin();
           return !origin || *origin < *own;
         });
}

Overflow::Passage Overflow::passage(size_t log) const {
  return {slots_[log]->cursor_buckets, slots_[log]->cursor_position};
}

void Overflow::passed(size_t log, const Passage& entry) {
  Slot& slot = *slots_[log];
  slot.passed |= entry.buckets;
  if (entry.position < slot.recovered.end) return;
  // Whatever an earlier life left is passed by now.
  slot.recovered = {};
  if (slot.entries_open > 0) --slot.entries_open;
  for (size_t bucket = 0; bucket < slot.entries.size(); ++bucket) {
    if (entry.buckets.test(bucket) && slot.entries[bucket] > 0) --slot.entries[bucket];
    if (slot.entries[bucket] == 0 && !closings_.has(bucket)) slot.occupied.reset(bucket);
  }
  refresh_occupied();
}

}  // namespace penstock::delivery
