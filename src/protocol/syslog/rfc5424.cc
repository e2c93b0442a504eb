#include <algorithm>

#include "base/bytes.h"
#include "codec/rfc3339.h"
#include "protocol/syslog/header.h"

// RFC 5424 section 6: VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP
// STRUCTURED-DATA [SP MSG]. Lengths are not held to the RFC's: real senders pass them.

namespace penstock::protocol::syslog {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The text up to the next space, which is taken off too; "-" is nothing. False: no space follows.
bool take_word(std::string_view& text, std::string_view& word) {
  const size_t space = text.find(' ');
  if (space == std::string_view::npos || space == 0) return false;
  word = text.substr(0, space);
  text.remove_prefix(space + 1);
  if (word == "-") word = {};
  return true;
}

bool take_version(std::string_view& text) {
  const size_t digits =
      static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
  if (digits == 0 || digits > 3 || text[0] == '0' || text.substr(digits, 1) != " ") return false;
  text.remove_prefix(digits + 1);
  return true;
}

// What is neither nil nor well-formed is left in the text: some senders leave it out. So is what is
// longer than any sender's: values without their escapes are held while they are read.
constexpr size_t kStructuredDataMax = 1_MiB;
std::string_view take_structured_data(std::string_view& text) {
  if (text == "-" || text.starts_with("- ")) {
    text.remove_prefix(1);
    return {};
  }
  const std::string_view within = text.substr(0, kStructuredDataMax);
  StructuredData reader(within);
  std::string_view name;
  std::string_view value;
  while (reader.next_element(name)) {
    while (reader.next_parameter(name, value)) {
    }
  }
  const std::string_view data = text.substr(0, within.size() - reader.rest().size());
  const std::string_view rest = text.substr(data.size());
  if (reader.failed() || (!rest.empty() && rest.front() != ' ')) return {};
  text = rest;
  return data;
}

}  // namespace

std::optional<uint8_t> take_priority(std::string_view& text) {
  constexpr unsigned kPriorityMax = 191;
  const size_t end = text.substr(0, 5).find('>');
  if (!text.starts_with('<') || end == std::string_view::npos || end < 2) return std::nullopt;
  const std::string_view digits = text.substr(1, end - 1);
  unsigned priority = 0;
  for (const char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    priority = priority * 10 + static_cast<unsigned>(c - '0');
  }
  if (priority > kPriorityMax) return std::nullopt;
  text.remove_prefix(end + 1);
  return static_cast<uint8_t>(priority);
}

bool read_rfc5424(std::string_view text, Header& header) {
  std::string_view timestamp;
  Header read;
  if (!take_version(text) || !take_word(text, timestamp) || !take_word(text, read.hostname) ||
      !take_word(text, read.app_name) || !take_word(text, read.process_id) ||
      !take_word(text, read.message_id)) {
    return false;
  }
  if (!timestamp.empty()) {
    read.time = codec::parse_rfc3339(timestamp);
    if (!read.time) return false;
    read.timestamp = timestamp;
  }
  read.structured_data = take_structured_data(text);
  if (text.starts_with(' ')) text.remove_prefix(1);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // the mark of UTF-8
  read.text = text;
  read.priority = header.priority;
  header = std::move(read);
  return true;
}

bool StructuredData::next_element(std::string_view& id) {
  if (failed_ || !rest_.starts_with('[')) return false;
  rest_.remove_prefix(1);
  const size_t end = rest_.find_first_of(" ]=\"");
  if (end == 0 || end == std::string_view::npos || rest_[end] == '=' || rest_[end] == '"') {
    return fail();
  }
  id = rest_.substr(0, end);
  rest_.remove_prefix(end);
  return true;
}

bool StructuredData::next_parameter(std::string_view& name, std::string_view& value) {
  if (failed_) return false;
  while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  if (rest_.starts_with(']')) {
    rest_.remove_prefix(1);
    return false;
  }
  const size_t end = rest_.find_first_of("=] \"");
  if (end == 0 || end == std::string_view::npos || rest_.substr(end, 2) != "=\"") return fail();
  name = rest_.substr(0, end);
  rest_.remove_prefix(end + 2);
  scratch_.clear();
  for (;;) {
    const size_t stop = rest_.find_first_of("\"\\");
    if (stop == std::string_view::npos) return fail();
    if (rest_[stop] == '"') {
      if (scratch_.empty()) {
        value = rest_.substr(0, stop);
      } else {
        value = scratch_.append(rest_.substr(0, stop));
      }
      rest_.remove_prefix(stop + 1);
      return true;
    }
    // Section 6.3.3: only ", \ and ] are escaped; any other backslash stands for itself.
    const char escaped = stop + 1 < rest_.size() ? rest_[stop + 1] : '\0';
    const bool is_escape = escaped == '"' || escaped == '\\' || escaped == ']';
    scratch_.append(rest_.substr(0, is_escape ? stop : stop + 1));
    if (is_escape) scratch_ += escaped;
    rest_.remove_prefix(is_escape ? stop + 2 : stop + 1);
  }
}

}  // namespace penstock::protocol::syslog
