#include "admin/words.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace penstock::admin {
namespace {

std::string tenths(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// "2 min 14 s"; the second part is left out when it is 0.
std::string two_units(uint64_t large, const char* large_unit, uint64_t small,
                      const char* small_unit) {
  std::string text = std::to_string(large) + " " + large_unit;
  if (small > 0) text += " " + std::to_string(small) + " " + small_unit;
  return text;
}

}  // namespace

std::string count_text(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string counted(uint64_t count, const char* noun) {
  return count_text(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string rate_text(double per_second) {
  if (per_second < 0.05) return "0";
  if (per_second < 10) return tenths(per_second);
  return count_text(static_cast<uint64_t>(std::llround(per_second)));
}

std::string size_text(uint64_t bytes) {
  constexpr std::array kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  const bool whole = unit == 0 || value >= 10;
  return (whole ? std::to_string(std::llround(value)) : tenths(value)) + " " + kUnits[unit];
}

std::string duration_text(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 9.95) return tenths(seconds) + " s";
  const auto whole = static_cast<uint64_t>(std::llround(std::min(seconds, 1e12)));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return two_units(whole / 60, "min", whole % 60, "s");
  if (whole < 86400) return two_units(whole / 3600, "h", whole % 3600 / 60, "min");
  const uint64_t days = whole / 86400;
  return two_units(days, days == 1 ? "day" : "days", whole % 86400 / 3600, "h");
}

std::string rfc3339(WallTime time) {
  const std::time_t second = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&second, &utc);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text, length};
}

std::string rfc3339_milliseconds(WallTime time) {
  const auto since_epoch = std::chrono::floor<milliseconds>(time.time_since_epoch()).count();
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(since_epoch % 1000));
  std::string text = rfc3339(time);
  return text.replace(text.size() - 1, 1, fraction);
}

}  // namespace penstock::admin
