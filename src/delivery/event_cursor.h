// EventCursor: goes over the events of one entry that are to be sent.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "delivery/records.h"
#include "record/event.h"
#include "spool/spool.h"

namespace penstock::delivery {

// An event and where it stands. The record in `view` may go on behind its end (EntryReader::Open).
struct Event {
  const record::Batch& batch;
  record::EventView view;
  uint32_t id_index;  // place in the batch that was received: what its id and random key are from
  EventSpan span;     // of this one event
};

class EventCursor {
 public:
  void begin(uint64_t ticket, const spool::Entry& entry);
  [[nodiscard]] bool is_open() const { return is_open_; }
  [[nodiscard]] bool has_event() const { return open_.has_value(); }
  [[nodiscard]] uint64_t ticket() const { return ticket_; }
  // Before its last event.
  void close();

  // The event that comes next; nullopt: there is none, and the cursor is closed.
  [[nodiscard]] std::optional<Event> event();
  // Steps behind it; record_size: of the record, for who has read it.
  void advance(size_t record_size);
  void skip() { advance(extent().record_size); }
  // Of the event that comes next.
  struct Extent {
    ByteView entry;  // as it stands in the batch
    size_t record_size = 0;
  };
  [[nodiscard]] Extent extent() const;

  // One event by its place, its view exact.
  [[nodiscard]] static Event find(uint64_t ticket, const spool::Entry& entry, uint32_t index);

 private:
  void open_event();

  bool is_open_ = false;
  uint64_t ticket_ = 0;
  std::shared_ptr<const record::Batch> batch_;  // while there is an event
  std::optional<record::EntryReader> reader_;
  std::optional<record::EntryReader::Open> open_;
  size_t entry_start_ = 0;  // of the event that comes next, in the batch's entries
  uint32_t index_ = 0;
  std::vector<uint32_t> final_;       // places that are not to be sent, ascending
  std::vector<uint32_t> id_indices_;  // of an overflow entry: by place
  size_t next_final_ = 0;             // in final_
};

}  // namespace penstock::delivery
