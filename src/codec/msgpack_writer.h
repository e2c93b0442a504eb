// MsgpackWriter: appends msgpack to a buffer, each value in its shortest form.
//
// Thread: none of its own; borrows the buffer.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "codec/event_time.h"

namespace penstock::codec {

class MsgpackWriter {
 public:
  explicit MsgpackWriter(ByteBuffer& out) : out_(out) {}

  void nil() { out_.push_back(0xc0); }
  void boolean(bool value) { out_.push_back(value ? 0xc3 : 0xc2); }
  void integer(int64_t value);
  void unsigned_integer(uint64_t value);
  void float64(double value);
  void str(std::string_view text);
  void bin(ByteView bytes);
  void bin_head(uint32_t size);  // the bytes follow by raw()
  void array(uint32_t count);    // the items follow
  void map(uint32_t count);      // the pairs follow
  void ext(int8_t type, ByteView bytes);
  // EventTime: ext 0, fixext8, seconds and nanoseconds as u32. Seconds outside u32 become 0.
  void event_time(EventTime time);
  void raw(ByteView bytes) { out_.append(bytes); }

 private:
  template <class T>
  void head(uint8_t first, T value);

  ByteBuffer& out_;
};

}  // namespace penstock::codec
