#include "delivery/overflow_copies.h"

#include "base/check.h"

namespace penstock::delivery {
namespace {

// An entry of an overflow log holds no more: what a crash repeats of one that is half delivered.
constexpr size_t kEntryBytes = 128_KiB;

}  // namespace

OverflowCopies::Copied OverflowCopies::defer(const EventSpan& event, size_t bucket, ByteView bytes,
                                             const spool::Entry& origin) {
  const std::pair place{event.ticket, event.first};
  CHECK(!last_deferred_ || *last_deferred_ < place);
  last_deferred_ = place;
  return add(deferred_, event, bucket, bytes, origin);
}

OverflowCopies::Copied OverflowCopies::add(std::deque<Group>& groups, const EventSpan& event,
                                           size_t bucket, ByteView bytes,
                                           const spool::Entry& origin) {
  Copied copied;
  const bool fits = !groups.empty() && groups.back().ticket == event.ticket &&
                    groups.back().entry.events.back() < event.first &&
                    groups.back().entry.batch.storage.size() + bytes.size() <= kEntryBytes;
  if (!fits) {
    copied.is_new_group = true;
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
  }
  spool::OverflowEntry& entry = groups.back().entry;
  entry.batch.storage.append(bytes);
  entry.batch.entries_size = entry.batch.storage.size();
  ++entry.batch.event_count;
  entry.events.push_back(event.first);
  copied.is_new_bucket = !entry.buckets.test(bucket);
  entry.buckets.set(bucket);
  return copied;
}

void OverflowCopies::put_queued_first() {
  for (; !queued_.empty(); queued_.pop_back()) deferred_.push_front(std::move(queued_.back()));
}

std::optional<OverflowCopies::Group> OverflowCopies::take_next(const OverflowClosings& closings) {
  CHECK(queued_.empty());
  if (deferred_.empty() || closings.has_any(deferred_.front().entry.buckets)) return std::nullopt;
  Group group = std::move(deferred_.front());
  deferred_.pop_front();
  return group;
}

}  // namespace penstock::delivery
