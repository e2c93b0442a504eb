// Acks: {"ack": chunk}, the chunk id echoed byte for byte and in the type it came in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::protocol::forward {

void append_ack(ByteBuffer& out, std::string_view chunk, bool chunk_is_bin);

// ---- the client's end ----

struct Ack {
  std::string chunk;
  size_t size = 0;  // bytes taken
};
enum class AckError : uint8_t { not_an_ack };

// The first ack in bytes, or nullopt when it has not come whole.
[[nodiscard]] Result<std::optional<Ack>, AckError> read_ack(ByteView bytes);

}  // namespace penstock::protocol::forward
