// Bytes and numbers in lower-case hexadecimal. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace penstock::codec {

inline constexpr std::string_view kHexDigits = "0123456789abcdef";

inline void push_digit(std::string& out, unsigned digit) { out.push_back(kHexDigits[digit]); }
inline void push_digit(ByteBuffer& out, unsigned digit) {
  out.push_back(static_cast<uint8_t>(kHexDigits[digit]));
}

// Out: a string or a ByteBuffer.
template <class Out>
void append_hex(Out& out, ByteView bytes) {
  for (const uint8_t byte : bytes) {
    push_digit(out, byte >> 4u);
    push_digit(out, byte & 15u);
  }
}

// All 16 digits, the most significant first.
template <class Out>
void append_hex(Out& out, uint64_t number) {
  for (int shift = 60; shift >= 0; shift -= 4) {
    push_digit(out, static_cast<unsigned>(number >> shift & 15));
  }
}

[[nodiscard]] inline std::string hex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  append_hex(text, bytes);
  return text;
}

}  // namespace penstock::codec
