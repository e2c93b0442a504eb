#include "cli/send/json_to_msgpack.h"

#include <charconv>
#include <string>

#include "codec/json_check.h"
#include "codec/json_scan.h"
#include "codec/msgpack_writer.h"

namespace penstock::cli {
namespace {

// Over text that check_json has passed: nested at most kNestingMax deep, so recursion is bounded.
class Transcoder {
 public:
  Transcoder(ByteBuffer& out, const uint8_t* at, const uint8_t* end)
      : writer_(out), at_(at), end_(end) {}

  void value() {
    skip_space();
    switch (*at_) {
      case '{':
        return container(true);
      case '[':
        return container(false);
      case '"':
        return writer_.str(string());
      case 't':
        at_ += 4;
        return writer_.boolean(true);
      case 'f':
        at_ += 5;
        return writer_.boolean(false);
      case 'n':
        at_ += 4;
        return writer_.nil();
      default:
        return number();
    }
  }

 private:
  void skip_space() { at_ = codec::skip_json_space(at_, end_); }

  // msgpack wants the count first: the items are stepped over once before they are written.
  uint32_t count_items(bool map) const {
    const uint8_t* at = codec::skip_json_space(at_, end_);
    uint32_t count = 0;
    while (*at != '}' && *at != ']') {
      if (map) {
        at = codec::skip_json_space(codec::skip_json_value(at, end_), end_) + 1;  // key and colon
        at = codec::skip_json_space(at, end_);
      }
      at = codec::skip_json_space(codec::skip_json_value(at, end_), end_);
      if (*at == ',') at = codec::skip_json_space(at + 1, end_);
      ++count;
    }
    return count;
  }

  void container(bool map) {
    ++at_;
    const uint32_t count = count_items(map);
    if (map) {
      writer_.map(count);
    } else {
      writer_.array(count);
    }
    for (uint32_t i = 0; i < count; ++i) {
      skip_space();
      if (map) {
        writer_.str(string());
        skip_space();
        ++at_;  // the colon
      }
      value();
      skip_space();
      if (*at_ == ',') ++at_;
    }
    skip_space();
    ++at_;  // the closing bracket
  }

  std::string_view string() {
    const uint8_t* const behind = codec::skip_json_value(at_, end_);
    const auto size = static_cast<size_t>(behind - at_) - 2;
    const std::string_view raw(reinterpret_cast<const char*>(at_ + 1), size);
    at_ = behind;
    const bool escaped = raw.find('\\') != std::string_view::npos;
    return escaped ? codec::unescape_json(raw, scratch_) : raw;
  }

  void number() {
    const char* const from = reinterpret_cast<const char*>(at_);
    at_ = codec::skip_json_value(at_, end_);
    const char* const to = reinterpret_cast<const char*>(at_);
    int64_t negative = 0;
    uint64_t positive = 0;
    if (const auto read = std::from_chars(from, to, positive);
        read.ptr == to && read.ec == std::errc()) {
      return writer_.unsigned_integer(positive);
    }
    if (const auto read = std::from_chars(from, to, negative);
        read.ptr == to && read.ec == std::errc()) {
      return writer_.integer(negative);
    }
    double real = 0;
    std::from_chars(from, to, real);
    writer_.float64(real);
  }

  codec::MsgpackWriter writer_;
  const uint8_t* at_;
  const uint8_t* const end_;
  std::string scratch_;
};

}  // namespace

bool append_json_as_msgpack(ByteBuffer& out, std::string_view line) {
  ByteBuffer text = ByteBuffer::copy_of(as_bytes(line));
  codec::terminate(text);
  const uint8_t* const end = text.data() + text.size();
  const uint8_t* const at = codec::skip_json_space(text.data(), end);
  if (at == end || *at != '{') return false;
  const codec::JsonChecked checked = codec::check_json(at, end);
  if (checked.fault != codec::JsonFault::none || codec::skip_json_space(checked.end, end) != end) {
    return false;
  }
  Transcoder(out, at, end).value();
  return true;
}

}  // namespace penstock::cli
