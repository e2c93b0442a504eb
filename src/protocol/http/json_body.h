// The body of an HTTP request, inflated, to events: a JSON array, one object a line, a single
// object or several one after the other. Told by the first byte, never by Content-Type.
//
//   [ {…}, {…} ]        an array of objects; further arrays may follow
//   {…}⏎{…}⏎            objects, pretty-printed or not, with or without a newline between them
//
// Each object's bytes are passed on as they came (numbers, key order, repeated keys, spaces), but
// for one U+FFFD for each maximal invalid part of UTF-8. Each is checked once.
//
// What is no JSON object does not refuse its neighbours: it goes to `malformed`, wrapped as
//
//   {"malformed":"<the text>"}            text without control characters but tab and newlines
//   {"malformed_base64":"<the bytes>"}    anything else
//
// A malformed element of an array ends where its brackets and quotes say; a malformed line at its
// newline. An array whose end cannot be found is a body that does not parse.
//
// Pure: no I/O, no clock. Thread: any.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "record/batch.h"
#include "record/event_time.h"

namespace penstock::protocol::http {

enum class JsonBodyError : uint8_t {
  not_json,   // nothing in it parses, or its array does not end: 400
  too_large,  // its entries would pass size_max: 413
};

struct JsonBodyOptions {
  record::EventTime time;  // of every event: when it was received
  size_t size_max;         // bytes of all entries together; an entry has 16 beside its object's
};

// Tag, source, time of reception and id are the caller's to fill in.
struct JsonBody {
  record::Batch events;
  record::Batch malformed;
};

// body: a zero is put behind its bytes (see terminate()), nothing else is changed.
[[nodiscard]] Result<JsonBody, JsonBodyError> decode_json_body(ByteBuffer& body,
                                                               const JsonBodyOptions& options);

}  // namespace penstock::protocol::http
