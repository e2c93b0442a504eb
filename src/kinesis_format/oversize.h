// Events that are larger than a record may be: cut into parts that are put together again exactly
// (Splitter; split_joiner.h), or shortened (append_truncated). doc/record-format.md has the layout.
//
// Both work on JSON text as event_json.h writes it. Every part, and what is left of a truncated
// event, is one JSON object itself, with its other fields in place:
//
//   …,"penstock":{"split":{"id":"…","index":0,"count":3,"bytes":3145728,"hash":"…",
//                          "prefix":120,"suffix":345}}}
//
// Where the largest text is too small for that, the event's text itself is cut into strings:
//
//   {"penstock":{"split":{"id":"…","index":0,"count":3,"bytes":3145728,"hash":"…","text":"…"}}}
//
// Pure; thread: none of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace penstock::kinesis_format {

class Splitter {
 public:
  // json: one JSON object; borrowed until the last part is appended. id: of [0-9a-f-], the same for
  // all parts and at every try (the event's id). nullopt: parts of that size hold nothing.
  [[nodiscard]] static std::optional<Splitter> plan(ByteView json, size_t part_bytes_max,
                                                    std::string_view id);

  [[nodiscard]] uint32_t part_count() const { return static_cast<uint32_t>(cuts_.size() - 1); }
  // At most part_bytes_max bytes.
  void append_part(ByteBuffer& out, uint32_t index) const;

 private:
  Splitter() = default;
  bool plan_field(size_t part_bytes_max);
  bool plan_text(size_t part_bytes_max);
  void append_marker(ByteBuffer& out, uint32_t index) const;

  std::string_view json_;
  std::string id_;
  uint64_t hash_ = 0;
  bool in_field_ = false;
  size_t close_ = 0;          // of the object's closing brace
  std::vector<size_t> cuts_;  // part i is json_[cuts_[i], cuts_[i + 1])
};

// The event with its longest texts cut, all to the same length, so far that it fits; marked
// `"penstock":{"truncated":{"bytes":n}}`, n of JSON text missing. False, with out unchanged, when
// the rest alone is too large.
[[nodiscard]] bool append_truncated(ByteBuffer& out, ByteView json, size_t bytes_max);

}  // namespace penstock::kinesis_format
