// What bench-load sends: one message of made-up OpenShift records, the same ones in each form,
// built once, and the places in it that change; and what answers it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace penstock::bench {

// The form of a message. OTLP as OpenShift Logging 6.4 and later send it: each log record under a
// resource of its own, with the fields of the other forms as its attributes.
enum class Form : uint8_t { forward, ndjson, json_array, otlp_json, otlp_protobuf };
[[nodiscard]] std::optional<Form> form_named(std::string_view name);

inline constexpr std::string_view kNoMark = "0000000000000000000";  // 19 digits: ns since 1970

struct Message {
  ByteBuffer bytes;
  size_t chunk_at = 0;  // of Forward's chunk id; HTTP has none
  size_t mark_at = 0;   // of kNoMark, the first record's id; compressed it has none

  void put(size_t at, std::string_view text);
};
struct MessageOptions {
  uint64_t events = 0;
  uint64_t event_bytes = 0;  // Forward's: short records of so many bytes of JSON; 0: OpenShift's
  bool gzip = false;         // of HTTP: the body is compressed, and the mark cannot be changed
};
// chunk: the id it has until another of the same size is put in its place. tag: Forward's.
[[nodiscard]] Message make_message(Form form, const std::string& tag, const std::string& chunk,
                                   const MessageOptions& options);

// The first answer in bytes, or nothing while it is not whole. Exits when it is none, or a refusal.
struct Answer {
  size_t size = 0;
  std::string chunk;  // empty: of the oldest message without one
};
[[nodiscard]] std::optional<Answer> read_answer(Form form, ByteView bytes);

}  // namespace penstock::bench
