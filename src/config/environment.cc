#include "config/environment.h"

#include <unistd.h>

#include "config/values.h"

namespace penstock::config {

Environment Environment::of_process() {
  std::map<std::string, std::string, std::less<>> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return Environment(std::move(variables));
}

std::string Environment::text(std::string_view name) const {
  const auto value = get(name);
  return value ? std::string(trimmed(*value)) : std::string();
}

}  // namespace penstock::config
