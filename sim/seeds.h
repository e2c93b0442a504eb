// For the tests: which seeds are to be run.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "base/log.h"
#include "trace.h"

namespace penstock::sim {

[[nodiscard]] inline uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// The log of what is being provoked would drown everything else.
inline void be_quiet() {
  if (!is_tracing()) set_log_level(LogLevel::error);
}

}  // namespace penstock::sim
