// The first line is a pattern, the rest a tag. The automaton has to agree with a matcher written
// the plainest way: backtracking over fluentd's own regular expression, as std::regex reads it.
#include <regex>
#include <string>

#include "base/check.h"
#include "route/tag_pattern.h"

namespace {

// fluentd's GlobMatchPattern#initialize for patterns without braces.
std::string regex_of(std::string_view pattern) {
  std::string regex;
  bool dot = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (pattern.substr(i, 2) == "**") {
      if (dot) regex += "(?![^\\.])";
      dot = false;
      const bool parts = pattern.substr(i + 2, 1) == ".";
      regex += parts ? "(?:[^]*\\.|^)" : "[^]*";
      i += parts ? 2 : 1;
      continue;
    }
    if (dot) regex += "\\.";
    dot = c == '.';
    if (c == '*') {
      regex += "[^\\.]*";
    } else if (c != '.') {
      regex += c;
    }
  }
  return regex;
}

bool is_plain(std::string_view text, std::string_view others) {
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (!letter && others.find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t newline = std::min(input.find('\n'), input.size());
  const std::string_view pattern = input.substr(0, newline);
  const std::string tag(input.substr(std::min(newline + 1, input.size())));
  const auto compiled = penstock::route::TagPattern::compile(pattern);
  if (!compiled) return 0;
  const bool matches = compiled->matches(tag);
  // std::regex backtracks: kept to what it can do in time.
  if (pattern.size() > 12 || tag.size() > 24 || !is_plain(pattern, "*.") || !is_plain(tag, ".")) {
    return 0;
  }
  CHECK(matches == std::regex_match(tag, std::regex(regex_of(pattern))));
  return 0;
}
