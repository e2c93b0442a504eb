// Writes JSON tokens behind a raw pointer into a ByteBuffer: strings are escaped and their UTF-8
// repaired, numbers read back the same.
//
// The pointer travels by value (`at = write_…(sink, at, …)`) so that the hot loop of event_json.cc
// keeps it in a register: a member would be reloaded after each byte stored, since bytes may alias
// anything. JsonSink knows the end of the room and grows it.
//
// Escapes are exactly: \" \\ \b \f \n \r \t, other bytes below 0x20 as \u00xx in lower-case hex.
// `/`, DEL and non-ASCII are not escaped. One U+FFFD stands for each maximal invalid part.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace penstock::codec {

// Room for one number, literal or the punctuation around a string, and for the 16-byte stores that
// run past what they mean to write. Every writer may assume it; who writes more asks for more.
inline constexpr size_t kRoom = 192;

// The room behind the bytes of a buffer. Borrowed for one event; commit() makes what was written
// part of the buffer, abandoning it leaves the buffer as it was (but perhaps with more capacity).
class JsonSink {
 public:
  // At most size_max bytes may be committed.
  JsonSink(ByteBuffer& buffer, size_t size_max)
      : buffer_(buffer), start_(buffer.size()), size_max_(size_max) {
    end_ = buffer.data() + buffer.capacity();
  }

  // Where to write first: has kRoom bytes of room.
  [[nodiscard]] uint8_t* begin() {
    uint8_t* at = buffer_.data() + start_;
    return room(at, 0);
  }
  // Ensures size + kRoom bytes behind at, which may move. nullptr when size bytes more (the least
  // the caller will write) pass size_max: give up, the buffer is as it was.
  [[nodiscard]] uint8_t* room(uint8_t* at, size_t size) {
    if (static_cast<size_t>(end_ - at) >= size + kRoom) [[likely]]
      return at;
    return grow(at, size);
  }
  // What was written up to at becomes part of the buffer; false, and nothing does, when it is more
  // than size_max.
  [[nodiscard]] bool commit(const uint8_t* at) {
    const size_t written = offset(at);
    if (written > size_max_) return false;
    buffer_.resize(start_ + written);
    return true;
  }

  // Positions that survive a move of the buffer.
  [[nodiscard]] size_t offset(const uint8_t* at) const {
    return static_cast<size_t>(at - buffer_.data()) - start_;
  }
  [[nodiscard]] uint8_t* position(size_t offset) { return buffer_.data() + start_ + offset; }
  [[nodiscard]] size_t size_max() const { return size_max_; }

 private:
  uint8_t* grow(uint8_t* at, size_t size);

  ByteBuffer& buffer_;
  uint8_t* end_;
  const size_t start_;
  const size_t size_max_;
};

// A bit for each of 16 bytes that a JSON string cannot hold as it is, or that needs its UTF-8
// checked: below 0x20, `"`, `\`, 0x80 and above.
[[nodiscard]] inline uint32_t special_bytes(const uint8_t* from) {
#if defined(__SSE2__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  // Signed: bytes from 0x80 are negative, so one comparison finds them and the controls.
  const __m128i control_or_high = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  return static_cast<uint32_t>(
      _mm_movemask_epi8(_mm_or_si128(control_or_high, _mm_or_si128(quote, backslash))));
#else
  uint32_t mask = 0;
  for (uint32_t i = 0; i < 16; ++i) {
    const uint8_t byte = from[i];
    const bool special = byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
    mask |= static_cast<uint32_t>(special) << i;
  }
  return mask;
#endif
}

enum class BadUtf8 : uint8_t {
  repair,  // write U+FFFD
  refuse,  // give up: the bytes are not text
};

// The part of a string that needs escapes, checks or care at the end of the input: slower, not
// slow. *refused is set, and the result without meaning, when bad is refuse and there was some.
// nullptr when size_max is passed.
uint8_t* write_string_body(JsonSink& sink, uint8_t* at, const uint8_t* text, size_t size,
                           const uint8_t* readable_end, BadUtf8 bad, bool* refused);

// Writes the string with its quotes. readable_end, at least text + size, is how far bytes may be
// loaded (and not looked at). nullptr when size_max is passed. Leaves kRoom / 2 bytes of room.
template <BadUtf8 bad = BadUtf8::repair>
[[nodiscard]] inline uint8_t* write_string(JsonSink& sink, uint8_t* at, const uint8_t* text,
                                           size_t size, const uint8_t* readable_end,
                                           bool* refused = nullptr) {
  at = sink.room(at, size + 2);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  *at++ = '"';
  // 16 bytes a step: load, store, look. Most strings of a record are one or two steps long.
  while (readable_end - text >= 16) {
    const uint32_t special = special_bytes(text);
    std::memcpy(at, text, 16);
    if (size <= 16) {
      if ((special & ((1u << size) - 1)) != 0) break;
      at += size;
      *at++ = '"';
      return at;
    }
    if (special != 0) break;
    text += 16;
    at += 16;
    size -= 16;
  }
  at = write_string_body(sink, at, text, size, readable_end, bad, refused);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  *at++ = '"';
  return at;
}

// Copies text that needs no escaping; the room must be there.
[[nodiscard]] inline uint8_t* write_raw(uint8_t* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}
[[nodiscard]] uint8_t* write_unsigned(uint8_t* at, uint64_t value);
[[nodiscard]] uint8_t* write_signed(uint8_t* at, int64_t value);
// Shortest form that reads back the same: fixed from 1e-4 to below 1e16, whole ones with `.0`, else
// with an exponent; as Python and JavaScript users know them. NaN and infinities as null.
[[nodiscard]] uint8_t* write_double(uint8_t* at, double value);

// Appends a string with its quotes; for everything that is not the hot loop.
void append_json_string(ByteBuffer& out, std::string_view text);
[[nodiscard]] std::string json_string(std::string_view text);
// The same unless out would become larger than size_max: then false, and out is as it was.
[[nodiscard]] bool append_json_string(ByteBuffer& out, std::string_view text, size_t size_max);

}  // namespace penstock::codec
