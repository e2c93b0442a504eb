#include "protocol/http/json_body.h"

#include <algorithm>
#include <cstring>

#include "protocol/json_entries.h"
#include "record/json_check.h"
#include "record/json_scan.h"

namespace penstock::protocol::http {
namespace {

using record::check_json;
using record::JsonChecked;
using record::JsonFault;

// What is read of the body stands between at_ and end_.
class BodyReader {
 public:
  BodyReader(ByteView body, const JsonBodyOptions& options)
      : at_(body.data()),
        end_(body.data() + body.size()),
        events_(options.time, options.size_max, body.size()),
        malformed_(options.time, options.size_max, 0) {}

  Result<JsonBody, JsonBodyError> read() {
    skip_byte_order_mark();
    at_ = record::skip_json_space(at_, end_);
    const bool is_empty = at_ == end_;
    const bool arrays = !is_empty && *at_ == '[';
    while (at_ != end_) {
      if (arrays && *at_ == '[') {
        if (!read_array()) return failure(JsonBodyError::not_json);
      } else {
        read_line_or_object();
      }
      if (!has_room()) return failure(JsonBodyError::too_large);
      at_ = record::skip_json_space(at_, end_);
    }
    if (!is_empty && !parsed_something_) return failure(JsonBodyError::not_json);
    return JsonBody{events_.take(), malformed_.take()};
  }

 private:
  bool has_room() const {
    return !events_.is_full() && !malformed_.is_full() &&
           events_.size() + malformed_.size() <= events_.size_max();
  }

  void skip_byte_order_mark() {
    if (end_ - at_ >= 3 && std::memcmp(at_, "\xef\xbb\xbf", 3) == 0) at_ += 3;
  }

  // False: the array's end cannot be found.
  bool read_array() {
    at_ = record::skip_json_space(at_ + 1, end_);
    if (at_ != end_ && *at_ == ']') {
      ++at_;
      parsed_something_ = true;
      return true;
    }
    while (has_room()) {
      if (!read_element()) return false;
      at_ = record::skip_json_space(at_, end_);
      if (at_ == end_) return false;
      const uint8_t delimiter = *at_++;
      if (delimiter == ']') {
        parsed_something_ = true;
        return true;
      }
      if (delimiter != ',') return false;
      at_ = record::skip_json_space(at_, end_);
    }
    return true;
  }

  // Stops behind the element, spaces may follow.
  bool read_element() {
    const JsonChecked checked = check_json(at_, end_);
    const uint8_t* next = record::skip_json_space(checked.end, end_);
    if (checked.fault == JsonFault::none && next != end_ && (*next == ',' || *next == ']')) {
      add(checked);
      return true;
    }
    if (checked.fault == JsonFault::truncated) return false;
    const uint8_t* const behind = end_of_broken_element();
    if (behind == end_) return false;
    add_malformed(behind);
    return true;
  }

  // The comma or bracket that ends it, by brackets and quotes alone.
  const uint8_t* end_of_broken_element() const {
    size_t depth = 0;
    record::Quotes quotes(at_, end_);
    for (const uint8_t* at = at_; at != end_; ++at) {
      switch (*at) {
        case '"': {
          bool escaped = false;
          at = record::find_string_end(quotes, at + 1, end_, escaped);
          if (at == end_) return end_;
          break;
        }
        case '{':
        case '[':
          ++depth;
          break;
        case '}':
        case ']':
          if (depth == 0) return at;
          --depth;
          break;
        case ',':
          if (depth == 0) return at;
          break;
        default:
          break;
      }
    }
    return end_;
  }

  void read_line_or_object() {
    const JsonChecked checked = check_json(at_, end_);
    if (checked.fault == JsonFault::none && (*at_ == '{' || ends_line(checked.end))) {
      parsed_something_ = true;
      add(checked);
      return;
    }
    const auto* const newline =
        static_cast<const uint8_t*>(std::memchr(at_, '\n', static_cast<size_t>(end_ - at_)));
    add_malformed(newline == nullptr ? end_ : newline);
  }

  bool ends_line(const uint8_t* at) const {
    while (at != end_ && (*at == ' ' || *at == '\t' || *at == '\r')) ++at;
    return at == end_ || *at == '\n';
  }

  // A value that is JSON, from at_.
  void add(const JsonChecked& checked) {
    if (*at_ != '{') return add_malformed(checked.end);
    const ByteView object{at_, static_cast<size_t>(checked.end - at_)};
    if (checked.bad_utf8) {
      events_.add_repaired(object);
    } else {
      events_.add(object);
    }
    at_ = checked.end;
  }

  void add_malformed(const uint8_t* end) {
    const uint8_t* last = end;
    while (last != at_ && record::is_json_space(last[-1])) --last;
    malformed_.add_malformed({at_, static_cast<size_t>(last - at_)});
    at_ = end;
  }

  const uint8_t* at_;
  const uint8_t* const end_;
  JsonEntries events_;
  JsonEntries malformed_;
  bool parsed_something_ = false;
};

}  // namespace

Result<JsonBody, JsonBodyError> decode_json_body(ByteBuffer& body, const JsonBodyOptions& options) {
  record::terminate(body);
  return BodyReader(body.view(), options).read();
}

}  // namespace penstock::protocol::http
