#include <algorithm>

#include "protocol/syslog/header.h"
#include "protocol/syslog/timestamp.h"

// RFC 3164 says what was seen on the wire in 2001; what is seen since:
//
//   Oct 11 22:14:15 host tag[pid]: text      the RFC's own
//   Oct  1 22:14:15 tag: text                no host (syslog(3), busybox)
//   Oct 11 2024 22:14:15.123 host text       with a year, a fraction, no tag
//   2024-10-11T22:14:15.123+02:00 host tag:  RSYSLOG_ForwardFormat and most others of today
//   tag[pid]: text                           no time
//   237: host: *Oct 11 22:14:15.123 CEST: %SYS-5-CONFIG_I: text     Cisco IOS
//   Oct 11 2024 22:14:15 host : %ASA-6-302013: text                 Cisco ASA
//   Oct 11 22:14:15 Message forwarded from host: tag[pid]: text     AIX
//   text
//
// (rsyslog's pmrfc3164, pmciscoios and pmaixforwardedfrom; syslog-ng's cisco-parser.)

namespace penstock::protocol::syslog {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

std::string_view first_word(std::string_view text) { return text.substr(0, text.find(' ')); }

void pass_spaces(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool is_hostname(std::string_view word) {
  constexpr size_t kNameMax = 255;
  const bool is_v6 = word.find(':') != std::string_view::npos;  // %eth0 is its scope
  return !word.empty() && word.size() <= kNameMax && word.front() != '/' && word.front() != '@' &&
         std::all_of(word.begin(), word.end(), [is_v6](char c) {
           return is_letter(c) || is_digit(c) || (c == '%' && is_v6) ||
                  std::string_view(".-_:@/").find(c) != std::string_view::npos;
         });
}

// "%SYS-5-CONFIG_I:"
bool is_cisco_message(std::string_view text) {
  const std::string_view word = first_word(text);
  return word.size() > 4 && word[0] == '%' && is_letter(word[1]) && word.ends_with(':') &&
         word.find('-') != std::string_view::npos;
}

bool take_time(std::string_view& text, codec::EventTime received, Header& header) {
  auto timestamp = take_timestamp(text, received);
  if (!timestamp) return false;
  header.time = timestamp->time;
  header.timestamp = std::move(timestamp->text);
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
  const bool is_number = std::all_of(text.begin(), text.begin() + size, is_digit);
  std::string_view rest = text.substr(size);
  std::string_view process_id;
  if (take(rest, "[")) {
    const size_t end = rest.find_first_of("] ");
    if (end == std::string_view::npos || rest[end] != ']') return false;
    process_id = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    take(rest, ":");
  } else if (is_number || !take(rest, ":")) {
    return false;
  }
  if (!rest.empty() && rest.front() != ' ') return false;
  header.app_name = text.substr(0, size);
  header.process_id = process_id;
  text = rest;
  return true;
}

bool take_hostname(std::string_view& text, Header& header) {
  const std::string_view word = first_word(text);
  if (!is_hostname(word) || word.size() == text.size()) return false;
  header.hostname = word;
  text.remove_prefix(word.size());
  return true;
}

// "237: ", "rtr1: 237: ", "237: rtr1: ", what says how good the clock is, and the time, before a
// %FACILITY-SEVERITY-MNEMONIC: of Cisco. Anything else is left as it is.
bool take_cisco_head(std::string_view& text, codec::EventTime received, Header& header) {
  constexpr size_t kHeadMax = 200;
  constexpr size_t kPartsMax = 3;
  if (text.substr(0, kHeadMax).find('%') == std::string_view::npos) return false;
  Header read;
  std::string_view rest = text;
  for (size_t i = 0; i < kPartsMax; ++i) {
    const std::string_view word = first_word(rest);
    if (word.size() < 2 || !word.ends_with(':') || word.starts_with('%')) break;
    const std::string_view part = word.substr(0, word.size() - 1);
    if (!is_hostname(part) || part.find(':') != std::string_view::npos) break;
    const bool is_number = std::all_of(part.begin(), part.end(), is_digit);
    std::string_view& field = is_number ? read.sequence : read.hostname;
    if (field.empty()) field = part;
    rest.remove_prefix(word.size());
    pass_spaces(rest);
  }
  const bool is_rated = take(rest, "*") || take(rest, ".") || take(rest, ":");
  const bool has_time = take_time(rest, received, read);
  if (has_time) {
    if (!rest.starts_with(": ") && !rest.starts_with(" :")) return false;
    rest.remove_prefix(2);
    pass_spaces(rest);
  }
  if (!is_cisco_message(rest) || (!has_time && is_rated)) return false;
  header.sequence = read.sequence;
  header.hostname = read.hostname;
  header.time = read.time;
  header.timestamp = std::move(read.timestamp);
  text = rest;
  return true;
}

// Behind the time: the host and the tag, or one of them.
void take_names(std::string_view& text, Header& header) {
  take(text, ":");
  pass_spaces(text);
  std::string_view rest = text;
  if (take(rest, "Message forwarded from ")) {  // AIX
    const size_t colon = rest.find(": ");
    if (colon != std::string_view::npos && is_hostname(rest.substr(0, colon))) {
      header.hostname = rest.substr(0, colon);
      text = rest.substr(colon + 2);
      take_tag(text, header);
      return;
    }
  }
  if (take_tag(text, header) || !take_hostname(text, header)) return;
  pass_spaces(text);
  take(text, ": ");  // ASA
  take_tag(text, header);
}

}  // namespace

void read_rfc3164(std::string_view text, codec::EventTime received, Header& header) {
  pass_spaces(text);
  if (take_cisco_head(text, received, header)) {
    take_tag(text, header);
  } else if (take_time(text, received, header)) {
    take_names(text, header);
  } else if (!take_tag(text, header)) {
    const std::string_view word = first_word(text);
    if (is_hostname(word) && text.substr(word.size()).starts_with(" : %")) {  // ASA
      header.hostname = word;
      text.remove_prefix(word.size() + 3);
      take_tag(text, header);
    }
  }
  header.is_partly_read = header.app_name.empty();
  if (text.starts_with(' ')) text.remove_prefix(1);
  header.text = text;
}

}  // namespace penstock::protocol::syslog
