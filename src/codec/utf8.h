// One step of UTF-8 decoding by the table of well-formed sequences (Unicode 15, table 3-7).
// An ill-formed stretch is taken in "maximal subparts": the longest prefix of a well-formed
// sequence, else one byte. Each becomes one U+FFFD; Python and the WHATWG decoders do the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock::codec {

inline constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

struct Utf8Step {
  uint8_t size;  // bytes taken, at least one
  bool valid;    // false: the bytes are one maximal subpart of an ill-formed sequence
};

// What begins at *at, which is not ASCII; at < end.
[[nodiscard]] inline Utf8Step utf8_step(const uint8_t* at, const uint8_t* end) {
  const uint8_t lead = *at;
  uint8_t trailing = 0;
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    trailing = 1;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    trailing = 2;
    if (lead == 0xe0) second_min = 0xa0;  // shorter forms exist
    if (lead == 0xed) second_max = 0x9f;  // surrogates
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    trailing = 3;
    if (lead == 0xf0) second_min = 0x90;  // shorter forms exist
    if (lead == 0xf4) second_max = 0x8f;  // beyond U+10FFFF
  } else {
    return {1, false};
  }
  if (end - at < 2 || at[1] < second_min || at[1] > second_max) return {1, false};
  for (uint8_t i = 2; i <= trailing; ++i) {
    if (at + i >= end || (at[i] & 0xc0) != 0x80) return {i, false};
  }
  return {static_cast<uint8_t>(trailing + 1), true};
}

[[nodiscard]] inline bool is_utf8(const uint8_t* at, const uint8_t* end) {
  while (at < end) {
    if (*at < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = utf8_step(at, end);
    if (!step.valid) return false;
    at += step.size;
  }
  return true;
}

}  // namespace penstock::codec
