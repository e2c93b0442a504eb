// Writes PackedForward messages: the client's end of what decoder.h reads.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "codec/inflate.h"

namespace penstock::protocol::forward {

struct OutgoingMessage {
  std::string_view tag;
  ByteView entries;  // [time, record] back to back
  uint64_t event_count = 0;
  std::string_view chunk;                                     // empty: no ack is asked for
  codec::Compression compression = codec::Compression::none;  // none, gzip, zstd
};

[[nodiscard]] ByteBuffer write_packed_forward(const OutgoingMessage& message);

// One gzip member.
[[nodiscard]] ByteBuffer compress_gzip(ByteView bytes);

}  // namespace penstock::protocol::forward
