#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/bytes.h"
#include "codec/rfc3339.h"
#include "protocol/syslog/header.h"

// RFC 3164 says what was seen on the wire in 2001; what is seen since:
//
//   Oct 11 22:14:15 host tag[pid]: text      the RFC's own
//   Oct  1 22:14:15 tag: text                no host (syslog(3), busybox)
//   Oct 11 2024 22:14:15.123 host text       with a year, a fraction, no tag
//   2024-10-11T22:14:15.123+02:00 host tag:  RSYSLOG_ForwardFormat and most others of today
//   2024-10-11 22:14:15 host tag: text
//   tag[pid]: text                           no time
//   text

namespace penstock::protocol::syslog {
namespace {

using codec::EventTime;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

std::string_view first_word(std::string_view text) { return text.substr(0, text.find(' ')); }

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

// hh:mm:ss with an optional fraction
bool take_clock(std::string_view& text, std::string& clock) {
  std::string hours;
  std::string minutes;
  std::string seconds;
  if (!take_digits(text, 1, 2, hours) || !take(text, ":") || !take_digits(text, 2, 2, minutes) ||
      !take(text, ":") || !take_digits(text, 2, 2, seconds)) {
    return false;
  }
  if (hours.size() == 1) hours.insert(0, "0");
  clock = hours + ":" + minutes + ":" + seconds;
  std::string fraction;
  if (std::string_view rest = text; take(rest, ".") && take_digits(rest, 1, 12, fraction)) {
    clock += "." + fraction;
    text = rest;
  }
  return true;
}

// "Oct" to "10"
bool take_month(std::string_view& text, std::string& month) {
  constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                     "jul", "aug", "sep", "oct", "nov", "dec"};
  if (text.size() < 4 || text[3] != ' ') return false;
  std::string name(text.substr(0, 3));
  for (char& c : name) c = static_cast<char>(c | 0x20);
  const auto found = std::find(kMonths.begin(), kMonths.end(), name);
  if (found == kMonths.end()) return false;
  const auto number = static_cast<size_t>(found - kMonths.begin()) + 1;
  month = (number < 10 ? "0" : "") + std::to_string(number);
  text.remove_prefix(4);
  return true;
}

// The latest year that does not bring a date into the future, but for clocks that are a little
// ahead: who sends a time without its year sends it soon.
std::optional<EventTime> latest(const std::string& month_to_second, EventTime received,
                                std::string& timestamp) {
  constexpr int64_t kAheadMax = 7 * 86'400;  // s
  constexpr int kYearsBack = 8;              // a 29th of February may be that long ago
  std::array<uint8_t, codec::kRfc3339Size> now{};
  if (!codec::has_rfc3339(received)) return std::nullopt;
  codec::write_rfc3339(now.data(), received);
  const int this_year = std::atoi(std::string(as_text({now.data(), 4})).c_str());
  for (int year = this_year + 1; year >= this_year - kYearsBack; --year) {
    timestamp = std::to_string(year) + "-" + month_to_second;
    const auto time = codec::parse_rfc3339(timestamp);
    if (time && time->seconds <= received.seconds + kAheadMax) return time;
  }
  return std::nullopt;
}

// Mmm dd [yyyy] hh:mm:ss, or the year first.
bool take_bsd_time(std::string_view& text, EventTime received, Header& header) {
  std::string_view rest = text;
  std::string year;
  std::string month;
  std::string day;
  std::string clock;
  if (std::string_view behind = rest; take_digits(behind, 4, 4, year) && take(behind, " ")) {
    rest = behind;
  } else {
    year.clear();
  }
  if (!take_month(rest, month)) return false;
  take(rest, " ");  // a day of one digit is padded with a space
  if (!take_digits(rest, 1, 2, day) || !take(rest, " ")) return false;
  if (day.size() == 1) day.insert(0, "0");
  if (std::string_view behind = rest;
      year.empty() && take_digits(behind, 4, 4, year) && take(behind, " ")) {
    rest = behind;
  } else if (behind.size() != rest.size()) {
    year.clear();
  }
  if (!take_clock(rest, clock)) return false;
  const std::string date = month + "-" + day + "T" + clock + "Z";
  if (year.empty()) {
    header.time = latest(date, received, header.timestamp);
  } else {
    header.timestamp = year + "-" + date;
    header.time = codec::parse_rfc3339(header.timestamp);
  }
  if (!header.time) return false;
  text = rest;
  return true;
}

// 2024-10-11T22:14:15+02:00, or with a space for the T and no zone
bool take_iso_time(std::string_view& text, Header& header) {
  const std::string_view word = first_word(text);
  if (word.size() < 10 || !is_digit(word[0]) || word[4] != '-') return false;
  std::string_view whole = word;
  if (whole.ends_with(':')) whole.remove_suffix(1);
  if ((header.time = codec::parse_rfc3339(whole))) {
    header.timestamp = whole;
    text.remove_prefix(word.size());
    return true;
  }
  std::string_view rest = text.substr(word.size());
  std::string clock;
  if (word.size() != 10 || !take(rest, " ") || !take_clock(rest, clock)) return false;
  header.timestamp = std::string(word) + "T" + clock + "Z";
  header.time = codec::parse_rfc3339(header.timestamp);
  if (!header.time) return false;
  text = rest;
  return true;
}

// name[pid]: or name: , with what belongs to it taken off the front.
bool take_tag(std::string_view& text, Header& header) {
  constexpr size_t kNameMax = 128;
  const auto is_name = [](char c) {
    return is_letter(c) || is_digit(c) ||
           std::string_view("-_./@%#+()").find(c) != std::string_view::npos;
  };
  size_t size = 0;
  while (size < text.size() && is_name(text[size])) ++size;
  if (size == 0 || size > kNameMax || size == text.size()) return false;
  std::string_view rest = text.substr(size);
  std::string_view process_id;
  if (take(rest, "[")) {
    const size_t end = rest.find_first_of("] ");
    if (end == std::string_view::npos || rest[end] != ']') return false;
    process_id = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    take(rest, ":");
  } else if (!take(rest, ":")) {
    return false;
  }
  if (!rest.empty() && rest.front() != ' ') return false;
  header.app_name = text.substr(0, size);
  header.process_id = process_id;
  text = rest;
  return true;
}

bool take_hostname(std::string_view& text, Header& header) {
  constexpr size_t kNameMax = 255;
  const std::string_view word = first_word(text);
  const bool is_name = std::all_of(word.begin(), word.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_' || c == ':';
  });
  if (word.empty() || word.size() > kNameMax || !is_name || word.size() == text.size())
    return false;
  header.hostname = word;
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

void read_rfc3164(std::string_view text, EventTime received, Header& header) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  header.text = text;
  const bool has_time = take_iso_time(text, header) || take_bsd_time(text, received, header);
  if (!has_time) {
    header.time.reset();
    header.timestamp.clear();
  } else if (!text.empty() && text.front() != ' ' && text.front() != ':') {
    header.time.reset();  // "22:14:15x": it was no time after all
    header.timestamp.clear();
    text = header.text;
  }
  if (header.time) {
    take(text, ":");
    while (text.starts_with(' ')) text.remove_prefix(1);
    if (!take_tag(text, header) && take_hostname(text, header)) {
      while (text.starts_with(' ')) text.remove_prefix(1);
      take_tag(text, header);
    }
  } else {
    take_tag(text, header);
  }
  if (text.starts_with(' ')) text.remove_prefix(1);
  header.text = text;
}

}  // namespace penstock::protocol::syslog
