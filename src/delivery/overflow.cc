#include "delivery/overflow.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::delivery {
namespace {

// An entry of an overflow log holds no more: what a crash repeats of one that is half delivered.
constexpr size_t kEntryBytes = 128_KiB;
// Of copies that are not synced yet.
constexpr size_t kCopiedBytesMax = 8_MiB;
// What a group takes beside its events.
constexpr size_t kBesideEvents = 512;

}  // namespace

Overflow::Overflow(spool::StreamLog& main, EntryWindow& window, MemoryShare memory,
                   Callbacks callbacks)
    : main_(main),
      window_(window),
      memory_(std::move(memory)),
      callbacks_(std::move(callbacks)),
      self_(std::make_shared<Overflow*>(this)) {
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
    log->on_readable([callbacks = callbacks_, weak = std::weak_ptr(self_)] {
      callbacks.post([weak] {
        const auto self = weak.lock();
        if (self && *self != nullptr) (*self)->callbacks_.stored();
      });
    });
  }
  refresh_occupied();
}

Overflow::~Overflow() {
  for (const auto& slot : slots_) slot->log->on_readable(nullptr);
  *self_ = nullptr;
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

void Overflow::begin(const kinesis::Shard& shard, uint64_t last_request) {
  spool::BucketSet buckets;
  for (size_t bucket = bucket_of(shard.first); bucket <= bucket_of(shard.last); ++bucket) {
    buckets.set(bucket);
  }
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
  closings_.push_back({shard.number, begun, last_request});
}

void Overflow::sent(size_t bucket, uint64_t request) {
  for (Closing& closing : closings_) {
    if (closing.buckets.test(bucket))
      closing.last_request = std::max(closing.last_request, request);
  }
}

std::vector<Overflow::Closing> Overflow::ready_closings(uint64_t oldest_open_request) {
  std::vector<Closing> ready;
  for (const Closing& closing : closings_) {
    if (closing.last_request < oldest_open_request) ready.push_back(closing);
  }
  return ready;
}

void Overflow::finish_closing(const Closing& closing) {
  std::erase_if(closings_, [&](const Closing& open) { return open.shard == closing.shard; });
  for (const auto& slot : slots_) {
    put_queued_first(*slot);
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

void Overflow::put_queued_first(Slot& slot) {
  for (; !slot.queued.empty(); slot.queued.pop_back()) {
    slot.deferred.push_front(std::move(slot.queued.back()));
  }
}

bool Overflow::defer(const EventSpan& event, size_t bucket, ByteView entry) {
  const size_t bytes = bytes_copied_ + entry.size() + kBesideEvents;
  if (bytes_copied_ > 0 && bytes > kCopiedBytesMax) return false;
  if (!memory_.ensure_most(bytes)) return false;
  Slot& slot = slot_of(bucket);
  const std::pair place{event.ticket, event.first};
  CHECK(!slot.last_deferred || *slot.last_deferred < place);
  slot.last_deferred = place;
  add_copy(slot, slot.deferred, event, bucket, entry);
  return true;
}

// What waited in the retry queue was paid for there, and is copied whatever the memory.
void Overflow::defer_queued(const EventSpan& event, size_t bucket, ByteView entry) {
  (void)memory_.ensure_most(bytes_copied_ + entry.size() + kBesideEvents);
  if (!occupied_.test(bucket)) {
    slots_.front()->occupied.set(bucket);
    refresh_occupied();
  }
  Slot& slot = slot_of(bucket);
  add_copy(slot, slot.queued, event, bucket, entry);
}

void Overflow::add_copy(Slot& slot, std::deque<Group>& groups, const EventSpan& event,
                        size_t bucket, ByteView entry) {
  const spool::Entry& origin = window_.entry(event.ticket);
  const bool fits = !groups.empty() && groups.back().ticket == event.ticket &&
                    groups.back().entry.events.back() < event.first &&
                    groups.back().entry.batch.storage.size() + entry.size() <= kEntryBytes;
  if (!fits) {
    Group& made = groups.emplace_back();
    made.ticket = event.ticket;
    made.entry.origin = origin.position;
    record::Batch& batch = made.entry.batch;
    batch.source = origin.batch->source;
    batch.tag = origin.batch->tag;
    batch.encoding = origin.batch->encoding;
    batch.received_ns = origin.batch->received_ns;
    batch.id = origin.batch->id;
    batch.first_index = origin.batch->first_index;
    bytes_copied_ += kBesideEvents;
    ++slot.entries_open;
  }
  Group& group = groups.back();
  group.entry.batch.storage.append(entry);
  group.entry.batch.entries_size = group.entry.batch.storage.size();
  ++group.entry.batch.event_count;
  group.entry.events.push_back(event.first);
  if (!group.entry.buckets.test(bucket)) {
    group.entry.buckets.set(bucket);
    ++slot.entries[bucket];
  }
  bytes_copied_ += entry.size();
}

bool Overflow::waits(const Group& group) const {
  return std::any_of(closings_.begin(), closings_.end(), [&](const Closing& closing) {
    return (closing.buckets & group.entry.buckets).any();
  });
}

void Overflow::flush() {
  for (size_t number = 0; number < slots_.size(); ++number) {
    put_queued_first(*slots_[number]);
    std::deque<Group>& deferred = slots_[number]->deferred;
    while (!deferred.empty() && !waits(deferred.front())) {
      Group group = std::move(deferred.front());
      deferred.pop_front();
      append(number, std::move(group));
    }
  }
}

void Overflow::append(size_t number, Group group) {
  const uint64_t ticket = group.ticket;
  const auto events = group.entry.batch.event_count;
  const size_t bytes = group.entry.batch.entries_size + kBesideEvents;
  main_.append_overflow(
      number, std::move(group.entry),
      [callbacks = callbacks_, weak = std::weak_ptr(self_), ticket, events, bytes](bool is_safe) {
        callbacks.post([weak, ticket, events, bytes, is_safe] {
          const auto self = weak.lock();
          if (!self || *self == nullptr || !is_safe) return;
          Overflow& overflow = **self;
          CHECK(overflow.bytes_copied_ >= bytes);
          overflow.bytes_copied_ -= bytes;
          if (overflow.bytes_copied_ == 0) overflow.memory_.release();
          overflow.window_.finish(ticket, events);
          overflow.callbacks_.stored();
        });
      });
}

bool Overflow::open_next(size_t log, size_t bytes_max, bool may_be_large) {
  Slot& slot = *slots_[log];
  if (slot.cursor.is_open()) return true;
  if (window_.bytes(*slot.log) >= bytes_max) return false;
  if (!may_be_large && slot.log->next_is_large()) return false;
  std::optional<spool::Entry> entry = slot.log->read();
  if (!entry) {
    // What drop_oldest took was never passed: an empty log says that nothing is left.
    if (slot.occupied.any() && slot.deferred.empty() && slot.queued.empty() && bytes_copied_ == 0 &&
        closings_.empty() && slot.log->empty()) {
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

bool Overflow::has_recovered(const Slot& slot) const {
  return slot.recovered.buckets.any() && slot.cursor_position < slot.recovered.end &&
         (slot.cursor.is_open() || !slot.log->empty());
}

bool Overflow::has_turn(size_t log) const {
  if (!overlap_) return true;
  const Slot& slot = *slots_[log];
  return std::none_of(slots_.begin(), slots_.end(), [&](const auto& other) {
    return other.get() != &slot && has_recovered(*other) &&
           (!other->cursor.is_open() || other->cursor_origin < slot.cursor_origin);
  });
}

void Overflow::passed(size_t log) {
  Slot& slot = *slots_[log];
  CHECK(!slot.cursor.is_open());
  slot.passed |= slot.cursor_buckets;
  if (slot.cursor_position < slot.recovered.end) return;
  // Whatever an earlier life left is passed by now.
  slot.recovered = {};
  if (slot.entries_open > 0) --slot.entries_open;
  for (size_t bucket = 0; bucket < slot.entries.size(); ++bucket) {
    if (slot.cursor_buckets.test(bucket) && slot.entries[bucket] > 0) --slot.entries[bucket];
    if (slot.entries[bucket] == 0 && !is_closing(bucket)) slot.occupied.reset(bucket);
  }
  refresh_occupied();
}

bool Overflow::is_closing(size_t bucket) const {
  return std::any_of(closings_.begin(), closings_.end(),
                     [bucket](const Closing& closing) { return closing.buckets.test(bucket); });
}

}  // namespace penstock::delivery
