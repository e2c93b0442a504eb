// The body of a request, inflated: which decoder it is for, and how much memory that may take.
// Pure; thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ingest/http_request_reader.h"
#include "protocol/otlp/logs.h"
#include "record/batch.h"

namespace penstock::ingest {

enum class HttpBodyKind : uint8_t { json, otlp_json, otlp_protobuf };

// By its path and type: /v1/logs at its end and protobuf are OTLP, any other path JSON. A failure
// is what to say: a signal of OTLP that is not logs, or a path of another product's, whose
// envelopes would become records (404).
[[nodiscard]] Result<HttpBodyKind, std::string_view> body_kind(const HttpHead& head);
// The type may be missing or wrong; the first byte tells.
[[nodiscard]] HttpBodyKind body_kind(HttpBodyKind by_head, std::string_view content_type,
                                     ByteView body);

// What a JSON body holds by its first key, where it is OTLP on another path than /v1/logs.
enum class JsonEnvelope : uint8_t { none, logs, logs_in_array, other_signal };
[[nodiscard]] JsonEnvelope envelope_of(ByteView body);

// What is left before a body for what its entries need more than it (see JsonBodyDecoder). OTLP is
// rewritten, beside it.
[[nodiscard]] size_t front_of(HttpBodyKind kind, size_t body_size);

// Of OTLP: what the entries of such a body usually come to.
[[nodiscard]] size_t usual_entries_size(HttpBodyKind kind, size_t body_size);

struct HttpBody {
  record::Batch events;
  record::Batch malformed;
};

// Of OTLP. body: a zero is put behind its bytes, nothing else is changed. size_max: of its entries.
[[nodiscard]] Result<HttpBody, protocol::otlp::LogsError> decode_otlp_body(HttpBodyKind kind,
                                                                           ByteBuffer& body,
                                                                           int64_t received_ns,
                                                                           size_t size_max);

}  // namespace penstock::ingest
