#include "spool/read_cursor.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "spool/spool_state.h"

namespace penstock::spool {

std::shared_ptr<const record::Batch> without_storage(const record::Batch& batch) {
  auto bare = std::make_shared<record::Batch>();
  bare->source = batch.source;
  bare->tag = batch.tag;
  bare->encoding = batch.encoding;
  bare->event_count = batch.event_count;
  bare->received_ns = batch.received_ns;
  bare->id = batch.id;
  bare->first_index = batch.first_index;
  return bare;
}

const ReadyEntry* ReadCursor::next() const {
  if (!ahead_.empty()) return &ahead_.front();
  return fresh_.empty() || fresh_.front().number != next_number_ ? nullptr : &fresh_.front();
}

ReadyEntry ReadCursor::take() {
  CHECK(next() != nullptr && next()->is_loaded());
  std::deque<ReadyEntry>& from = ahead_.empty() ? fresh_ : ahead_;
  ReadyEntry entry = std::move(from.front());
  from.pop_front();
  if (entry.is_large) large_wanted_ = false;
  if (!entry.is_fresh) return entry;
  CHECK(!reading_);
  fresh_bytes_ -= entry.bytes;
  next_number_ = entry.number + 1;
  position_ = {entry.position.segment, entry.end};
  return entry;
}

void ReadCursor::put_back(ReadyEntry entry) {
  CHECK(!entry.is_fresh && (next() == nullptr || entry.number < next()->number));
  ahead_.push_front(std::move(entry));
}

Position ReadCursor::taken_to() const {
  return ahead_.empty() ? position_ : ahead_.front().position;
}

uint64_t ReadCursor::taken_to_number() const {
  return ahead_.empty() ? next_number_ : ahead_.front().number;
}

bool ReadCursor::may_keep(uint64_t number) const {
  return fresh_.empty() ? next_number_ == number && !reading_ : fresh_.back().number + 1 == number;
}

void ReadCursor::keep(ReadyEntry entry) {
  CHECK(may_keep(entry.number));
  entry.is_fresh = true;
  fresh_bytes_ += entry.bytes;
  fresh_.push_back(std::move(entry));
}

// The position may be behind the last entry of a segment, or in one that is gone.
bool ReadCursor::step_over_gone(const SegmentTable& segments) {
  CHECK(!reading_);
  for (;;) {
    if (const SegmentState* const segment = segments.find(position_.segment)) {
      const bool is_finished =
          segment->sealed && next_number_ >= segment->first_number + segment->entries;
      if (!segment->gone && !segment->dropped && !is_finished) return true;
    }
    const auto next = segments.all().upper_bound(position_.segment);
    if (next == segments.all().end()) {  // what was to be read has been dropped
      next_number_ = fresh_.empty() ? segments.synced_count() : fresh_.front().number;
      return false;
    }
    position_ = {next->first, static_cast<uint32_t>(kBlockBytes)};
    if (next->second.entries > 0) {
      next_number_ = std::max(next_number_, next->second.first_number);
    }
  }
}

uint64_t ReadCursor::events_in_memory(uint64_t segment) const {
  uint64_t events = 0;
  for (const auto* const entries : {&ahead_, &fresh_}) {
    for (const ReadyEntry& entry : *entries) {
      if (entry.position.segment == segment) events += entry.events_left();
    }
  }
  return events;
}

void ReadCursor::begin_reading() {
  CHECK(!reading_);
  reading_ = true;
}

void ReadCursor::end_reading(Position position, uint64_t next_number,
                             std::vector<ReadyEntry> entries) {
  CHECK(reading_ && next_number >= next_number_);
  reading_ = false;
  position_ = position;
  next_number_ = next_number;
  ahead_.insert(ahead_.end(), std::make_move_iterator(entries.begin()),
                std::make_move_iterator(entries.end()));
}

bool ReadCursor::has_large_ahead() const {
  return !ahead_.empty() && (ahead_.front().is_large || ahead_.back().is_large);
}

const ReadyEntry* ReadCursor::wanted_large() const {
  const bool is_wanted = large_wanted_ && !ahead_.empty() && !ahead_.front().is_loaded();
  return is_wanted ? &ahead_.front() : nullptr;
}

std::shared_ptr<const record::Batch>* ReadCursor::large_batch_at(Position position) {
  const bool is_there =
      !ahead_.empty() && ahead_.front().is_large && ahead_.front().position == position;
  return is_there ? &ahead_.front().batch : nullptr;
}

ReadyEntry ReadCursor::drop_large() {
  CHECK(!ahead_.empty() && ahead_.front().is_large);
  ReadyEntry entry = std::move(ahead_.front());
  ahead_.pop_front();
  large_wanted_ = false;
  return entry;
}

void ReadCursor::drop_segment(uint64_t number, Calls& calls) {
  CHECK(!is_reading(number));
  const auto is_of_it = [number](const ReadyEntry& entry) {
    return entry.position.segment == number;
  };
  for (auto* const entries : {&ahead_, &fresh_}) {
    for (ReadyEntry& entry : *entries) {
      if (!is_of_it(entry)) continue;
      if (entry.is_fresh) fresh_bytes_ -= entry.bytes;
      discard_later(std::move(entry.batch), calls);
    }
    std::erase_if(*entries, is_of_it);
  }
  large_wanted_ = false;
}

}  // namespace penstock::spool
