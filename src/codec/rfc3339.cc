#include "codec/rfc3339.h"

#include <cstring>

#include "base/check.h"

namespace penstock::codec {
namespace {

constexpr int64_t kSecondsMin = -62'167'219'200;  // 0000-01-01T00:00:00Z
constexpr int64_t kSecondsMax = 253'402'300'799;  // 9999-12-31T23:59:59Z
constexpr int64_t kDaySeconds = 86'400;

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": the calendar in eras of 400 years,
// years beginning in March so that the leap day is the last.
struct Civil {
  uint32_t year, month, day;
};

Civil civil_of(int64_t days_since_1970) {
  const int64_t shifted = days_since_1970 + 719'468;  // since 0000-03-01
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const auto day_of_era = static_cast<uint32_t>(shifted - era * 146'097);
  const uint32_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146'096) / 365;
  const uint32_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint32_t shifted_month = (5 * day_of_year + 2) / 153;
  const uint32_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const int64_t year = static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0);
  return {static_cast<uint32_t>(year), month, day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

int64_t days_of(Civil date) {
  const int64_t year = static_cast<int64_t>(date.year) - (date.month <= 2 ? 1 : 0);
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t shifted_month = date.month > 2 ? date.month - 3 : date.month + 9;
  const int64_t day_of_year = (153 * shifted_month + 2) / 5 + date.day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

uint8_t* write_digits(uint8_t* to, uint32_t value, size_t digits) {
  for (size_t i = digits; i-- > 0; value /= 10) to[i] = static_cast<uint8_t>('0' + value % 10);
  return to + digits;
}

// Takes the digits and, when it is not 0, the letter behind them off the text.
std::optional<uint32_t> take(std::string_view& text, size_t digits, char behind) {
  if (text.size() < digits + (behind != 0 ? 1 : 0)) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + static_cast<uint32_t>(text[i] - '0');
  }
  if (behind != 0 && text[digits] != behind) return std::nullopt;
  text.remove_prefix(digits + (behind != 0 ? 1 : 0));
  return value;
}

std::optional<int64_t> take_offset_seconds(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const int64_t sign = text[0] == '+' ? 1 : -1;
  text.remove_prefix(1);
  const auto hours = take(text, 2, ':');
  const auto minutes = hours ? take(text, 2, 0) : std::nullopt;
  if (!minutes || !text.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (static_cast<int64_t>(*hours) * 3600 + static_cast<int64_t>(*minutes) * 60);
}

uint32_t days_in_month(uint32_t year, uint32_t month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

}  // namespace

bool has_rfc3339(codec::EventTime time) {
  return time.seconds >= kSecondsMin && time.seconds <= kSecondsMax &&
         time.nanoseconds < 1'000'000'000;
}

CalendarTime calendar_time(codec::EventTime time) {
  CHECK(has_rfc3339(time));
  int64_t days = time.seconds / kDaySeconds;
  int64_t second_of_day = time.seconds % kDaySeconds;
  if (second_of_day < 0) {
    second_of_day += kDaySeconds;
    --days;
  }
  const Civil date = civil_of(days);
  const auto seconds = static_cast<uint32_t>(second_of_day);
  CalendarTime at{};
  at.year = date.year;
  at.month = date.month;
  at.day = date.day;
  at.hour = seconds / 3600;
  at.minute = seconds / 60 % 60;
  at.second = seconds % 60;
  at.day_of_year = static_cast<uint32_t>(days - days_of({date.year, 1, 1})) + 1;
  at.weekday = static_cast<uint32_t>(((days + 4) % 7 + 7) % 7);  // 1970 began on a Thursday
  return at;
}

uint8_t* write_rfc3339(uint8_t* to, codec::EventTime time) {
  const CalendarTime at = calendar_time(time);
  to = write_digits(to, at.year, 4);
  *to++ = '-';
  to = write_digits(to, at.month, 2);
  *to++ = '-';
  to = write_digits(to, at.day, 2);
  *to++ = 'T';
  to = write_digits(to, at.hour, 2);
  *to++ = ':';
  to = write_digits(to, at.minute, 2);
  *to++ = ':';
  to = write_digits(to, at.second, 2);
  *to++ = '.';
  to = write_digits(to, time.nanoseconds, 9);
  *to++ = 'Z';
  return to;
}

std::optional<codec::EventTime> parse_rfc3339(std::string_view text) {
  const auto year = take(text, 4, '-');
  const auto month = year ? take(text, 2, '-') : std::nullopt;
  const auto day = month ? take(text, 2, 0) : std::nullopt;
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > days_in_month(*year, *month)) {
    return std::nullopt;
  }
  if (text.empty() || (text[0] != 'T' && text[0] != 't' && text[0] != ' ')) return std::nullopt;
  text.remove_prefix(1);
  const auto hour = take(text, 2, ':');
  const auto minute = hour ? take(text, 2, ':') : std::nullopt;
  const auto second = minute ? take(text, 2, 0) : std::nullopt;
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;  // 60: leap

  uint32_t nanoseconds = 0;
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    uint32_t unit = 100'000'000;
    size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
      nanoseconds += static_cast<uint32_t>(text[digits] - '0') * unit;
      unit /= 10;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
  }
  const auto offset = take_offset_seconds(text);
  if (!offset) return std::nullopt;
  const int64_t seconds = days_of({*year, *month, *day}) * kDaySeconds + *hour * 3600 +
                          *minute * 60 + *second - *offset;
  return codec::EventTime{seconds, nanoseconds};
}

}  // namespace penstock::codec
