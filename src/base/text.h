// Text of bytes: what parsers of option values, headers and files share. Pure.
#pragma once

#include <cctype>
#include <string>
#include <string_view>

namespace penstock {

// Without the blanks at both ends. blanks: the bytes that the format at hand calls so.
[[nodiscard]] inline std::string_view trimmed(std::string_view text, std::string_view blanks) {
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// ASCII letters in lower case.
[[nodiscard]] inline std::string lowercase(std::string_view text) {
  std::string copy(text);
  for (char& c : copy) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return copy;
}

}  // namespace penstock
