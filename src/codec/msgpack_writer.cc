#include "codec/msgpack_writer.h"

#include <bit>
#include <limits>

#include "base/big_endian.h"
#include "base/check.h"

namespace penstock::codec {

template <class T>
void MsgpackWriter::head(uint8_t first, T value) {
  uint8_t bytes[1 + sizeof(T)];
  bytes[0] = first;
  store_be<T>(bytes + 1, value);
  out_.append(ByteView(bytes, sizeof bytes));
}

void MsgpackWriter::integer(int64_t value) {
  if (value >= 0) return unsigned_integer(static_cast<uint64_t>(value));
  if (value >= -32) return out_.push_back(static_cast<uint8_t>(value));
  if (value >= std::numeric_limits<int8_t>::min()) {
    return head<uint8_t>(0xd0, static_cast<uint8_t>(value));
  }
  if (value >= std::numeric_limits<int16_t>::min()) {
    return head<uint16_t>(0xd1, static_cast<uint16_t>(value));
  }
  if (value >= std::numeric_limits<int32_t>::min()) {
    return head<uint32_t>(0xd2, static_cast<uint32_t>(value));
  }
  head<uint64_t>(0xd3, static_cast<uint64_t>(value));
}

void MsgpackWriter::unsigned_integer(uint64_t value) {
  if (value < 0x80) return out_.push_back(static_cast<uint8_t>(value));
  if (value <= 0xff) return head<uint8_t>(0xcc, static_cast<uint8_t>(value));
  if (value <= 0xffff) return head<uint16_t>(0xcd, static_cast<uint16_t>(value));
  if (value <= 0xffffffff) return head<uint32_t>(0xce, static_cast<uint32_t>(value));
  head<uint64_t>(0xcf, value);
}

void MsgpackWriter::float64(double value) { head<uint64_t>(0xcb, std::bit_cast<uint64_t>(value)); }

void MsgpackWriter::str(std::string_view text) {
  CHECK(text.size() <= 0xffffffff);
  if (text.size() < 32) {
    out_.push_back(static_cast<uint8_t>(0xa0 | text.size()));
  } else if (text.size() <= 0xff) {
    head<uint8_t>(0xd9, static_cast<uint8_t>(text.size()));
  } else if (text.size() <= 0xffff) {
    head<uint16_t>(0xda, static_cast<uint16_t>(text.size()));
  } else {
    head<uint32_t>(0xdb, static_cast<uint32_t>(text.size()));
  }
  out_.append(text);
}

void MsgpackWriter::bin(ByteView bytes) {
  CHECK(bytes.size() <= 0xffffffff);
  bin_head(static_cast<uint32_t>(bytes.size()));
  out_.append(bytes);
}

void MsgpackWriter::bin_head(uint32_t size) {
  if (size <= 0xff) return head<uint8_t>(0xc4, static_cast<uint8_t>(size));
  if (size <= 0xffff) return head<uint16_t>(0xc5, static_cast<uint16_t>(size));
  head<uint32_t>(0xc6, size);
}

void MsgpackWriter::array(uint32_t count) {
  if (count < 16) return out_.push_back(static_cast<uint8_t>(0x90 | count));
  if (count <= 0xffff) return head<uint16_t>(0xdc, static_cast<uint16_t>(count));
  head<uint32_t>(0xdd, count);
}

void MsgpackWriter::map(uint32_t count) {
  if (count < 16) return out_.push_back(static_cast<uint8_t>(0x80 | count));
  if (count <= 0xffff) return head<uint16_t>(0xde, static_cast<uint16_t>(count));
  head<uint32_t>(0xdf, count);
}

void MsgpackWriter::ext(int8_t type, ByteView bytes) {
  CHECK(bytes.size() <= 0xffffffff);
  const auto size = static_cast<uint32_t>(bytes.size());
  if (std::has_single_bit(size) && size <= 16) {
    out_.push_back(static_cast<uint8_t>(0xd4 + std::countr_zero(size)));
  } else if (size <= 0xff) {
    head<uint8_t>(0xc7, static_cast<uint8_t>(size));
  } else if (size <= 0xffff) {
    head<uint16_t>(0xc8, static_cast<uint16_t>(size));
  } else {
    head<uint32_t>(0xc9, size);
  }
  out_.push_back(static_cast<uint8_t>(type));
  out_.append(bytes);
}

void MsgpackWriter::event_time(EventTime time) {
  const bool fits = time.seconds >= 0 && time.seconds <= std::numeric_limits<uint32_t>::max();
  uint8_t bytes[10] = {0xd7, 0x00};
  store_be<uint32_t>(bytes + 2, fits ? static_cast<uint32_t>(time.seconds) : 0);
  store_be<uint32_t>(bytes + 6, fits ? time.nanoseconds : 0);
  out_.append(ByteView(bytes, sizeof bytes));
}

}  // namespace penstock::codec
