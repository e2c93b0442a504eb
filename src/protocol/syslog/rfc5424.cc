#include <algorithm>

#include "base/bytes.h"
#include "protocol/syslog/header.h"
#include "protocol/syslog/timestamp.h"

// RFC 5424 section 6: VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP
// STRUCTURED-DATA [SP MSG]. Lengths are not held to the RFC's: real senders pass them.

namespace penstock::protocol::syslog {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The words of a header: each is taken off with the space behind it; nothing, and "-", are nil.
class Words {
 public:
  explicit Words(std::string_view& text) : text_(text) {}
  std::string_view take() {
    std::string_view word = text_.substr(0, text_.find(' '));
    is_cut_off_ = word.size() == text_.size();
    text_.remove_prefix(word.size() + (is_cut_off_ ? 0 : 1));
    if (word == "-") word = {};
    return word;
  }
  // The text ended within the words.
  [[nodiscard]] bool is_cut_off() const { return is_cut_off_; }

 private:
  std::string_view& text_;
  bool is_cut_off_ = false;
};

bool take_version(std::string_view& text) {
  const size_t digits =
      static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
  if (digits == 0 || digits > 3 || text[0] == '0' || text.substr(digits, 1) != " ") return false;
  text.remove_prefix(digits + 1);
  return true;
}

// Elements up to the first that is not well-formed, which stays in the text: some senders leave
// structured data out, and some break it. So does what is longer than any sender's: values without
// their escapes are held while they are read.
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
  size_t size = 0;
  while (reader.next_element(name)) {
    while (reader.next_parameter(name, value)) {
    }
    if (reader.failed()) break;
    const std::string_view rest = text.substr(within.size() - reader.rest().size());
    if (rest.empty() || rest.front() == ' ' || rest.front() == '[')
      size = text.size() - rest.size();
  }
  const std::string_view data = text.substr(0, size);
  text.remove_prefix(size);
  return data;
}

bool looks_like_structured_data(std::string_view text) {
  return text == "-" || text.starts_with("- ") || text.starts_with('[');
}

}  // namespace

bool read_rfc5424(std::string_view text, codec::EventTime received, Header& header) {
  const bool has_priority = header.priority || !header.invalid_priority.empty();
  if (!take_version(text)) return false;
  Header read;
  Words words(text);
  const bool is_iso = text.size() > 4 && is_digit(text[0]) && (text[4] == '-' || text[4] == '/');
  std::string_view behind = text;
  auto timestamp = take_timestamp(behind, received);
  if (timestamp && !behind.starts_with(':')) {
    read.time = timestamp->time;
    read.timestamp = std::move(timestamp->text);
    text = behind.substr(std::min<size_t>(behind.size(), 1));
  } else {
    read.invalid_timestamp = words.take();
  }
  read.hostname = words.take();
  read.app_name = words.take();
  read.process_id = words.take();
  read.message_id = words.take();
  // Is it meant to be of this form?
  const bool has_iso_time = read.time && is_iso;
  if (!has_iso_time) {
    const bool has_nil_time = !read.time && read.invalid_timestamp.empty();
    if (words.is_cut_off() || !has_priority) return false;
    if (!has_nil_time && !looks_like_structured_data(text)) return false;
  }
  read.structured_data = take_structured_data(text);
  if (text.starts_with(' ')) text.remove_prefix(1);
  read.has_broken_data = text.starts_with('[');
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // the mark of UTF-8
  read.text = text;
  read.priority = header.priority;
  read.invalid_priority = header.invalid_priority;
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
