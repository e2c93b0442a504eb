// Writing the JSON object of one log record (doc/otlp.md): what the protobuf and the JSON decoder
// have in common.
//
// Thread: none of its own; writers borrow the buffer.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace penstock::protocol::otlp {

// The members of an object, with the commas between them. The braces are the caller's, so that an
// object can be begun in one place and gone on with in another.
class MemberWriter {
 public:
  explicit MemberWriter(ByteBuffer& out, bool has_members = false)
      : out_(out), has_members_(has_members) {}

  // Writes the key; the caller appends the value. key: any text, escaped and repaired. raw_key: the
  // inside of a JSON string as it is.
  ByteBuffer& key(std::string_view text);
  ByteBuffer& raw_key(std::string_view text);

  [[nodiscard]] bool has_members() const { return has_members_; }

 private:
  ByteBuffer& out_;
  bool has_members_;
};

void append_integer(ByteBuffer& out, int64_t value);
void append_unsigned(ByteBuffer& out, uint64_t value);
void append_double(ByteBuffer& out, double value);
void append_hex_string(ByteBuffer& out, ByteView bytes);
// Nanoseconds since 1970 as an RFC 3339 string with nine digits: every 64-bit count has one.
void append_timestamp(ByteBuffer& out, uint64_t unix_nanoseconds);

}  // namespace penstock::protocol::otlp
