// TimeFormat: how a time is written as a JSON value, always in UTC.
//
//   rfc3339    "2024-06-11T08:15:00.279757487Z", a text
//   unix       1718093700, a number: seconds since 1970
//   unix_ms    1718093700279, a number: milliseconds since 1970
//   with a %   a text, by the directives of strftime and Ruby's: %Y %m %d %H %M %S %L (3 digits)
//              %N (9) %3N %6N %9N %y %C %e %j %k %l %I %p %b %h %B %a %A %u %w %s %z %:z %Z %F %T
//              %D %R %n %t %%; names are English
//
// A time that RFC 3339 has no words for (has_rfc3339()) is null in each of them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/event_time.h"

namespace penstock::codec {

class TimeFormat {
 public:
  TimeFormat() = default;  // rfc3339
  // The error says what to write instead.
  [[nodiscard]] static Result<TimeFormat, std::string> parse(std::string_view text);

  void append_json(ByteBuffer& out, EventTime time) const;

 private:
  enum class Kind : uint8_t { rfc3339, unix_seconds, unix_milliseconds, pattern };

  Kind kind_ = Kind::rfc3339;
  std::string pattern_;
};

}  // namespace penstock::codec
