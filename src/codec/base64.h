// Base64 of RFC 4648 section 4, padded, no line breaks. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace penstock::codec {

[[nodiscard]] constexpr size_t base64_size(size_t size) { return (size + 2) / 3 * 4; }

// Writes base64_size(bytes.size()) bytes to `to` and returns their end.
uint8_t* write_base64(uint8_t* to, ByteView bytes);
void append_base64(ByteBuffer& out, ByteView bytes);

// Appends what the text stands for. False, with out unchanged, when it is not padded base64 (also
// when bits behind the last byte are set).
[[nodiscard]] bool decode_base64(ByteBuffer& out, ByteView text);

}  // namespace penstock::codec
