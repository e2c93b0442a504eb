// Something wrong with the configuration, told so that the operator can mend it: where, what, cure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace penstock::config {

enum class Severity : uint8_t {
  error,    // nothing is started: exit code 2
  warning,  // it runs, but probably not as meant
};

struct Problem {
  std::string file;  // empty: the environment
  int line = 0;      // from 1; 0: no line
  std::string key;   // "streams.audit.aggregation", "sources[0].forward.listen", a variable's name
  std::string message;
  std::string cure;
  Severity severity = Severity::error;
};

// "penstock.yaml:12: streams.audit.agregation: unknown key (cure: did you mean 'aggregation'?)"
[[nodiscard]] std::string to_string(const Problem& problem);

[[nodiscard]] bool has_error(const std::vector<Problem>& problems);

}  // namespace penstock::config
