#include "protocol/syslog/header.h"

namespace penstock::protocol::syslog {
namespace {

// "<999>1 2024-06-11T…": what stands where the priority should, kept as it is. Only before a header
// of RFC 5424, or a time: else it is text.
bool read_behind_invalid_priority(std::string_view text, codec::EventTime received,
                                  Header& header) {
  constexpr size_t kBracketsMax = 12;
  const size_t end = text.substr(0, kBracketsMax).find('>');
  if (!text.starts_with('<') || end == std::string_view::npos) return false;
  Header read;
  read.invalid_priority = text.substr(0, end + 1);
  text.remove_prefix(end + 1);
  if (!read_rfc5424(text, received, read)) {
    read_rfc3164(text, received, read);
    if (!read.time) return false;
  }
  header = std::move(read);
  return true;
}

}  // namespace

std::optional<uint8_t> take_priority(std::string_view& text) {
  constexpr unsigned kPriorityMax = 191;
  const size_t end = text.substr(0, 5).find('>');
  if (!text.starts_with('<') || end == std::string_view::npos || end < 2) return std::nullopt;
  const std::string_view digits = text.substr(1, end - 1);
  unsigned priority = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    priority = priority * 10 + static_cast<unsigned>(c - '0');
  }
  if (priority > kPriorityMax) return std::nullopt;
  text.remove_prefix(end + 1);
  return static_cast<uint8_t>(priority);
}

Header read_header(std::string_view message, codec::EventTime received) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";  // of UTF-8
  while (message.starts_with(' ')) message.remove_prefix(1);
  if (message.starts_with(kMark)) message.remove_prefix(kMark.size());
  while (message.starts_with(' ')) message.remove_prefix(1);
  Header header;
  header.priority = take_priority(message);
  if (!header.priority && read_behind_invalid_priority(message, received, header)) return header;
  if (!read_rfc5424(message, received, header)) read_rfc3164(message, received, header);
  return header;
}

}  // namespace penstock::protocol::syslog
