// OTLP logs, protobuf and JSON, to events: one JSON object for each log record, as doc/otlp.md
// says.
//
//   {"resource":{…},"scope":{…},"timestamp":"…","severity_text":"…","attributes":{…},"body":…}
//
// Both decoders read a whole body, inflated: an error leaves nothing behind. A log record that is
// broken by itself, or nested too deep to be an event, does not reject the others: it goes to
// `malformed`, wrapped as an HTTP body's are (json_body.h), and is told as a partial success. So
// does the entry of a resource in which there is something, but no log record.
//
// Pure: no I/O, no clock. Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/event_time.h"
#include "record/batch.h"

namespace penstock::protocol::otlp {

enum class LogsError : uint8_t {
  not_otlp,      // not protobuf or JSON, or of another shape: 400
  no_logs,       // no resourceLogs in it at all: 400
  name_case,     // the same, but ResourceLogs or the like: 400
  other_signal,  // spans, metrics or profiles: 400
  too_large,     // its entries would pass size_max: 413
};
// What is wrong with the body, for who sent it.
[[nodiscard]] std::string_view message_of(LogsError error);

struct LogsOptions {
  codec::EventTime received;  // the time of records that name none
  // Bytes of all entries together. Each repeats its resource and scope: a body of many short
  // records under one long resource can grow by any factor.
  size_t size_max;
};

// Tag, source, time of reception and id are the caller's to fill in.
struct Logs {
  record::Batch events;
  record::Batch malformed;
};

// opentelemetry/proto/collector/logs/v1: ExportLogsServiceRequest.
[[nodiscard]] Result<Logs, LogsError> decode_logs_protobuf(ByteView body,
                                                           const LogsOptions& options);

// Both know instrumentation libraries, which scopes were called before version 0.16.
//
// The same in JSON, with what senders make of it: 64-bit integers as strings or numbers, names in
// camelCase or as in the .proto file, null for a value, flags as a string of hex digits.
// body: a zero is put behind its bytes, and invalid UTF-8 is repaired; nothing else is changed.
[[nodiscard]] Result<Logs, LogsError> decode_logs_json(ByteBuffer& body,
                                                       const LogsOptions& options);

}  // namespace penstock::protocol::otlp
