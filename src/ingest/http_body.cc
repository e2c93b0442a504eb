#include "ingest/http_body.h"

#include <algorithm>

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

std::optional<HttpBodyKind> body_kind(const HttpHead& head) {
  for (const std::string_view other : {"/v1/traces", "/v1/metrics", "/v1development/profiles"}) {
    if (ends_with_signal(head.path, other)) return std::nullopt;
  }
  if (!ends_with_signal(head.path, "/v1/logs")) return HttpBodyKind::json;
  return contains(head.content_type, "protobuf") ? HttpBodyKind::otlp_protobuf
                                                 : HttpBodyKind::otlp_json;
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
