// Looking around in JSON text without a tree: where a string or a value ends, and what a string
// says. For text that has been checked (json_check.h): the answers on any other text are without
// meaning, but nothing outside [at, end) is ever read.
//
// Never allocates (but what the caller hands in), never recurses. Thread: any.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace penstock::codec {

[[nodiscard]] inline bool is_json_space(uint8_t byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

[[nodiscard]] inline const uint8_t* skip_json_space(const uint8_t* at, const uint8_t* end) {
  while (at != end && is_json_space(*at)) ++at;
  return at;
}

// A bit for each of 64 bytes at `at`: quotes and backslashes.
[[nodiscard]] inline uint64_t quotes_and_backslashes(const uint8_t* at);
// The same and what a JSON string cannot hold as it is, or that needs its UTF-8 checked: below
// 0x20, from 0x80.
[[nodiscard]] inline uint64_t string_specials(const uint8_t* at);

// Finds marked bytes from left to right. The marks of 64 bytes are made at once, in fixed steps:
// the processor makes those of the next blocks while the caller still decides about this one, and
// from one short string to the next it is a shift and a count. Looking at 16 bytes from each
// string's start instead took 1.6 times as long (json_body_bench).
template <uint64_t (*marks_of)(const uint8_t*)>
class MarkedBytes {
 public:
  MarkedBytes(const uint8_t* begin, const uint8_t* end) : block_(begin), end_(end) {
    marks_ = marks_at(block_);
  }

  // The first marked byte from `at`, or end. at must not lie before an earlier one.
  [[nodiscard]] const uint8_t* find(const uint8_t* at) {
    if (at - block_ >= 64) {
      block_ += (at - block_) & ~ptrdiff_t{63};
      marks_ = marks_at(block_);
    }
    uint64_t ahead = marks_ >> (at - block_);
    while (ahead == 0) {
      block_ += 64;
      if (block_ >= end_) return end_;
      at = block_;
      ahead = marks_ = marks_at(block_);
    }
    at += __builtin_ctzll(ahead);
    return at < end_ ? at : end_;
  }

 private:
  [[nodiscard]] uint64_t marks_at(const uint8_t* at) const {
    if (end_ - at >= 64) [[likely]]
      return marks_of(at);
    uint8_t last[64] = {};
    if (at < end_) std::memcpy(last, at, static_cast<size_t>(end_ - at));
    return marks_of(last);
  }

  const uint8_t* block_;
  uint64_t marks_;
  const uint8_t* const end_;
};
using Quotes = MarkedBytes<quotes_and_backslashes>;

// at: behind the opening quote. Returns the closing quote (or end).
[[nodiscard]] inline const uint8_t* find_string_end(Quotes& quotes, const uint8_t* at,
                                                    const uint8_t* end, bool& escaped) {
  for (;;) {
    at = quotes.find(at);
    if (at == end || *at == '"') return at;
    escaped = true;
    if (end - at < 2) return end;
    at += 2;
  }
}

// at: the first byte of a value. Returns the byte behind it.
[[nodiscard]] const uint8_t* skip_json_value(Quotes& quotes, const uint8_t* at, const uint8_t* end);
[[nodiscard]] inline const uint8_t* skip_json_value(const uint8_t* at, const uint8_t* end) {
  Quotes quotes(at, end);
  return skip_json_value(quotes, at, end);
}

// What a string says: raw is what stands between its quotes. Escapes are undone into scratch where
// there are any; an escaped surrogate without its partner becomes U+FFFD.
[[nodiscard]] std::string_view unescape_json(std::string_view raw, std::string& scratch);

// Appends a code point in UTF-8; surrogates become U+FFFD.
void append_utf8(std::string& out, uint32_t code_point);

// ---- inline ----

#if defined(__SSE2__)
namespace detail {
template <class Marked>
[[nodiscard]] inline uint64_t marks_of_blocks(const uint8_t* at, Marked marked) {
  uint64_t marks = 0;
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at) + i);
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const int mask = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), marked(bytes)));
    marks |= uint64_t{static_cast<uint32_t>(mask)} << (16 * i);
  }
  return marks;
}
}  // namespace detail

inline uint64_t quotes_and_backslashes(const uint8_t* at) {
  return detail::marks_of_blocks(at, [](__m128i) { return _mm_setzero_si128(); });
}
inline uint64_t string_specials(const uint8_t* at) {
  // Signed: bytes from 0x80 are negative, so one comparison finds them and the controls.
  return detail::marks_of_blocks(
      at, [](__m128i bytes) { return _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); });
}
#else
inline uint64_t quotes_and_backslashes(const uint8_t* at) {
  uint64_t marks = 0;
  for (int i = 0; i < 64; ++i) marks |= uint64_t{at[i] == '"' || at[i] == '\\'} << i;
  return marks;
}
inline uint64_t string_specials(const uint8_t* at) {
  uint64_t marks = quotes_and_backslashes(at);
  for (int i = 0; i < 64; ++i) marks |= uint64_t{at[i] < 0x20 || at[i] >= 0x80} << i;
  return marks;
}
#endif

}  // namespace penstock::codec
