#include "protocol/syslog/message.h"

#include <array>

#include "codec/json_check.h"
#include "codec/json_scan.h"
#include "codec/json_writer.h"
#include "codec/utf8.h"
#include "protocol/syslog/header.h"
#include "record/event.h"

namespace penstock::protocol::syslog {
namespace {

// RFC 5424 section 6.2.1; 12 to 15 as most tools call them.
constexpr std::array<std::string_view, 24> kFacilities{
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog",   "lpr",     "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "security", "console", "solaris-cron",
    "local0", "local1", "local2",   "local3", "local4", "local5",   "local6",  "local7"};
constexpr std::array<std::string_view, 8> kSeverities{"emerg",   "alert",  "crit", "err",
                                                      "warning", "notice", "info", "debug"};

// Members in the order they are written; the first one has no comma before it.
class Members {
 public:
  explicit Members(ByteBuffer& out) : out_(out) { out_.push_back('{'); }
  void key(std::string_view name) {
    if (has_members_) out_.push_back(',');
    has_members_ = true;
    codec::append_json_string(out_, name);
    out_.push_back(':');
  }
  void add(std::string_view name, std::string_view value) {
    key(name);
    codec::append_json_string(out_, value);
  }
  void add_unless_empty(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  }
  void close() { out_.push_back('}'); }

 private:
  ByteBuffer& out_;
  bool has_members_ = false;
};

void write_structured_data(ByteBuffer& out, std::string_view text) {
  Members elements(out);
  StructuredData reader(text);
  std::string_view name;
  std::string_view value;
  while (reader.next_element(name)) {
    elements.key(name);
    Members parameters(out);
    while (reader.next_parameter(name, value)) parameters.add(name, value);
    parameters.close();
  }
  elements.close();
}

void write_record(ByteBuffer& out, const Header& header) {
  Members members(out);
  if (header.priority) {
    members.add("facility", kFacilities[*header.priority / 8]);
    members.add("severity", kSeverities[*header.priority % 8]);
  }
  members.add_unless_empty("invalid_priority", header.invalid_priority);
  members.add_unless_empty("timestamp", header.timestamp);
  members.add_unless_empty("invalid_timestamp", header.invalid_timestamp);
  members.add_unless_empty("hostname", header.hostname);
  members.add_unless_empty("appname", header.app_name);
  members.add_unless_empty("procid", header.process_id);
  members.add_unless_empty("msgid", header.message_id);
  members.add_unless_empty("sequence", header.sequence);
  if (!header.structured_data.empty()) {
    members.key("structured_data");
    write_structured_data(out, header.structured_data);
  }
  members.add("message", header.text);
  members.close();
}

// The JSON object that is the whole text, or nothing.
std::string_view object_in(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  if (text.starts_with("@cee:")) text.remove_prefix(5);
  const size_t first = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(first);
  text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  return text.starts_with('{') && text.ends_with('}') ? text : std::string_view();
}

// Checked where it will lie: the check wants a zero behind it, which a message need not have.
bool append_unwrapped(JsonEntries& events, std::string_view text, codec::EventTime time) {
  const std::string_view object = object_in(text);
  if (object.empty()) return false;
  ByteBuffer& out = events.open();
  const size_t start = out.size();
  out.append(object);
  codec::terminate(out);
  const uint8_t* const end = out.data() + out.size();
  const codec::JsonChecked checked = codec::check_json(out.data() + start, end);
  if (checked.fault != codec::JsonFault::none || checked.end != end) {
    events.drop();
    return false;
  }
  if (checked.bad_utf8) {
    out.resize(start);
    codec::append_repaired_utf8(out, as_bytes(object));
  }
  events.close(time);
  return true;
}

// Parts of a header of RFC 3164 that could not be read: a time in another language, a tag of two
// words. Not "done {…}", which is text.
bool is_rest_of_header(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.ends_with(':') || text.starts_with("1 ")) return true;
  for (size_t at = text.find(':'); at != std::string_view::npos; at = text.find(':', at + 1)) {
    if (at + 3 < text.size() && text[at + 3] == ':') return true;  // 08:15:00
  }
  return false;
}

// A JSON message is found behind whatever could not be read of its header.
bool append_unwrapped(JsonEntries& events, const Header& header, codec::EventTime time) {
  if (append_unwrapped(events, header.text, time)) return true;
  constexpr size_t kRestMax = 1_KiB;
  constexpr size_t kTriesMax = 8;
  if (!header.is_partly_read && !header.has_broken_data) return false;
  size_t at = header.text.find('{');
  for (size_t i = 0; i < kTriesMax && at < kRestMax; ++i, at = header.text.find('{', at + 1)) {
    if (!header.has_broken_data && !is_rest_of_header(header.text.substr(0, at))) continue;
    if (append_unwrapped(events, header.text.substr(at), time)) return true;
  }
  return false;
}

}  // namespace

void append_message(JsonEntries& events, ByteView message, const MessageOptions& options) {
  const Header header = read_header(as_text(message), options.received);
  const codec::EventTime time = header.time.value_or(options.received);
  if (options.unwrap_json && append_unwrapped(events, header, time)) return;
  write_record(events.open(), header);
  events.close(time);
}

size_t entry_size_max(ByteView message) {
  constexpr size_t kMembers = 1_KiB;
  const bool is_text = codec::is_utf8(message.data(), message.data() + message.size());
  size_t size = kMembers;
  for (const uint8_t byte : message) {
    if (byte == '"' || byte == '\\' || (byte >= '\b' && byte <= '\r' && byte != '\v')) {
      size += 2;
    } else if (byte < 0x20) {
      size += 6;  // \u00xx
    } else if (byte == '[') {
      size += 5;  // of structured data: [a] becomes "a":{},
    } else {
      size += byte < 0x80 || is_text ? 1 : 3;  // U+FFFD
    }
  }
  return size;
}

}  // namespace penstock::protocol::syslog
