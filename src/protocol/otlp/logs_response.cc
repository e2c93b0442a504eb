#include "protocol/otlp/logs_response.h"

#include "base/bytes.h"
#include "codec/json_writer.h"
#include "protocol/otlp/logs.h"

namespace penstock::protocol::otlp {
namespace {

constexpr std::string_view kRejected =
    "some log records were malformed and are kept as dead letters; do not send them again";

constexpr std::string_view kNoneFound = "there is no log record in the body";

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void append_field(std::string& out, uint32_t number, std::string_view bytes) {
  append_varint(out, number << 3 | 2);
  append_varint(out, bytes.size());
  out += bytes;
}

std::string quoted(std::string_view text) {
  ByteBuffer out;
  codec::append_json_string(out, text);
  return std::string(as_text(out.view()));
}

}  // namespace

std::string_view message_of(LogsError error) {
  switch (error) {
    case LogsError::not_otlp:
      return "the body does not parse as an ExportLogsServiceRequest";
    case LogsError::no_logs:
      return "the body has no resourceLogs: plain JSON goes to another path than /v1/logs";
    case LogsError::name_case:
      return "the body has no resourceLogs: names are written in lowerCamelCase";
    case LogsError::other_signal:
      return "these are no logs but spans, metrics or profiles, which are not taken";
    case LogsError::too_large:
      return "the body's records are larger than max_body";
  }
  return "the body does not parse";
}

std::string_view content_type(LogsEncoding encoding) {
  return encoding == LogsEncoding::protobuf ? "application/x-protobuf" : "application/json";
}

// ExportLogsServiceResponse {partial_success = 1 {rejected_log_records = 1, error_message = 2}}; a
// message without a count is a warning.
std::string success_body(LogsEncoding encoding, uint64_t rejected, bool found_none) {
  const bool is_partial = rejected > 0 || found_none;
  const std::string_view message = rejected > 0 ? kRejected : kNoneFound;
  if (encoding == LogsEncoding::json) {
    if (!is_partial) return "{}";
    return "{\"partialSuccess\":{\"rejectedLogRecords\":\"" + std::to_string(rejected) +
           "\",\"errorMessage\":" + quoted(message) + "}}";
  }
  std::string body;
  if (!is_partial) return body;
  std::string partial_success;
  if (rejected > 0) {
    append_varint(partial_success, 1 << 3);
    append_varint(partial_success, rejected);
  }
  append_field(partial_success, 2, message);
  append_field(body, 1, partial_success);
  return body;
}

// Status {code = 1, message = 2}; clients go by the HTTP status, so the code is left out.
std::string error_body(LogsEncoding encoding, std::string_view message) {
  if (encoding == LogsEncoding::json) return "{\"message\":" + quoted(message) + "}";
  std::string body;
  append_field(body, 2, message);
  return body;
}

}  // namespace penstock::protocol::otlp
