// Members and items of checked JSON (record/json_check.h), each with the bytes of its whole value.
// With an index a container among them is stepped over at once, else it is looked through for its
// end. Allocates only for keys with escapes.
//
// Thread: none of their own; the text must outlive them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "codec/json_check.h"
#include "codec/json_scan.h"

namespace penstock::protocol::otlp {

// The bytes of one value, and what the index says about it when it is a container.
class JsonValue {
 public:
  JsonValue() = default;
  JsonValue(ByteView bytes, const codec::JsonContainer* container)
      : bytes_(bytes), container_(container) {}

  operator ByteView() const { return bytes_; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  // Null: of a scalar, or there is no index.
  [[nodiscard]] const codec::JsonContainer* container() const { return container_; }

 private:
  ByteView bytes_;
  const codec::JsonContainer* container_ = nullptr;
};

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
  explicit JsonReader(const JsonValue& container)
      : at_(ByteView(container).data() + 1),
        end_(ByteView(container).data() + container.size()),
        next_(container.container() == nullptr ? nullptr : container.container() + 1),
        quotes_(at_, end_) {}

  // Steps to the next item or member; false at the closing bracket.
  bool step() {
    skip_space();
    if (at_ != end_ && *at_ == ',') {
      ++at_;
      skip_space();
    }
    return at_ != end_ && *at_ != ']' && *at_ != '}';
  }
  void skip_space() {
    if (at_ != end_ && *at_ > ' ') [[likely]]
      return;
    at_ = codec::skip_json_space(at_, end_);
  }
  JsonValue take_value() {
    const uint8_t* const start = at_;
    const codec::JsonContainer* container = nullptr;
    if (next_ != nullptr && at_ != end_ && (*at_ == '{' || *at_ == '[')) {
      container = next_;
      at_ += container->size;
      next_ += container->count;
    } else {
      at_ = codec::skip_json_value(quotes_, at_, end_);
    }
    return {{start, static_cast<size_t>(at_ - start)}, container};
  }
  // The inside of a string.
  std::string_view take_string(bool& escaped) {
    const uint8_t* const start = at_ + 1;
    const uint8_t* const close = codec::find_string_end(quotes_, start, end_, escaped);
    at_ = close == end_ ? end_ : close + 1;
    return as_text({start, static_cast<size_t>(close - start)});
  }

  const uint8_t* at_;
  const uint8_t* const end_;
  const codec::JsonContainer* next_;  // the next container that begins behind at_
  codec::Quotes quotes_;
};

class JsonItems : JsonReader {
 public:
  explicit JsonItems(const JsonValue& array) : JsonReader(array) {}
  [[nodiscard]] bool next(JsonValue& value) {
    if (!step()) return false;
    value = take_value();
    return true;
  }
};

class JsonMembers : JsonReader {
 public:
  explicit JsonMembers(const JsonValue& object) : JsonReader(object) {}
  // key: without escapes, valid until the next call.
  [[nodiscard]] bool next(std::string_view& key, JsonValue& value) {
    if (!step()) return false;
    bool escaped = false;
    key = take_string(escaped);
    if (escaped) [[unlikely]]
      key = codec::unescape_json(key, scratch_);
    skip_space();
    if (at_ != end_) ++at_;  // the colon
    skip_space();
    value = take_value();
    return true;
  }

 private:
  std::string scratch_;
};

// Nearly every pair of a collector is {"key":"…","value":{"stringValue":"…"}} to the letter: it is
// read from left to right at once. The body is a ByteBuffer's, so bytes may be loaded kPadding
// behind the pair, and its marks are made 64 bytes at once even at its end.
struct StringPair {
  ByteView quoted_key;
  ByteView value;  // with its quotes

  // False: it is another pair, to be read by its members.
  [[nodiscard]] bool read(ByteView pair) {
    constexpr std::string_view kKey = R"({"key":")";
    constexpr std::string_view kValue = R"(,"value":{"stringValue":")";
    if (!as_text(pair).starts_with(kKey)) return false;
    const uint8_t* const end = pair.data() + pair.size();
    const uint8_t* const readable_end = end + ByteBuffer::kPadding;
    const uint8_t* const key = pair.data() + kKey.size();
    codec::Quotes quotes(key, readable_end);
    bool is_escaped = false;
    const uint8_t* const key_end = codec::find_string_end(quotes, key, readable_end, is_escaped);
    if (end - key_end <= static_cast<ptrdiff_t>(kValue.size())) return false;
    if (std::memcmp(key_end + 1, kValue.data(), kValue.size()) != 0) return false;
    const uint8_t* const text = key_end + kValue.size();  // from its quote
    const uint8_t* const close = codec::find_string_end(quotes, text + 1, readable_end, is_escaped);
    if (end - close != 3 || close[1] != '}' || close[2] != '}') return false;
    quoted_key = {key - 1, key_end + 1};
    value = {text, close + 1};
    return true;
  }
};

}  // namespace penstock::protocol::otlp
