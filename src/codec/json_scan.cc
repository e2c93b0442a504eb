#include "codec/json_scan.h"

namespace penstock::codec {
namespace {

constexpr uint32_t kReplacementPoint = 0xfffd;

bool is_high_surrogate(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low_surrogate(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

// The four digits behind "\u"; false where there are none.
bool read_unit(std::string_view text, size_t at, uint32_t& unit) {
  if (text.size() - at < 4) return false;
  unit = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    unit <<= 4;
    if (c >= '0' && c <= '9') {
      unit |= static_cast<uint32_t>(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      unit |= static_cast<uint32_t>((c | 0x20) - 'a' + 10);
    } else {
      return false;
    }
  }
  return true;
}

char plain_escape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;  // quote, backslash, slash
  }
}

// text[at] is the u of an escape. Returns the position behind it (or behind its pair).
size_t append_unicode_escape(std::string_view text, size_t at, std::string& out) {
  uint32_t unit = 0;
  if (!read_unit(text, at + 1, unit)) return at + 1;
  at += 5;
  if (is_high_surrogate(unit)) {
    uint32_t low = 0;
    if (text.substr(at).starts_with("\\u") && read_unit(text, at + 2, low) &&
        is_low_surrogate(low)) {
      append_utf8(out, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
      return at + 6;
    }
  }
  append_utf8(out, unit);
  return at;
}

}  // namespace

void append_utf8(std::string& out, uint32_t code_point) {
  if (code_point > 0x10ffff || is_high_surrogate(code_point) || is_low_surrogate(code_point)) {
    code_point = kReplacementPoint;
  }
  const auto byte = [](uint32_t bits) { return static_cast<char>(bits); };
  if (code_point < 0x80) {
    out += byte(code_point);
  } else if (code_point < 0x800) {
    out += byte(0xc0 | code_point >> 6);
    out += byte(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    out += byte(0xe0 | code_point >> 12);
    out += byte(0x80 | (code_point >> 6 & 0x3f));
    out += byte(0x80 | (code_point & 0x3f));
  } else {
    out += byte(0xf0 | code_point >> 18);
    out += byte(0x80 | (code_point >> 12 & 0x3f));
    out += byte(0x80 | (code_point >> 6 & 0x3f));
    out += byte(0x80 | (code_point & 0x3f));
  }
}

const uint8_t* skip_json_value(Quotes& quotes, const uint8_t* at, const uint8_t* end) {
  uint64_t depth = 0;
  while (at != end) {
    switch (*at) {
      case '"': {
        bool escaped = false;
        at = find_string_end(quotes, at + 1, end, escaped);
        if (at == end) return end;
        ++at;
        if (depth == 0) return at;
        break;
      }
      case '{':
      case '[':
        ++depth;
        ++at;
        break;
      case '}':
      case ']':
        if (depth == 0) return at;  // the end of what the value stands in
        ++at;
        if (--depth == 0) return at;
        break;
      case ',':
      case ' ':
      case '\n':
      case '\r':
      case '\t':
        if (depth == 0) return at;  // a number or a word ends here
        ++at;
        break;
      default:
        ++at;
    }
  }
  return end;
}

std::string_view unescape_json(std::string_view raw, std::string& scratch) {
  size_t at = raw.find('\\');
  if (at == std::string_view::npos) return raw;
  scratch.assign(raw.substr(0, at));
  while (at < raw.size()) {
    if (raw[at] != '\\') {
      const size_t next = std::min(raw.find('\\', at), raw.size());
      scratch.append(raw.substr(at, next - at));
      at = next;
      continue;
    }
    if (++at == raw.size()) break;
    if (raw[at] == 'u') {
      at = append_unicode_escape(raw, at, scratch);
    } else {
      scratch += plain_escape(raw[at]);
      ++at;
    }
  }
  return scratch;
}

}  // namespace penstock::codec
