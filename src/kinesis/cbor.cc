#include "kinesis/cbor.h"

#include "base/big_endian.h"

namespace penstock::kinesis {
namespace {

constexpr int kDepthMax = 64;
constexpr uint8_t kBreak = 0xff;

}  // namespace

// RFC 8949 section 3: three bits of major type, five of length or value; 24 to 27 say that it
// follows in 1, 2, 4 or 8 bytes, 31 that the length is not known beforehand.
bool CborReader::read_head(Head& head) {
  if (at_ == end_) return fail();
  head.major = *at_ >> 5;
  head.info = *at_ & 0x1f;
  head.indefinite = false;
  ++at_;
  if (head.info < 24) {
    head.value = head.info;
    return true;
  }
  if (head.info == 31) {
    const bool allowed = head.major >= kBytes && head.major <= kMap;
    head.indefinite = true;
    head.value = 0;
    return allowed || fail();
  }
  if (head.info > 27) return fail();
  const size_t width = size_t{1} << (head.info - 24);
  if (static_cast<size_t>(end_ - at_) < width) return fail();
  switch (width) {
    case 1:
      head.value = *at_;
      break;
    case 2:
      head.value = load_be<uint16_t>(at_);
      break;
    case 4:
      head.value = load_be<uint32_t>(at_);
      break;
    default:
      head.value = load_be<uint64_t>(at_);
  }
  at_ += width;
  return true;
}

bool CborReader::skip_tags() {
  while (at_ != end_ && *at_ >> 5 == kTag) {
    Head head;
    if (!read_head(head)) return false;
  }
  return at_ != end_ || fail();
}

CborReader::Kind CborReader::peek() {
  if (!ok_ || !skip_tags() || *at_ == kBreak) return Kind::none;
  switch (*at_ >> 5) {
    case 0:
      return Kind::number;
    case 1:
      return Kind::negative;
    case kBytes:
      return Kind::bytes;
    case kText:
      return Kind::text;
    case kArray:
      return Kind::array;
    case kMap:
      return Kind::map;
    default: {
      const uint8_t info = *at_ & 0x1f;
      return info >= 25 && info <= 27 ? Kind::real : Kind::simple;
    }
  }
}

bool CborReader::read_string(uint8_t major, ByteView& bytes) {
  Head head;
  if (!skip_tags() || !read_head(head) || head.major != major) return fail();
  if (!head.indefinite) {
    if (head.value > static_cast<uint64_t>(end_ - at_)) return fail();
    bytes = {at_, static_cast<size_t>(head.value)};
    at_ += head.value;
    return true;
  }
  joined_.clear();
  for (;;) {
    if (at_ == end_) return fail();
    if (*at_ == kBreak) break;
    if (!read_head(head) || head.major != major || head.indefinite ||
        head.value > static_cast<uint64_t>(end_ - at_)) {
      return fail();
    }
    joined_.append(reinterpret_cast<const char*>(at_), static_cast<size_t>(head.value));
    at_ += head.value;
  }
  ++at_;
  bytes = as_bytes(joined_);
  return true;
}

bool CborReader::read_text(std::string_view& text) {
  ByteView bytes;
  if (!read_string(kText, bytes)) return false;
  text = as_text(bytes);
  return true;
}

bool CborReader::read_bytes(ByteView& bytes) { return read_string(kBytes, bytes); }

bool CborReader::read_number(uint64_t& value) {
  Head head;
  if (!skip_tags() || !read_head(head) || head.major != 0) return fail();
  value = head.value;
  return true;
}

bool CborReader::enter(uint8_t major, Elements& elements) {
  Head head;
  if (!skip_tags() || !read_head(head) || head.major != major) return fail();
  elements.reader_ = this;
  elements.left_ = head.value;
  elements.indefinite_ = head.indefinite;
  return true;
}

bool CborReader::Elements::more() {
  CborReader& reader = *reader_;
  if (!reader.ok_) return false;
  if (!indefinite_) {
    if (left_ == 0) return false;
    --left_;
    // An element has at least one byte, so a lying count ends here.
    return reader.at_ != reader.end_ || reader.fail();
  }
  if (reader.at_ == reader.end_) return reader.fail();
  if (*reader.at_ != kBreak) return true;
  ++reader.at_;
  return false;
}

bool CborReader::skip() { return skip_nested(0); }

bool CborReader::skip_nested(int depth) {
  if (depth > kDepthMax) return fail();
  Head head;
  if (!skip_tags()) return false;
  const uint8_t major = *at_ >> 5;
  if (major == kBytes || major == kText) {
    ByteView ignored;
    return read_string(major, ignored);
  }
  if (major != kArray && major != kMap) return read_head(head);  // numbers and simple values
  Elements elements;
  if (!enter(major, elements)) return false;
  while (elements.more()) {
    if (!skip_nested(depth + 1)) return false;
    if (major == kMap && !skip_nested(depth + 1)) return false;
  }
  return ok_;
}

}  // namespace penstock::kinesis
