// Looking around in JSON text without a tree: where a string or a value ends, and what a string
// says. For text that has been checked (json_check.h): the answers on any other text are without
// meaning, but nothing outside [at, end) is ever read.
//
// Never allocates (but what the caller hands in), never recurses. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace penstock::record {

[[nodiscard]] inline bool is_json_space(uint8_t byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

[[nodiscard]] inline const uint8_t* skip_json_space(const uint8_t* at, const uint8_t* end) {
  while (at != end && is_json_space(*at)) ++at;
  return at;
}

// The first quote or backslash, or end. Most strings of a record are a few bytes, the message is
// hundreds: a block of 16 bytes is the best of both.
[[nodiscard]] inline const uint8_t* find_quote_or_backslash(const uint8_t* at, const uint8_t* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  while (end - at >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const int found = _mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)));
    if (found != 0) return at + __builtin_ctz(static_cast<unsigned>(found));
    at += 16;
  }
#endif
  while (at != end && *at != '"' && *at != '\\') ++at;
  return at;
}

// at: behind the opening quote. Returns the closing quote (or end).
[[nodiscard]] inline const uint8_t* find_string_end(const uint8_t* at, const uint8_t* end,
                                                    bool& escaped) {
  for (;;) {
    at = find_quote_or_backslash(at, end);
    if (at == end || *at == '"') return at;
    escaped = true;
    if (end - at < 2) return end;
    at += 2;
  }
}

// at: the first byte of a value. Returns the byte behind it.
[[nodiscard]] const uint8_t* skip_json_value(const uint8_t* at, const uint8_t* end);

// What a string says: raw is what stands between its quotes. Escapes are undone into scratch where
// there are any; an escaped surrogate without its partner becomes U+FFFD.
[[nodiscard]] std::string_view unescape_json(std::string_view raw, std::string& scratch);

// Appends a code point in UTF-8; surrogates become U+FFFD.
void append_utf8(std::string& out, uint32_t code_point);

}  // namespace penstock::record
