// Bytes and numbers in lower-case hexadecimal. Pure.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace penstock::codec {

inline constexpr std::string_view kHexDigits = "0123456789abcdef";

// Out: what has push_back(), a string or a ByteBuffer.
template <class Out>
void append_hex(Out& out, ByteView bytes) {
  for (const uint8_t byte : bytes) {
    out.push_back(static_cast<uint8_t>(kHexDigits[byte >> 4]));
    out.push_back(static_cast<uint8_t>(kHexDigits[byte & 15]));
  }
}

// All 16 digits, the most significant first.
template <class Out>
void append_hex(Out& out, uint64_t number) {
  for (int shift = 60; shift >= 0; shift -= 4) {
    out.push_back(static_cast<uint8_t>(kHexDigits[number >> shift & 15]));
  }
}

[[nodiscard]] inline std::string hex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  append_hex(text, bytes);
  return text;
}

}  // namespace penstock::codec
