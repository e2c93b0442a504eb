#include "cli/migrate/fluent_pattern.h"

#include <algorithm>
#include <vector>

namespace penstock::cli {
namespace {

std::vector<std::string_view> patterns_of(std::string_view text) {
  std::vector<std::string_view> patterns;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) patterns.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return patterns;
}

bool is_literal(std::string_view text) {
  return text.find_first_of("*{}/[]") == std::string_view::npos;
}

bool covers_one(std::string_view outer, std::string_view inner) {
  if (outer == "**" || outer == inner) return true;
  if (!outer.ends_with(".**")) return false;
  const std::string_view prefix = outer.substr(0, outer.size() - 3);
  if (!is_literal(prefix) || !inner.starts_with(prefix)) return false;
  return inner.size() == prefix.size() || inner[prefix.size()] == '.';
}

bool are_apart(std::string_view a, std::string_view b) {
  const std::string_view first = a.substr(0, a.find('.'));
  const std::string_view other = b.substr(0, b.find('.'));
  return is_literal(first) && is_literal(other) && first != other;
}

}  // namespace

bool pattern_covers(std::string_view outer, std::string_view inner) {
  const auto outers = patterns_of(outer);
  const auto inners = patterns_of(inner);
  return std::all_of(inners.begin(), inners.end(), [&](std::string_view each) {
    return std::any_of(outers.begin(), outers.end(),
                       [&](std::string_view one) { return covers_one(one, each); });
  });
}

bool patterns_are_apart(std::string_view a, std::string_view b) {
  const auto ours = patterns_of(a);
  const auto theirs = patterns_of(b);
  return std::all_of(ours.begin(), ours.end(), [&](std::string_view each) {
    return std::all_of(theirs.begin(), theirs.end(),
                       [&](std::string_view one) { return are_apart(each, one); });
  });
}

bool has_regular_expression(std::string_view patterns) {
  const auto all = patterns_of(patterns);
  return std::any_of(all.begin(), all.end(),
                     [](std::string_view each) { return each.front() == '/'; });
}

}  // namespace penstock::cli
