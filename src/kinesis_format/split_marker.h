// What says that a JSON object is a part of a larger one: written by Splitter, found again by
// SplitJoiner. The layout is fixed to the byte, so that reading it back needs no JSON parser and a
// record that merely has such a field is not mistaken for a part.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace penstock::kinesis_format {

struct SplitMarker {
  std::string_view id;  // 1 to 80 of [0-9a-f-]
  uint32_t index = 0;
  uint32_t count = 0;
  uint64_t bytes = 0;  // of the whole event
  uint64_t hash = 0;   // checksum64 of the whole event

  // A piece of one text, the event's other fields around it…
  bool in_field = false;
  uint64_t prefix = 0;  // bytes of the event before the text, the same in every part
  uint64_t suffix = 0;  // and behind it
  // …or a piece of the event's JSON text, escaped.
  std::string_view text;

  // Where the marker is in the part, to be removed.
  size_t begin = 0;
  size_t end = 0;
};

// Longest marker, without id and text.
inline constexpr size_t kSplitMarkerBytesMax = 256;

// `,"penstock":{"split":{…}}`, to stand before the object's closing brace.
void append_field_marker(ByteBuffer& out, const SplitMarker& marker);
// `{"penstock":{"split":{…,"text":"`, the piece escaped, and what closes it.
void append_text_part(ByteBuffer& out, const SplitMarker& marker);

[[nodiscard]] std::optional<SplitMarker> find_split_marker(std::string_view part);

}  // namespace penstock::kinesis_format
