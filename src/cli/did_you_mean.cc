#include "cli/did_you_mean.h"

#include <algorithm>

namespace penstock::cli {
namespace {

// How many characters must be inserted, left out, exchanged or swapped with their neighbor.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> two_before(b.size() + 1);
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) before[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t exchanged = before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({before[j] + 1, now[j - 1] + 1, exchanged});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], two_before[j - 2] + 1);
      }
    }
    std::swap(two_before, before);
    std::swap(before, now);
  }
  return before[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view wrong, const std::vector<std::string>& known) {
  constexpr size_t kLongest = 64;  // nobody mistypes more
  if (wrong.size() > kLongest) return {};
  const std::string* nearest = nullptr;
  size_t least = std::max<size_t>(wrong.size() / 3, 1) + 1;
  for (const std::string& name : known) {
    const size_t away = distance(wrong, name);
    if (away >= least) continue;
    least = away;
    nearest = &name;
  }
  return nearest == nullptr ? "" : "; did you mean " + *nearest + "?";
}

}  // namespace penstock::cli
