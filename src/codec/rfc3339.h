// Times as text: RFC 3339 in UTC with nine digits, `2024-06-11T08:15:00.279757487Z`. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "codec/event_time.h"

namespace penstock::codec {

inline constexpr size_t kRfc3339Size = 30;

// True when the format can say it: years 0000 to 9999, less than a second of nanoseconds.
[[nodiscard]] bool has_rfc3339(codec::EventTime time);
// Writes kRfc3339Size bytes and returns their end. Requires has_rfc3339(time).
uint8_t* write_rfc3339(uint8_t* to, codec::EventTime time);

// Of the proleptic Gregorian calendar, in UTC.
struct CalendarTime {
  uint32_t year, month, day;      // month and day from 1
  uint32_t hour, minute, second;  // from 0
  uint32_t day_of_year;           // from 1
  uint32_t weekday;               // 0: Sunday
};
// Requires has_rfc3339(time).
[[nodiscard]] CalendarTime calendar_time(codec::EventTime time);

// Reads RFC 3339 with any number of fraction digits (those after the ninth are cut off) and any
// offset.
[[nodiscard]] std::optional<codec::EventTime> parse_rfc3339(std::string_view text);

}  // namespace penstock::codec
