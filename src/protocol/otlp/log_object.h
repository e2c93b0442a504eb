// Writing the JSON object of one log record (doc/otlp.md): what the protobuf and the JSON decoder
// have in common.
//
// Thread: none of its own; writers borrow the buffer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"
#include "protocol/json_entries.h"

namespace penstock::protocol::otlp {

// The members of an object, with the commas between them. The braces are the caller's, so that an
// object can be begun in one place and gone on with in another.
class MemberWriter {
 public:
  explicit MemberWriter(ByteBuffer& out, bool has_members = false)
      : out_(out), has_members_(has_members) {}

  // Writes the key; the caller appends the value. key: any text, escaped and repaired; false when
  // the buffer would pass size_max. raw_key: the inside of a JSON string as it is.
  // readable_end: how far bytes behind the text may be loaded, see codec::write_string().
  [[nodiscard]] bool key(std::string_view text, size_t size_max, const uint8_t* readable_end);
  ByteBuffer& raw_key(std::string_view text);
  // A key and a value that are any text, likewise; the two have an address.
  [[nodiscard]] bool text_member(ByteView key, ByteView value, size_t size_max,
                                 const uint8_t* readable_end);
  // A key with its quotes and a value, both as they are. Bytes up to kStep behind them are loaded.
  void raw_member(ByteView quoted_key, ByteView value) {
    const size_t start = out_.size();
    out_.resize(start + quoted_key.size() + value.size() + 2 + kStep);
    uint8_t* at = out_.data() + start;
    if (has_members_) *at++ = ',';
    has_members_ = true;
    at = copy_in_steps(at, quoted_key);
    *at++ = ':';
    at = copy_in_steps(at, value);
    out_.resize(static_cast<size_t>(at - out_.data()));
  }
  static constexpr size_t kStep = 16;

  [[nodiscard]] bool has_members() const { return has_members_; }
  [[nodiscard]] ByteBuffer& out() const { return out_; }

 private:
  // Most keys and values are one or two steps long, for which a call of memcpy is dear.
  static uint8_t* copy_in_steps(uint8_t* to, ByteView bytes) {
    const uint8_t* from = bytes.data();
    for (size_t copied = 0; copied < bytes.size(); copied += kStep) {
      std::memcpy(to + copied, from + copied, kStep);
    }
    return to + bytes.size();
  }

  ByteBuffer& out_;
  bool has_members_;
};

// One record's entry: beginning (what its resource and scope say, brace included), then what
// write(members, out, size_max) writes, which may make out no larger than size_max and returns the
// event's time; nothing: it is no record. A long beginning is copied for good ones only: else a
// body of one long resource and many broken records would keep us copying for days. scratch:
// reused, its content means nothing.
template <class Write>
[[nodiscard]] bool add_record(JsonEntries& events, ByteView beginning, ByteBuffer& scratch,
                              size_t size_max, Write write) {
  constexpr size_t kLong = 4_KiB;
  const bool is_long = beginning.size() > kLong;
  const size_t used = std::min(size_max, is_long ? events.size() + beginning.size() : 0);
  scratch.clear();
  ByteBuffer& out = is_long ? scratch : events.open();
  if (!is_long) out.append(beginning);
  MemberWriter members(out, beginning.size() > 1);
  const auto time = write(members, out, size_max - used);
  out.push_back('}');
  if (!time) {
    if (!is_long) events.drop();
    return false;
  }
  if (is_long) {
    if (out.size() > size_max - used) {
      events.give_up();
      return true;
    }
    ByteBuffer& entry = events.open();
    entry.append(beginning);
    entry.append(scratch.view());
  }
  events.close(*time);
  return true;
}

void append_integer(ByteBuffer& out, int64_t value);
void append_unsigned(ByteBuffer& out, uint64_t value);
void append_double(ByteBuffer& out, double value);
void append_hex_string(ByteBuffer& out, ByteView bytes);
// Nanoseconds since 1970 as an RFC 3339 string with nine digits: every 64-bit count has one.
void append_timestamp(ByteBuffer& out, uint64_t unix_nanoseconds);

}  // namespace penstock::protocol::otlp
