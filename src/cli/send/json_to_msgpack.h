// JSON to msgpack, key order and repeated keys kept: integers that fit 64 bits as integers, other
// numbers as float64.
//
// Thread: any.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace penstock::cli {

// Appends the object as a map. False, and nothing is appended: line is not one JSON object.
[[nodiscard]] bool append_json_as_msgpack(ByteBuffer& out, std::string_view line);

}  // namespace penstock::cli
