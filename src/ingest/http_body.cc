#include "ingest/http_body.h"

#include <algorithm>
#include <array>

#include "codec/event_time.h"
#include "protocol/http/json_body.h"
#include "protocol/otlp/logs.h"

namespace penstock::ingest {

namespace otlp = protocol::otlp;

namespace {

bool ends_with_signal(std::string_view path, std::string_view signal) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path.ends_with(signal);
}

bool contains(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

}  // namespace

Result<HttpBodyKind, std::string_view> body_kind(const HttpHead& head) {
  struct Foreign {
    std::string_view end;  // of the path
    std::string_view message;
  };
  constexpr std::string_view kOnlyLogs = "of OTLP only /v1/logs is taken";
  constexpr std::string_view kLoki = "Loki's push is not taken: send JSON objects to /";
  static constexpr std::array<Foreign, 7> kForeign{
      {{"/v1/traces", kOnlyLogs},
       {"/v1/metrics", kOnlyLogs},
       {"/v1development/profiles", kOnlyLogs},
       {"/_bulk", "Elasticsearch's _bulk is not taken: send JSON objects, one a line, to /"},
       {"/loki/api/v1/push", kLoki},
       {"/api/prom/push", kLoki},
       {"/api/v1/write", "Prometheus' metrics are not taken"}}};
  for (const Foreign& foreign : kForeign) {
    if (ends_with_signal(head.path, foreign.end)) return failure(foreign.message);
  }
  if (head.path.find("/services/collector") != std::string::npos) {
    return failure(
        std::string_view("Splunk's HTTP Event Collector is not spoken: send JSON objects to /"));
  }
  const bool is_protobuf = contains(head.content_type, "protobuf");
  if (is_protobuf) return HttpBodyKind::otlp_protobuf;
  return ends_with_signal(head.path, "/v1/logs") ? HttpBodyKind::otlp_json : HttpBodyKind::json;
}

JsonEnvelope envelope_of(ByteView body) {
  std::string_view text = as_text(body);
  const auto take = [&text](std::string_view start) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    const bool starts = text.starts_with(start);
    if (starts) text.remove_prefix(start.size());
    return starts;
  };
  take("\xef\xbb\xbf");
  const bool in_array = take("[");
  if (!take("{") || !take("\"")) return JsonEnvelope::none;
  const std::string_view key = text.substr(0, std::min(text.find('"'), text.size()));
  if (key == "resourceLogs" || key == "resource_logs") {
    return in_array ? JsonEnvelope::logs_in_array : JsonEnvelope::logs;
  }
  constexpr std::array<std::string_view, 6> kOthers{"resourceSpans",    "resource_spans",
                                                    "resourceMetrics",  "resource_metrics",
                                                    "resourceProfiles", "resource_profiles"};
  const bool is_other = std::find(kOthers.begin(), kOthers.end(), key) != kOthers.end();
  return is_other ? JsonEnvelope::other_signal : JsonEnvelope::none;
}

HttpBodyKind body_kind(HttpBodyKind by_head, std::string_view content_type, ByteView body) {
  if (by_head == HttpBodyKind::json || contains(content_type, "json") ||
      contains(content_type, "protobuf") || body.empty()) {
    return by_head;
  }
  // ExportLogsServiceRequest begins with the tag of its only field.
  return body[0] == 0x0a && (body.size() < 2 || body[1] != '{') ? HttpBodyKind::otlp_protobuf
                                                                : HttpBodyKind::otlp_json;
}

size_t front_of(HttpBodyKind kind, size_t body_size) {
  if (kind != HttpBodyKind::json || body_size == 0) return 0;
  return protocol::http::JsonBodyDecoder::usual_front(body_size);
}

size_t usual_entries_size(HttpBodyKind kind, size_t body_size) {
  return (kind == HttpBodyKind::otlp_json ? 2 : 4) * body_size + 16_KiB;
}

Result<HttpBody, otlp::LogsError> decode_otlp_body(HttpBodyKind kind, ByteBuffer& body,
                                                   int64_t received_ns, size_t size_max) {
  const otlp::LogsOptions options{codec::event_time_of(received_ns), size_max};
  auto decoded = kind == HttpBodyKind::otlp_protobuf
                     ? otlp::decode_logs_protobuf(body.view(), options)
                     : otlp::decode_logs_json(body, options);
  if (!decoded) return failure(decoded.error());
  return HttpBody{std::move(decoded->events), std::move(decoded->malformed)};
}

}  // namespace penstock::ingest
