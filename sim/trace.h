// PENSTOCK_SIM_TRACE=1: one seed of the delivery simulation says what happens in it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::sim {

[[nodiscard]] inline bool is_tracing() {
  static const bool is = std::getenv("PENSTOCK_SIM_TRACE") != nullptr;
  return is;
}

inline void trace_numbers(std::string_view what, const std::vector<uint32_t>& numbers) {
  if (!is_tracing()) return;
  std::string line(what);
  for (const uint32_t number : numbers) line += " " + std::to_string(number);
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace penstock::sim
