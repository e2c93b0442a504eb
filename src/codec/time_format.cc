#include "codec/time_format.h"

#include <array>

#include "base/check.h"
#include "codec/json_writer.h"
#include "codec/rfc3339.h"

namespace penstock::codec {
namespace {

constexpr size_t kPatternBytesMax = 256;
constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};

std::string padded(uint32_t value, size_t width, char fill = '0') {
  std::string digits = std::to_string(value);
  if (digits.size() < width) digits.insert(0, width - digits.size(), fill);
  return digits;
}

uint32_t hour_of_twelve(uint32_t hour) { return hour % 12 == 0 ? 12 : hour % 12; }

std::string fraction(EventTime time, size_t digits) {
  return padded(time.nanoseconds, 9).substr(0, digits);
}

// The directive behind the %: its length, 0: not known.
size_t directive_size(std::string_view behind) {
  if (behind.starts_with("3N") || behind.starts_with("6N") || behind.starts_with("9N") ||
      behind.starts_with(":z")) {
    return 2;
  }
  constexpr std::string_view kOne = "YmdHMSLNyCejklIpbhBaAuwszZFTDRnt%";
  return !behind.empty() && kOne.find(behind[0]) != std::string_view::npos ? 1 : 0;
}

std::string date_text(char directive, const CalendarTime& at) {
  switch (directive) {
    case 'Y':
      return padded(at.year, 4);
    case 'C':
      return padded(at.year / 100, 2);
    case 'y':
      return padded(at.year % 100, 2);
    case 'm':
      return padded(at.month, 2);
    case 'd':
      return padded(at.day, 2);
    case 'e':
      return padded(at.day, 2, ' ');
    case 'j':
      return padded(at.day_of_year, 3);
    case 'b':
    case 'h':
      return std::string(kMonths[at.month - 1].substr(0, 3));
    case 'B':
      return std::string(kMonths[at.month - 1]);
    case 'a':
      return std::string(kWeekdays[at.weekday].substr(0, 3));
    case 'A':
      return std::string(kWeekdays[at.weekday]);
    case 'u':
      return std::to_string(at.weekday == 0 ? 7 : at.weekday);
    default:
      return std::to_string(at.weekday);  // w
  }
}

std::string clock_text(char directive, const CalendarTime& at) {
  switch (directive) {
    case 'H':
      return padded(at.hour, 2);
    case 'k':
      return padded(at.hour, 2, ' ');
    case 'I':
      return padded(hour_of_twelve(at.hour), 2);
    case 'l':
      return padded(hour_of_twelve(at.hour), 2, ' ');
    case 'p':
      return at.hour < 12 ? "AM" : "PM";
    case 'M':
      return padded(at.minute, 2);
    default:
      return padded(at.second, 2);  // S
  }
}

std::string formatted(std::string_view pattern, EventTime time, const CalendarTime& at);

std::string directive_text(std::string_view directive, EventTime time, const CalendarTime& at) {
  if (directive == ":z") return "+00:00";
  if (directive.size() == 2) return fraction(time, static_cast<size_t>(directive[0] - '0'));
  switch (directive[0]) {
    case 'L':
      return fraction(time, 3);
    case 'N':
      return fraction(time, 9);
    case 's':
      return std::to_string(time.seconds);
    case 'z':
      return "+0000";
    case 'Z':
      return "UTC";
    case 'F':
      return formatted("%Y-%m-%d", time, at);
    case 'T':
      return formatted("%H:%M:%S", time, at);
    case 'D':
      return formatted("%m/%d/%y", time, at);
    case 'R':
      return formatted("%H:%M", time, at);
    case 'n':
      return "\n";
    case 't':
      return "\t";
    case '%':
      return "%";
    default:
      break;
  }
  constexpr std::string_view kClock = "HkIlpMS";
  const bool is_clock = kClock.find(directive[0]) != std::string_view::npos;
  return is_clock ? clock_text(directive[0], at) : date_text(directive[0], at);
}

std::string formatted(std::string_view pattern, EventTime time, const CalendarTime& at) {
  std::string text;
  for (size_t i = 0; i < pattern.size();) {
    if (pattern[i] != '%') {
      text += pattern[i++];
      continue;
    }
    const size_t size = directive_size(pattern.substr(i + 1));
    CHECK(size > 0);  // parse() took no others
    text += directive_text(pattern.substr(i + 1, size), time, at);
    i += 1 + size;
  }
  return text;
}

}  // namespace

Result<TimeFormat, std::string> TimeFormat::parse(std::string_view text) {
  TimeFormat format;
  if (text == "rfc3339") return format;
  if (text == "unix" || text == "unix_ms") {
    format.kind_ = text == "unix" ? Kind::unix_seconds : Kind::unix_milliseconds;
    return format;
  }
  if (text.find('%') == std::string_view::npos) {
    return failure(std::string("use rfc3339, unix, unix_ms or a text such as %Y-%m-%dT%H:%M:%S"));
  }
  if (text.size() > kPatternBytesMax) return failure(std::string("use at most 256 bytes"));
  for (size_t at = text.find('%'); at != std::string_view::npos;) {
    const size_t size = directive_size(text.substr(at + 1));
    if (size == 0) {
      return failure("%" + std::string(text.substr(at + 1, 1)) +
                     " is no directive: use those of strftime, or %% for a percent sign");
    }
    at = text.find('%', at + 1 + size);
  }
  format.kind_ = Kind::pattern;
  format.pattern_ = text;
  return format;
}

void TimeFormat::append_json(ByteBuffer& out, EventTime time) const {
  if (!has_rfc3339(time)) return out.append("null");
  switch (kind_) {
    case Kind::rfc3339: {
      uint8_t text[kRfc3339Size + 2];
      text[0] = '"';
      uint8_t* end = write_rfc3339(text + 1, time);
      *end++ = '"';
      return out.append(ByteView(text, static_cast<size_t>(end - text)));
    }
    case Kind::unix_seconds:
      return out.append(std::to_string(time.seconds));
    case Kind::unix_milliseconds:
      return out.append(std::to_string(time.seconds * 1000 + time.nanoseconds / 1'000'000));
    case Kind::pattern:
      return append_json_string(out, formatted(pattern_, time, calendar_time(time)));
  }
}

}  // namespace penstock::codec
