#include "protocol/syslog/timestamp.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "codec/rfc3339.h"

namespace penstock::protocol::syslog {
namespace {

using codec::EventTime;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool ends_time(std::string_view rest) {
  return rest.empty() || rest.front() == ' ' || rest.front() == ':';
}

// Digits, `count_min` to `count_max` of them, off the front.
bool take_digits(std::string_view& text, size_t count_min, size_t count_max, std::string& digits) {
  size_t count = 0;
  while (count < std::min(text.size(), count_max) && is_digit(text[count])) ++count;
  if (count < count_min) return false;
  digits = text.substr(0, count);
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

void pad(std::string& number) {
  if (number.size() == 1) number.insert(0, "0");
}

// hh:mm:ss with an optional fraction
bool take_clock(std::string_view& text, std::string& clock) {
  std::string hours;
  std::string minutes;
  std::string seconds;
  if (!take_digits(text, 1, 2, hours) || !take(text, ":") || !take_digits(text, 2, 2, minutes) ||
      !take(text, ":") || !take_digits(text, 2, 2, seconds)) {
    return false;
  }
  pad(hours);
  clock = hours + ":" + minutes + ":" + seconds;
  std::string fraction;
  std::string_view rest = text;
  if ((take(rest, ".") || take(rest, ",")) && take_digits(rest, 1, 12, fraction)) {
    clock += "." + fraction;
    text = rest;
  }
  return true;
}

// Z, +02:00, +0200, +02, perhaps behind a space. Nothing of the kind: UTC.
std::string take_offset(std::string_view& text) {
  std::string_view rest = text;
  take(rest, " ");
  std::string offset = "Z";
  if (!take(rest, "Z") && !take(rest, "z")) {
    if (!rest.starts_with('+') && !rest.starts_with('-')) return "Z";
    offset = rest.substr(0, 1);
    rest.remove_prefix(1);
    std::string hours;
    std::string minutes = "00";
    if (!take_digits(rest, 2, 2, hours)) return "Z";
    take(rest, ":");
    if (!rest.empty() && is_digit(rest.front()) && !take_digits(rest, 2, 2, minutes)) return "Z";
    offset += hours + ":" + minutes;
  }
  if (!ends_time(rest)) return "Z";
  text = rest;
  return offset;
}

struct Zone {
  std::string_view name;
  std::string_view offset;
};
// Those of RFC 822 and Europe's. Others are ambiguous, or nobody's: taken for UTC.
constexpr std::array<Zone, 18> kZones{{{"UTC", "Z"},
                                       {"GMT", "Z"},
                                       {"UT", "Z"},
                                       {"EST", "-05:00"},
                                       {"EDT", "-04:00"},
                                       {"CST", "-06:00"},
                                       {"CDT", "-05:00"},
                                       {"MST", "-07:00"},
                                       {"MDT", "-06:00"},
                                       {"PST", "-08:00"},
                                       {"PDT", "-07:00"},
                                       {"WET", "Z"},
                                       {"WEST", "+01:00"},
                                       {"CET", "+01:00"},
                                       {"CEST", "+02:00"},
                                       {"EET", "+02:00"},
                                       {"EEST", "+03:00"},
                                       {"MSK", "+03:00"}}};

bool starts_with_year(std::string_view text) {
  return text.size() >= 4 && (text.starts_with("19") || text.starts_with("20")) &&
         is_digit(text[2]) && is_digit(text[3]) && ends_time(text.substr(4));
}

// A zone's name behind a clock: one that is known, or any where a colon or a year follows.
std::string take_zone(std::string_view& text) {
  constexpr size_t kNameMax = 5;
  std::string_view rest = text;
  if (!take(rest, " ")) return take_offset(text);
  size_t size = 0;
  while (size < rest.size() && is_upper(rest[size])) ++size;
  const std::string_view name = rest.substr(0, size);
  rest.remove_prefix(size);
  if (size < 2 || size > kNameMax || !ends_time(rest)) return take_offset(text);
  const auto* const known = std::find_if(kZones.begin(), kZones.end(),
                                         [&](const Zone& zone) { return zone.name == name; });
  const bool is_meant =
      rest.starts_with(':') || (rest.starts_with(' ') && starts_with_year(rest.substr(1)));
  if (known == kZones.end() && !is_meant) return "Z";
  text = rest;
  return std::string(known == kZones.end() ? "Z" : known->offset);
}

// The number of a name in a list, from 1, and the space behind it, off the front.
template <size_t kCount>
size_t take_name(std::string_view& text, const std::array<std::string_view, kCount>& names) {
  if (text.size() < 4) return 0;
  std::string name(text.substr(0, 3));
  for (char& c : name) c = static_cast<char>(c | 0x20);
  const auto* const found = std::find(names.begin(), names.end(), name);
  std::string_view rest = text.substr(3);
  take(rest, ",");
  if (found == names.end() || !take(rest, " ")) return 0;
  text = rest;
  return static_cast<size_t>(found - names.begin()) + 1;
}

// "Oct" to "10"
bool take_month(std::string_view& text, std::string& month) {
  constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                     "jul", "aug", "sep", "oct", "nov", "dec"};
  month = std::to_string(take_name(text, kMonths));
  pad(month);
  return month != "00";
}

void pass_weekday(std::string_view& text) {
  constexpr std::array<std::string_view, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
  (void)take_name(text, kDays);
}

// The latest year that does not bring a date into the future, except for clocks that are a little
// ahead: who sends a time without its year sends it soon.
std::optional<Timestamp> latest(const std::string& month_to_zone, EventTime received) {
  constexpr int64_t kAheadMax = 7 * 86'400;  // s
  constexpr int kYearsBack = 8;              // a 29th of February may be that long ago
  std::array<uint8_t, codec::kRfc3339Size> now{};
  if (!codec::has_rfc3339(received)) return std::nullopt;
  codec::write_rfc3339(now.data(), received);
  const int this_year = std::atoi(std::string(as_text({now.data(), 4})).c_str());
  for (int year = this_year + 1; year >= this_year - kYearsBack; --year) {
    std::string text = std::to_string(year) + "-" + month_to_zone;
    const auto time = codec::parse_rfc3339(text);
    if (time && time->seconds <= received.seconds + kAheadMax) {
      return Timestamp{*time, std::move(text)};
    }
  }
  return std::nullopt;
}

std::optional<Timestamp> parsed(std::string text) {
  const auto time = codec::parse_rfc3339(text);
  if (!time) return std::nullopt;
  return Timestamp{*time, std::move(text)};
}

// [Tue] Mmm dd [yyyy] hh:mm:ss [zone] [yyyy], or the year first.
std::optional<Timestamp> take_bsd_time(std::string_view& text, EventTime received) {
  std::string_view rest = text;
  std::string year;
  std::string month;
  std::string day;
  std::string clock;
  const auto take_year = [&] {
    std::string_view behind = rest;
    if (!year.empty() || !starts_with_year(rest) || !take_digits(behind, 4, 4, year)) return;
    take(behind, " ");
    rest = behind;
  };
  pass_weekday(rest);
  take_year();
  if (!take_month(rest, month)) return std::nullopt;
  take(rest, " ");  // a day of one digit is padded with a space
  if (!take_digits(rest, 1, 2, day) || !take(rest, " ")) return std::nullopt;
  pad(day);
  take_year();
  if (!take_clock(rest, clock)) return std::nullopt;
  const std::string zone = take_zone(rest);
  if (rest.starts_with(' ') && year.empty() && starts_with_year(rest.substr(1))) {
    rest.remove_prefix(1);
    year = rest.substr(0, 4);
    rest.remove_prefix(4);
  }
  if (!ends_time(rest)) return std::nullopt;  // "22:14:15x": it was no time after all
  const std::string date = month + "-" + day + "T" + clock + zone;
  auto made = year.empty() ? latest(date, received) : parsed(year + "-" + date);
  if (made) text = rest;
  return made;
}

// 2024-10-11T22:14:15+02:00, and what people make of it.
std::optional<Timestamp> take_iso_time(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  std::string_view whole = word;
  if (whole.ends_with(':')) whole.remove_suffix(1);
  if (auto made = parsed(std::string(whole))) {
    text.remove_prefix(whole.size());
    return made;
  }
  std::string_view rest = text;
  std::string year;
  std::string month;
  std::string day;
  std::string clock;
  const auto take_dash = [&] { return take(rest, "-") || take(rest, "/"); };
  if (!take_digits(rest, 4, 4, year) || !take_dash() || !take_digits(rest, 1, 2, month) ||
      !take_dash() || !take_digits(rest, 1, 2, day) ||
      !(take(rest, "T") || take(rest, "t") || take(rest, " ")) || !take_clock(rest, clock)) {
    return std::nullopt;
  }
  pad(month);
  pad(day);
  const std::string zone = take_zone(rest);
  if (!ends_time(rest)) return std::nullopt;
  auto made = parsed(year + "-" + month + "-" + day + "T" + clock + zone);
  if (made) text = rest;
  return made;
}

}  // namespace

std::optional<Timestamp> take_timestamp(std::string_view& text, EventTime received) {
  if (auto made = take_iso_time(text)) return made;
  return take_bsd_time(text, received);
}

}  // namespace penstock::protocol::syslog
