// Times as people write them before a syslog message, to RFC 3339:
//
//   2024-06-11T08:15:00.5+02:00    as it should be; kept as it was sent
//   2024-06-11 08:15:00,5 +0200    a space for the T, a comma, an offset without its colon or none
//   Jun 11 08:15:00                no year: the latest that is not in the future; no zone: UTC
//   Tue Jun  1 2024 8:15:00.5 CEST the weekday, the year before or behind, a zone's name
//
// Pure; thread: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codec/event_time.h"

namespace penstock::protocol::syslog {

struct Timestamp {
  codec::EventTime time;
  std::string text;  // RFC 3339
};

// Takes a time off the front of text; nullopt: there is none, and the text is untouched. What
// stands behind it is the end, a space or a colon.
[[nodiscard]] std::optional<Timestamp> take_timestamp(std::string_view& text,
                                                      codec::EventTime received);

}  // namespace penstock::protocol::syslog
