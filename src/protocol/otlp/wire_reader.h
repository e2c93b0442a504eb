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

// A KeyValue {key = 1, value = 2} whose value is an AnyValue {string = 1}, in this order and with
// lengths of one byte, as nearly all are sent: found by three looks at the bytes, without a reader.
struct TextPair {
  ByteView key;
  ByteView text;

  // False: it is another pair, or none, to be read by its fields.
  [[nodiscard]] bool read(ByteView pair) {
    constexpr uint8_t kFirst = 1 << 3 | static_cast<uint8_t>(WireType::bytes);
    constexpr uint8_t kSecond = 2 << 3 | static_cast<uint8_t>(WireType::bytes);
    constexpr size_t kHead = 2;  // number and type, length
    const uint8_t* const at = pair.data();
    if (pair.size() < 3 * kHead || at[0] != kFirst) return false;
    const size_t key_size = at[1];
    if (key_size > pair.size() - 3 * kHead) return false;
    const uint8_t* const value = at + kHead + key_size;
    const size_t text_size = pair.size() - 3 * kHead - key_size;
    // A length from 0x80 would be the first byte of a longer one.
    if (((key_size | (text_size + kHead)) & ~size_t{0x7f}) != 0) return false;
    if (value[0] != kSecond || value[1] != text_size + kHead) return false;
    if (value[2] != kFirst || value[3] != text_size) return false;
    key = {at + kHead, key_size};
    text = {value + 2 * kHead, text_size};
    return true;
  }
};

}  // namespace penstock::protocol::otlp
