#include "delivery/event_cursor.h"

#include "base/check.h"
#include "codec/msgpack_cursor.h"

namespace penstock::delivery {

void EventCursor::begin(uint64_t ticket, const spool::Entry& entry) {
  CHECK(!is_open() && entry.batch != nullptr);
  is_open_ = true;
  ticket_ = ticket;
  batch_ = entry.batch;
  final_ = entry.overflowed;
  id_indices_ = entry.origin_events;
  CHECK(id_indices_.empty() || id_indices_.size() == batch_->event_count);
  next_final_ = 0;
  index_ = 0;
  reader_.emplace(*batch_);
  open_event();
}

// After the last event the batch is released: others may need its memory before the next call of
// event(), which a paused stream does not make.
void EventCursor::open_event() {
  for (;; ++index_) {
    entry_start_ = reader_->position();
    open_ = reader_->open();
    if (!open_) break;
    if (next_final_ == final_.size() || final_[next_final_] != index_) return;
    ++next_final_;
    reader_->close(extent().record_size);
  }
  reader_.reset();
  batch_.reset();
}

std::optional<Event> EventCursor::event() {
  if (!open_) {
    close();
    return std::nullopt;
  }
  const uint32_t id_index = id_indices_.empty() ? index_ : id_indices_[index_];
  return Event{*batch_, {open_->time, open_->record_and_rest, {}}, id_index, {ticket_, index_, 1}};
}

void EventCursor::close() {
  is_open_ = false;
  open_.reset();
  reader_.reset();
  batch_.reset();
}

void EventCursor::advance(size_t record_size) {
  reader_->close(record_size);
  ++index_;
  open_event();
}

EventCursor::Extent EventCursor::extent() const {
  ByteView record = open_->record_and_rest;
  if (batch_->encoding == record::Encoding::msgpack) {
    const auto skipped = codec::MsgpackCursor(record).skip();
    CHECK(skipped.has_value());
    record = *skipped;
  }
  const ByteView rest = batch_->entries().subspan(entry_start_);
  return {rest.first(static_cast<size_t>(record.data() + record.size() - rest.data())),
          record.size()};
}

Event EventCursor::find(uint64_t ticket, const spool::Entry& entry, uint32_t index) {
  CHECK(entry.batch != nullptr);
  record::EntryReader reader(*entry.batch);
  record::EventView view;
  for (uint32_t i = 0; i <= index; ++i) CHECK(reader.next(view));
  const uint32_t id_index = entry.origin_events.empty() ? index : entry.origin_events[index];
  return Event{*entry.batch, view, id_index, {ticket, index, 1}};
}

}  // namespace penstock::delivery
