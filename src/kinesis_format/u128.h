// 128-bit hash keys of Kinesis: their decimal text both ways. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::kinesis_format {

using Uint128 = unsigned __int128;

inline constexpr size_t kUint128DigitsMax = 39;

// Writes at most kUint128DigitsMax digits and returns their end.
inline char* write_decimal(char* to, Uint128 value) {
  char digits[kUint128DigitsMax];
  size_t count = 0;
  // Eighteen digits at a time: one 128-bit division instead of eighteen.
  constexpr uint64_t kChunk = 1'000'000'000'000'000'000;
  while (value >= kChunk) {
    auto low = static_cast<uint64_t>(value % kChunk);
    value /= kChunk;
    for (int i = 0; i < 18; ++i, low /= 10) digits[count++] = static_cast<char>('0' + low % 10);
  }
  auto high = static_cast<uint64_t>(value);
  do {
    digits[count++] = static_cast<char>('0' + high % 10);
    high /= 10;
  } while (high != 0);
  while (count > 0) *to++ = digits[--count];
  return to;
}

[[nodiscard]] inline std::string to_decimal(Uint128 value) {
  char digits[kUint128DigitsMax];
  return std::string(digits, write_decimal(digits, value));
}

// As the service defines it: 0|([1-9]\d{0,38}), below 2^128.
[[nodiscard]] inline std::optional<Uint128> parse_decimal(std::string_view text) {
  if (text.empty() || text.size() > kUint128DigitsMax) return std::nullopt;
  if (text[0] == '0' && text.size() > 1) return std::nullopt;
  Uint128 value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<Uint128>(c - '0');
    if (value > (~Uint128{0} - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace penstock::kinesis_format
