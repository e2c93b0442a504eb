// What stands before the text of a syslog message, in either of its forms.
//
// Pure; views into the message. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "codec/event_time.h"

namespace penstock::protocol::syslog {

struct Header {
  std::optional<uint8_t> priority;  // facility * 8 + severity
  // Priority and time as they were sent, when they cannot be read.
  std::string_view invalid_priority;
  std::string_view invalid_timestamp;
  std::string timestamp;  // RFC 3339; empty: none was sent
  std::optional<codec::EventTime> time;
  // Empty: not sent.
  std::string_view hostname;
  std::string_view app_name;
  std::string_view process_id;
  std::string_view message_id;
  std::string_view structured_data;  // [id name="value" …][…] as it stands, well-formed
  std::string_view sequence;         // Cisco's number of a message
  std::string_view text;
  // The text may still begin with parts of a header that could not be read: broken structured data,
  // or a time or tag of RFC 3164.
  bool has_broken_data = false;
  bool is_partly_read = false;
};

// Both forms, and what senders make of them. received: see read_rfc3164().
[[nodiscard]] Header read_header(std::string_view message, codec::EventTime received);

// Takes "<PRI>" off the front: 0 to 191, at most three digits. Without one the text is untouched.
[[nodiscard]] std::optional<uint8_t> take_priority(std::string_view& text);

// RFC 5424. text: behind the priority. False: it is not of this form. A time that cannot be read
// costs no other field, where what stands behind shows that the form is meant.
[[nodiscard]] bool read_rfc5424(std::string_view text, codec::EventTime received, Header& header);

// RFC 3164, as real senders write it: any part may be missing, times come in many forms. Always
// succeeds: at worst all of it is text.
// received: times without a year are of the latest that is not in the future; without a zone, UTC.
void read_rfc3164(std::string_view text, codec::EventTime received, Header& header);

// The elements of structured data, one after the other.
class StructuredData {
 public:
  explicit StructuredData(std::string_view text) : rest_(text) {}

  // Steps to the next element; false when there is none, or failed().
  [[nodiscard]] bool next_element(std::string_view& id);
  // The next parameter of this element. value: without its escapes, valid until the next call.
  [[nodiscard]] bool next_parameter(std::string_view& name, std::string_view& value);
  [[nodiscard]] bool failed() const { return failed_; }
  // What follows the last element.
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  bool fail() {
    failed_ = true;
    return false;
  }

  std::string_view rest_;
  std::string scratch_;
  bool failed_ = false;
};

}  // namespace penstock::protocol::syslog
