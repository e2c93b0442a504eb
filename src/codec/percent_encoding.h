// Percent-encoding as RFC 3986 and AWS have it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::codec {

// Every byte but letters, digits, "-_.~" and those of `plain` as % and two upper-case digits.
[[nodiscard]] inline std::string percent_encoded(std::string_view text,
                                                 std::string_view plain = {}) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '_' || c == '.' || c == '~' || plain.find(c) != plain.npos) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<uint8_t>(c) >> 4];
      out += kDigits[static_cast<uint8_t>(c) & 15];
    }
  }
  return out;
}

}  // namespace penstock::codec
