#include "config/problem.h"

#include <algorithm>

namespace penstock::config {

std::string to_string(const Problem& problem) {
  std::string line = problem.file.empty() ? "environment" : problem.file;
  if (problem.line > 0) line += ":" + std::to_string(problem.line);
  line += ": ";
  if (!problem.key.empty()) line += problem.key + ": ";
  line += problem.message;
  if (!problem.cure.empty()) line += " (cure: " + problem.cure + ")";
  return line;
}

bool has_error(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(),
                     [](const Problem& p) { return p.severity == Severity::error; });
}

}  // namespace penstock::config
