// Any bytes as a body. What comes out is JSON objects in UTF-8, whatever went in; what nlohmann's
// parser takes as an array of objects comes out whole.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "protocol/http/json_body.h"
#include "record/event.h"
#include "record/json_check.h"
#include "record/utf8.h"

using namespace penstock;

namespace {

void check_entries(const record::Batch& batch, size_t size_max) {
  CHECK(batch.entries_size <= size_max);
  uint32_t count = 0;
  record::EventView event;
  for (record::EntryReader reader(batch); reader.next(event); ++count) {
    ByteBuffer object = ByteBuffer::copy_of(event.record);
    record::terminate(object);
    const uint8_t* const end = object.data() + object.size();
    const record::JsonChecked checked = record::check_json(object.data(), end);
    CHECK(object.data()[0] == '{' && checked.end == end);
    CHECK(checked.fault == record::JsonFault::none && !checked.bad_utf8);
    CHECK(record::is_utf8(object.data(), end));
  }
  CHECK(count == batch.event_count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kSizeMax = 4096;
  ByteBuffer body = ByteBuffer::copy_of({data, size});
  const auto decoded = protocol::decode_json_body(body, {{1, 2}, kSizeMax});
  if (decoded) {
    check_entries(decoded->events, kSizeMax);
    check_entries(decoded->malformed, kSizeMax);
  }
  const auto tree = nlohmann::json::parse(data, data + size, nullptr, false);
  // The other parser takes a zero byte for the end; and what is small cannot pass the limit.
  if (tree.is_array() && size < 200 && std::find(data, data + size, 0) == data + size) {
    CHECK(decoded);
    CHECK(decoded->events.event_count + decoded->malformed.event_count == tree.size());
  }
  return 0;
}
