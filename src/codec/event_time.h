// When an event happened, as Fluentd's EventTime has it: seconds and nanoseconds since 1970, UTC.
#pragma once

#include <cstdint>

namespace penstock::codec {

struct EventTime {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
  bool operator==(const EventTime&) const = default;
};

constexpr EventTime event_time_of(int64_t unix_nanoseconds) {
  int64_t seconds = unix_nanoseconds / 1'000'000'000;
  int64_t rest = unix_nanoseconds % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  return {seconds, static_cast<uint32_t>(rest)};
}

}  // namespace penstock::codec
