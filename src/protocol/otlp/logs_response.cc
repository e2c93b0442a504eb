#include "protocol/otlp/logs_response.h"

#include "base/bytes.h"
#include "codec/json_writer.h"

namespace penstock::protocol::otlp {
namespace {

constexpr std::string_view kRejected =
    "some log records were malformed and are kept as dead letters; do not send them again";

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

std::string_view content_type(LogsEncoding encoding) {
  return encoding == LogsEncoding::protobuf ? "application/x-protobuf" : "application/json";
}

// ExportLogsServiceResponse {partial_success = 1 {rejected_log_records = 1, error_message = 2}}
std::string success_body(LogsEncoding encoding, uint64_t rejected) {
  if (encoding == LogsEncoding::json) {
    if (rejected == 0) return "{}";
    return "{\"partialSuccess\":{\"rejectedLogRecords\":\"" + std::to_string(rejected) +
           "\",\"errorMessage\":" + quoted(kRejected) + "}}";
  }
  std::string body;
  if (rejected == 0) return body;
  std::string partial_success;
  append_varint(partial_success, 1 << 3);
  append_varint(partial_success, rejected);
  append_field(partial_success, 2, kRejected);
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
