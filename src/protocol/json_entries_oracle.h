// For fuzzers: what every batch of json entries has to be, whatever it was made from.
#pragma once

#include "base/check.h"
#include "codec/json_check.h"
#include "codec/utf8.h"
#include "record/batch.h"
#include "record/event.h"

namespace penstock::protocol {

inline void check_entries(const record::Batch& batch, size_t size_max) {
  CHECK(batch.encoding == record::Encoding::json && batch.entries_size <= size_max);
  uint32_t count = 0;
  record::EventView event;
  for (record::EntryReader reader(batch); reader.next(event); ++count) {
    ByteBuffer object = ByteBuffer::copy_of(event.record);
    codec::terminate(object);
    const uint8_t* const end = object.data() + object.size();
    const codec::JsonChecked checked = codec::check_json(object.data(), end);
    CHECK(object.data()[0] == '{' && checked.end == end);
    CHECK(checked.fault == codec::JsonFault::none && !checked.bad_utf8);
    CHECK(codec::is_utf8(object.data(), end));
  }
  CHECK(count == batch.event_count);
}

}  // namespace penstock::protocol
