// Every metric the process has, declared once: name, type, labels, sentence. exposition.cc looks
// its names up here, and doc/metrics.md is printed from it. The names are a promise to dashboards
// and alerts: they do not change.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace penstock::metrics {

enum class Type : uint8_t { counter, gauge, histogram };

struct Descriptor {
  std::string_view name;
  Type type;
  std::string_view labels[2];  // "" where there are fewer
  std::string_view help;
};

// In the order of a scrape.
[[nodiscard]] std::span<const Descriptor> descriptors();
// Stops the process when there is no such metric.
[[nodiscard]] const Descriptor& descriptor_of(std::string_view name);

// doc/metrics.md.
[[nodiscard]] std::string metrics_reference();

}  // namespace penstock::metrics
