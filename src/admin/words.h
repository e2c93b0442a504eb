// Figures as people read them: on the status page, in `penstock top` and in the log. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace penstock::admin {

[[nodiscard]] std::string count_text(uint64_t count);                 // 145,700
[[nodiscard]] std::string counted(uint64_t count, const char* noun);  // "1 event", "2 events"
[[nodiscard]] std::string rate_text(double per_second);               // 1,240 (0.4 below 10)
[[nodiscard]] std::string size_text(uint64_t bytes);                  // 160 MiB
[[nodiscard]] std::string duration_text(double seconds);        // 0.4 s, 2 min 14 s, 6 h 20 min
[[nodiscard]] std::string rfc3339(WallTime time);               // 2026-11-23T06:34:40Z
[[nodiscard]] std::string rfc3339_milliseconds(WallTime time);  // 2026-11-23T06:34:40.017Z

}  // namespace penstock::admin
