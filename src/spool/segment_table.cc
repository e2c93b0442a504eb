#include "spool/segment_table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::spool {

const SegmentState* SegmentTable::find(uint64_t number) const {
  const auto segment = segments_.find(number);
  return segment == segments_.end() ? nullptr : &segment->second;
}

SegmentState* SegmentTable::find_kept(uint64_t number) {
  const auto segment = segments_.find(number);
  return segment == segments_.end() || segment->second.dropped ? nullptr : &segment->second;
}

uint64_t SegmentTable::entries_left() const {
  uint64_t left = 0;
  for (const auto& [number, segment] : segments_) left += segment.entries_left;
  return left;
}

uint64_t SegmentTable::events_unread() const {
  uint64_t events = 0;
  for (const auto& [number, segment] : segments_) events += segment.events_unread;
  return events;
}

void SegmentTable::add_found(uint64_t number, const SegmentState& segment) {
  CHECK(segments_.emplace(number, segment).second);
}

LogTotals SegmentTable::totals_from(uint64_t number) const {
  LogTotals totals;
  totals.stored = stored_;
  totals.newest = newest_;
  totals.pending.events = events_unread();
  for (const auto& [segment_number, segment] : segments_) {
    if (segment.gone || segment.dropped) continue;
    const uint64_t end = segment.first_number + segment.entries;
    totals.pending.entries += end - std::clamp(number, segment.first_number, end);
  }
  return totals;
}

void SegmentTable::number_found(const Tally& stored, uint64_t newest) {
  stored_ = stored;
  newest_ = newest;
  for (auto& [number, segment] : segments_) {
    segment.first_number = synced_count_;
    synced_count_ += segment.entries;
  }
}

void SegmentTable::add(uint64_t number, uint64_t file_bytes) {
  segments_[number].file_bytes = file_bytes;
  newest_ = std::max(newest_, number);
}

uint64_t SegmentTable::add_synced(Position position, uint64_t end, const QueuedEntry& entry) {
  const record::Batch& batch = *entry.batch;
  SegmentState& segment = segments_.at(position.segment);
  if (segment.entries++ == 0) {
    segment.first_number = synced_count_;
    segment.first_received_ns = batch.received_ns;
  }
  ++segment.entries_left;
  segment.events_unread += batch.event_count;
  segment.last_received_ns = std::max(segment.last_received_ns, batch.received_ns);
  segment.end = end;
  if (entry.origin) segment.origin_max = std::max(segment.origin_max, entry.origin->position);
  stored_ += {1, batch.event_count};
  return synced_count_++;
}

void SegmentTable::begin_retiring(uint64_t number) {
  SegmentState& segment = segments_.at(number);
  CHECK(segment.sealed && segment.entries_left == 0 && !segment.gone);
  segment.gone = true;
}

void SegmentTable::erase(uint64_t number) {
  const auto segment = segments_.find(number);
  CHECK(segment != segments_.end() && segment->second.gone);
  segments_.erase(segment);
}

uint64_t SegmentTable::drop(uint64_t number) {
  SegmentState& segment = segments_.at(number);
  CHECK(segment.sealed && !segment.gone);
  segment.dropped = true;
  segment.entries_left = 0;  // so that it is retired like any other
  return std::exchange(segment.events_unread, 0);
}

void SegmentTable::read(uint64_t number, uint64_t events) {
  SegmentState* const segment = find_kept(number);
  if (segment == nullptr) return;
  CHECK(segment->events_unread >= events);
  segment->events_unread -= events;
}

void SegmentTable::unread(uint64_t number, uint64_t events) {
  if (SegmentState* const segment = find_kept(number)) segment->events_unread += events;
}

uint64_t SegmentTable::lose(uint64_t number, uint64_t events) {
  SegmentState* const segment = find_kept(number);
  if (segment == nullptr) return 0;
  const uint64_t lost = std::min(events, segment->events_unread);
  segment->events_unread -= lost;
  return lost;
}

SegmentTable::Settled SegmentTable::settle(uint64_t number, uint32_t entries) {
  SegmentState* const segment = find_kept(number);
  if (segment == nullptr) return Settled::none;
  CHECK(segment->entries_left >= entries);
  segment->entries_left -= entries;
  return segment->sealed && segment->entries_left == 0 ? Settled::last : Settled::some;
}

}  // namespace penstock::spool
