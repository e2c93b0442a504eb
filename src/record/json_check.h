// check_json: is this one JSON value (RFC 8259)? One pass, no tree, no copy, no allocation; what it
// has passed may be stored as it stands and looked around in with json_scan.h.
//
// Taken as they are: numbers of any size and precision, repeated keys, escaped lone surrogates.
// Invalid UTF-8 inside a string is no error but noted (see append_repaired_utf8); elsewhere it is.
// Nesting is bounded, and not by the stack.
//
// Thread: any.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "record/msgpack_cursor.h"

namespace penstock::record {

enum class JsonFault : uint8_t {
  none,
  truncated,  // the text ends inside the value
  syntax,
  too_deep,
};

struct JsonChecked {
  JsonFault fault = JsonFault::none;
  bool bad_utf8 = false;  // some string holds bytes that are not UTF-8
  const uint8_t* end;     // behind the value, or where the fault is
};

// at: where the value begins (no space before it). What follows the value is not looked at.
// *end must be readable and 0: see terminate().
[[nodiscard]] JsonChecked check_json(const uint8_t* at, const uint8_t* end,
                                     uint32_t nesting_max = kNestingMax);
constexpr uint32_t kCheckNestingMax = 512;  // the most that nesting_max may be

// Puts the zero behind the buffer's bytes that check_json needs, without making it one of them.
inline void terminate(ByteBuffer& text) {
  text.reserve(1);
  text.data()[text.size()] = 0;  // behind the capacity there is padding
}

// Appends text with each maximal invalid part of UTF-8 replaced by one U+FFFD.
void append_repaired_utf8(ByteBuffer& out, ByteView text);

}  // namespace penstock::record
