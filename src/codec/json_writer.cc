#include "codec/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "codec/hex.h"
#include "codec/utf8.h"

namespace penstock::codec {
namespace {

using codec::kReplacement;
using codec::utf8_step;
using codec::Utf8Step;

struct Escape {
  char text[7];
  uint8_t size;
};

constexpr std::array<Escape, 128> make_escapes() {
  std::array<Escape, 128> escapes{};
  for (size_t c = 0; c < 0x20; ++c) {
    escapes[c] = {{'\\', 'u', '0', '0', kHexDigits[c >> 4], kHexDigits[c & 15], 0}, 6};
  }
  constexpr std::pair<char, char> kShort[] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                                              {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};
  for (const auto& [byte, letter] : kShort) {
    escapes[static_cast<size_t>(byte)] = {{'\\', letter, 0, 0, 0, 0, 0}, 2};
  }
  return escapes;
}
constexpr std::array<Escape, 128> kEscapes = make_escapes();
static_assert(sizeof(Escape) == 8);

// Where the run of valid, non-ASCII characters that begins at text ends; text when there is none.
const uint8_t* end_of_valid_run(const uint8_t* text, const uint8_t* text_end) {
  while (text < text_end && *text >= 0x80) {
    const Utf8Step step = utf8_step(text, text_end);
    if (!step.valid) break;
    text += step.size;
  }
  return text;
}

}  // namespace

uint8_t* JsonSink::grow(uint8_t* at, size_t size) {
  const size_t written = offset(at);
  // One more than allowed may stand there: a comma that the end of the event takes off again.
  if (size > size_max_ || (written > 0 && written - 1 > size_max_ - size)) return nullptr;
  const size_t needed = start_ + written + size + kRoom;
  // realloc copies the bytes up to capacity(), the uncommitted ones too.
  buffer_.reserve(std::max(needed, buffer_.capacity() * 2));
  end_ = buffer_.data() + buffer_.capacity();
  return position(written);
}

uint8_t* write_string_body(JsonSink& sink, uint8_t* at, const uint8_t* text, size_t size,
                           const uint8_t* readable_end, BadUtf8 bad, bool* refused) {
  const uint8_t* const text_end = text + size;
  uint8_t last[32] = {};
  while (text < text_end) {
    // A turn takes 1 to 16 bytes and writes at most 6 for each, and 16 beyond.
    const auto left = static_cast<size_t>(text_end - text);
    at = sink.room(at, left + 1);
    if (at == nullptr) return nullptr;

    const uint8_t* block = text;
    if (const auto readable = static_cast<size_t>(readable_end - text); readable < 32) {
      std::memcpy(last, text, readable);
      block = last;
    }
    uint32_t special = special_bytes(block);
    if (left < 16) special &= (1u << left) - 1;
    std::memcpy(at, block, 16);
    // What stands behind an escape is stored again in its new place, instead of looked at again:
    // JSON inside a message has an escape every few bytes (event_json_bench.cc, quoted_json).
    const uint8_t* stored = block;  // the block byte that stands at `at`
    while (special != 0) {
      const uint8_t* const next = block + std::countr_zero(special);
      if (*next >= 0x80) break;
      at += next - stored;
      const Escape& escape = kEscapes[*next];
      std::memcpy(at, &escape, 8);
      at += escape.size;
      stored = next + 1;
      std::memcpy(at, stored, 16);
      special &= special - 1;
    }
    const uint8_t* const stop =
        block + (special != 0 ? static_cast<size_t>(std::countr_zero(special))
                              : std::min<size_t>(left, 16));
    at += stop - stored;
    text += stop - block;
    if (special == 0) continue;

    const uint8_t* const run_end = end_of_valid_run(text, text_end);
    if (run_end != text) {
      std::memcpy(at, text, static_cast<size_t>(run_end - text));
      at += run_end - text;
      text = run_end;
      continue;
    }
    if (bad == BadUtf8::refuse) {
      *refused = true;
      return at;
    }
    at = write_raw(at, kReplacement);
    text += utf8_step(text, text_end).size;
  }
  return at;
}

uint8_t* write_unsigned(uint8_t* at, uint64_t value) {
  char* text = reinterpret_cast<char*>(at);
  return reinterpret_cast<uint8_t*>(std::to_chars(text, text + 20, value).ptr);
}

uint8_t* write_signed(uint8_t* at, int64_t value) {
  char* text = reinterpret_cast<char*>(at);
  return reinterpret_cast<uint8_t*>(std::to_chars(text, text + 20, value).ptr);
}

uint8_t* write_double(uint8_t* at, double value) {
  if (!std::isfinite(value)) return write_raw(at, "null");
  char* const text = reinterpret_cast<char*>(at);
  const double size = std::fabs(value);
  // 17 significant digits, sign, point and either four leading zeros or a four-byte exponent.
  char* const text_max = text + 32;
  if (size != 0 && (size < 1e-4 || size >= 1e16)) {
    return reinterpret_cast<uint8_t*>(
        std::to_chars(text, text_max, value, std::chars_format::scientific).ptr);
  }
  char* end = std::to_chars(text, text_max, value, std::chars_format::fixed).ptr;
  if (std::memchr(text, '.', static_cast<size_t>(end - text)) == nullptr) {
    *end++ = '.';
    *end++ = '0';
  }
  return reinterpret_cast<uint8_t*>(end);
}

void append_json_string(ByteBuffer& out, std::string_view text) {
  CHECK(append_json_string(out, text, std::numeric_limits<size_t>::max()));  // no limit was set
}

std::string json_string(std::string_view text) {
  ByteBuffer out;
  append_json_string(out, text);
  return std::string(as_text(out.view()));
}

bool append_json_string(ByteBuffer& out, std::string_view text, size_t size_max) {
  JsonSink sink(out, size_max - std::min(size_max, out.size()));
  const ByteView bytes = as_bytes(text);
  const uint8_t* const end = bytes.data() + bytes.size();
  const uint8_t* at = write_string(sink, sink.begin(), bytes.data(), bytes.size(), end);
  return at != nullptr && sink.commit(at);
}

}  // namespace penstock::codec
