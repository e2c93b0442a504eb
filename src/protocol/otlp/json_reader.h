// Members and items of checked JSON (record/json_check.h), each with the bytes of its whole value.
// Never allocates but for keys with escapes.
//
// Thread: none of their own; the text must outlive them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "record/json_scan.h"

namespace penstock::protocol::otlp {

// A value is an object when it begins with '{', and so on: it has been checked.
[[nodiscard]] inline bool is_json(ByteView value, char first) {
  return !value.empty() && value.front() == static_cast<uint8_t>(first);
}
[[nodiscard]] inline bool is_json_null(ByteView value) { return is_json(value, 'n'); }

// The inside of a JSON string.
[[nodiscard]] inline std::string_view raw_text(ByteView string) {
  return as_text(string.subspan(1, string.size() - 2));
}

// What objects and arrays have in common: values one after the other.
class JsonReader {
 protected:
  explicit JsonReader(ByteView container)
      : at_(container.data() + 1),
        end_(container.data() + container.size()),
        quotes_(container.data(), end_) {}

  // Steps to the next item or member; false at the closing bracket.
  bool step() {
    at_ = record::skip_json_space(at_, end_);
    if (at_ != end_ && *at_ == ',') at_ = record::skip_json_space(at_ + 1, end_);
    return at_ != end_ && *at_ != ']' && *at_ != '}';
  }
  ByteView take_value() {
    const uint8_t* const start = at_;
    at_ = record::skip_json_value(quotes_, at_, end_);
    return {start, static_cast<size_t>(at_ - start)};
  }

  const uint8_t* at_;
  const uint8_t* const end_;
  record::Quotes quotes_;
};

class JsonItems : JsonReader {
 public:
  explicit JsonItems(ByteView array) : JsonReader(array) {}
  [[nodiscard]] bool next(ByteView& value) {
    if (!step()) return false;
    value = take_value();
    return true;
  }
};

class JsonMembers : JsonReader {
 public:
  explicit JsonMembers(ByteView object) : JsonReader(object) {}
  // key: without escapes, valid until the next call.
  [[nodiscard]] bool next(std::string_view& key, ByteView& value) {
    if (!step()) return false;
    key = record::unescape_json(raw_text(take_value()), scratch_);
    at_ = record::skip_json_space(at_, end_);  // the colon
    if (at_ != end_) at_ = record::skip_json_space(at_ + 1, end_);
    value = take_value();
    return true;
  }

 private:
  std::string scratch_;
};

}  // namespace penstock::protocol::otlp
