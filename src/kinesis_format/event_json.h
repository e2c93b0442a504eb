// One event to one JSON object, behind what a buffer already holds: no tree of values, no second
// copy, no allocation but the buffer's own growth. doc/record-format.md has the rules.
//
//   append_event_json    a msgpack map, transcoded in one pass
//   append_json_object   a JSON object's bytes, passed on unchanged except U+FFFD
//   append_json_value    one value of msgpack
//
// Pure; thread: none of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/bytes.h"

namespace penstock::kinesis_format {

enum class EncodeOutcome : uint8_t {
  done,
  too_large,  // more than size_max bytes; the buffer is as it was
  malformed,  // not a whole map; the buffer is as it was. Cannot happen to a walked batch
  no_text,    // of data_key alone: no such field, or nothing that is text; the buffer is as it was
};

inline constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

// The map stands at the beginning of msgpack; what follows it is not looked at. *consumed, when
// given, is the size of the map once it is done.
[[nodiscard]] EncodeOutcome append_event_json(ByteBuffer& out, ByteView msgpack,
                                              size_t size_max = kNoLimit,
                                              size_t* consumed = nullptr);

// json: one JSON object, perhaps with white space around it.
[[nodiscard]] EncodeOutcome append_json_object(ByteBuffer& out, ByteView json,
                                               size_t size_max = kNoLimit);

// One value of any type, as in an object.
[[nodiscard]] EncodeOutcome append_json_value(ByteBuffer& out, ByteView msgpack,
                                              size_t size_max = kNoLimit);

}  // namespace penstock::kinesis_format
