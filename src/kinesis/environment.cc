#include "kinesis/environment.h"

#include <strings.h>

#include <cstdlib>

namespace penstock::kinesis {

Environment process_environment() {
  return [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
  };
}

std::string environment_text(const Environment& environment, const char* name) {
  constexpr const char* kBlanks = " \t\r\n\v\f";
  const std::string value = environment(name);
  const size_t first = value.find_first_not_of(kBlanks);
  if (first == std::string::npos) return {};
  return value.substr(first, value.find_last_not_of(kBlanks) - first + 1);
}

bool environment_flag(const Environment& environment, const char* name) {
  return strcasecmp(environment_text(environment, name).c_str(), "true") == 0;
}

}  // namespace penstock::kinesis
