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

bool environment_flag(const Environment& environment, const char* name) {
  return strcasecmp(environment(name).c_str(), "true") == 0;
}

}  // namespace penstock::kinesis
