// What the JSON decoder looks for by name: the members of a log record, and of a request that is
// none for logs.
//
// Thread: none of its own; the text must outlive it.
#pragma once

#include <string>
#include <string_view>

#include "protocol/otlp/json_reader.h"
#include "protocol/otlp/logs.h"

namespace penstock::protocol::otlp {

// A name in camelCase or as the .proto file has it.
[[nodiscard]] inline bool is_named(std::string_view key, std::string_view camel,
                                   std::string_view snake) {
  return key == camel || key == snake;
}

// LogRecord's members, read where they stand.
struct JsonLogRecord {
  JsonValue time;
  JsonValue observed_time;
  JsonValue severity_number;
  JsonValue severity_text;
  JsonValue event_name;
  JsonValue trace_id;
  JsonValue span_id;
  JsonValue flags;
  JsonValue attributes;
  JsonValue dropped_attributes;
  JsonValue body;
  bool has_known = false;
  bool has_unknown = false;

  JsonLogRecord() = default;
  explicit JsonLogRecord(const JsonValue& object) {
    JsonMembers reader(object);
    std::string_view key;
    for (JsonValue value; reader.next(key, value);) {
      if (JsonValue* const member = named(key)) {
        *member = value;
        has_known = true;
      } else {
        has_unknown = true;
      }
    }
  }

  // There is something in it, and nothing of a log record.
  [[nodiscard]] bool is_foreign() const { return has_unknown && !has_known; }

  JsonValue* named(std::string_view key) {
    if (is_named(key, "timeUnixNano", "time_unix_nano")) return &time;
    if (is_named(key, "observedTimeUnixNano", "observed_time_unix_nano")) return &observed_time;
    if (is_named(key, "severityNumber", "severity_number")) return &severity_number;
    if (is_named(key, "severityText", "severity_text")) return &severity_text;
    if (is_named(key, "eventName", "event_name")) return &event_name;
    if (is_named(key, "traceId", "trace_id")) return &trace_id;
    if (is_named(key, "spanId", "span_id")) return &span_id;
    if (key == "flags") return &flags;
    if (key == "attributes") return &attributes;
    if (is_named(key, "droppedAttributesCount", "dropped_attributes_count")) {
      return &dropped_attributes;
    }
    return key == "body" ? &body : nullptr;
  }
};

// What a member of the request says that is none of a request for logs.
[[nodiscard]] inline LogsError error_of_member(std::string_view key) {
  if (is_named(key, "resourceSpans", "resource_spans") ||
      is_named(key, "resourceMetrics", "resource_metrics") ||
      is_named(key, "resourceProfiles", "resource_profiles")) {
    return LogsError::other_signal;
  }
  std::string letters;
  for (const char c : key.substr(0, 16)) {
    if (c != '_' && c != '-') letters += static_cast<char>(c | 0x20);
  }
  return letters == "resourcelogs" ? LogsError::name_case : LogsError::no_logs;
}

}  // namespace penstock::protocol::otlp
