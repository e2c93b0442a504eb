// What the OTLP/HTTP endpoint answers (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP Response"), in
// the encoding the request came in.
//
// Pure; thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::protocol::otlp {

enum class LogsEncoding : uint8_t { protobuf, json };

// application/x-protobuf (or protobuf), else JSON: the two that OTLP/HTTP knows.
[[nodiscard]] std::string_view content_type(LogsEncoding encoding);

// Body of a 200. rejected: log records that were broken; they are kept in the dead letters, and
// sending them again would not help. found_none: the body was not empty, but held no log record.
[[nodiscard]] std::string success_body(LogsEncoding encoding, uint64_t rejected,
                                       bool found_none = false);

// Body of any other answer: a google.rpc.Status. message: for the operator, never a record's
// content.
[[nodiscard]] std::string error_body(LogsEncoding encoding, std::string_view message);

}  // namespace penstock::protocol::otlp
