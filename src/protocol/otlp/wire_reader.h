// WireReader: the fields of one protobuf message, in the order they came
// (protobuf.dev/programming-guides/encoding). Never allocates, never looks outside its bytes.
//
// Thread: none of its own; the bytes must outlive it and its fields.
#pragma once

#include <cstdint>

#include "base/big_endian.h"
#include "base/bytes.h"

namespace penstock::protocol::otlp {

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::varint;
  uint64_t value = 0;  // of varint and the fixed ones
  ByteView bytes;      // strings and messages

  // A field whose type is not the expected one counts as unknown, as in protobuf's own readers.
  [[nodiscard]] bool is(uint32_t n, WireType t) const { return number == n && type == t; }
};

class WireReader {
 public:
  explicit WireReader(ByteView message)
      : at_(message.data()), end_(message.data() + message.size()) {}

  // False: no more fields, or failed().
  [[nodiscard]] bool next(WireField& field) {
    if (at_ == end_) return false;
    uint64_t key = 0;
    if (!read_varint(key) || key > UINT32_MAX || key >> 3 == 0) return fail();
    field.number = static_cast<uint32_t>(key >> 3);
    field.type = static_cast<WireType>(key & 7);
    switch (field.type) {
      case WireType::varint:
        return read_varint(field.value) || fail();
      case WireType::fixed64:
        return read_fixed<uint64_t>(field.value) || fail();
      case WireType::fixed32:
        return read_fixed<uint32_t>(field.value) || fail();
      case WireType::bytes: {
        uint64_t size = 0;
        if (!read_varint(size) || size > left()) return fail();
        field.bytes = {at_, static_cast<size_t>(size)};
        at_ += size;
        return true;
      }
      default:  // groups are not used by OTLP; 6 and 7 do not exist
        return fail();
    }
  }

  // The bytes are not a protobuf message.
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  [[nodiscard]] size_t left() const { return static_cast<size_t>(end_ - at_); }
  bool fail() {
    failed_ = true;
    at_ = end_;
    return false;
  }

  // One byte is nearly all there is: keys of fields below 16, sizes below 128.
  bool read_varint(uint64_t& value) {
    if (at_ == end_) return false;
    value = *at_;
    if (value >= 0x80) [[unlikely]]
      return read_long_varint(value);
    ++at_;
    return true;
  }

  bool read_long_varint(uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const uint8_t byte = *at_++;
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;  // cut off, or longer than ten bytes
  }

  template <class T>
  bool read_fixed(uint64_t& value) {
    if (left() < sizeof(T)) return false;
    value = load_le<T>(at_);
    at_ += sizeof(T);
    return true;
  }

  const uint8_t* at_;
  const uint8_t* const end_;
  bool failed_ = false;
};

}  // namespace penstock::protocol::otlp
