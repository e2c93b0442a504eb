// One event to one JSON object, behind what a buffer already holds: no tree of values, no second
// copy, no allocation but the buffer's own growth. doc/record-format.md has the rules.
//
//   append_event_json    a msgpack map, transcoded in one pass
//   append_json_object   a JSON object's bytes, passed on unchanged but for U+FFFD
//   EventEncoder         a batch's event, by the batch's encoding, and the injected fields; JSON
//                        objects are passed on as they are: sources have repaired them
//
// Pure; thread: none of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "base/bytes.h"
#include "record/batch.h"
#include "record/event.h"

namespace penstock::kinesis_format {

enum class EncodeOutcome : uint8_t {
  done,
  too_large,  // more than size_max bytes; the buffer is as it was
  malformed,  // not a whole map; the buffer is as it was. Cannot happen to a walked batch
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

// Names of the fields to add to each object; empty: not added.
struct Inject {
  std::string time;  // when it happened, RFC 3339 with nine digits
  std::string tag;
  std::string id;  // the batch's id in 32 hex digits, "-", the event's index in decimal
};

class EventEncoder {
 public:
  explicit EventEncoder(const Inject& inject = {});

  // Injected fields stand last. A record that has a field of that name keeps it, and readers that
  // take the last of two see the injected one. index: place in the batch, from 0. *consumed, when
  // given, is the record's size once it is done: event.record may then go on behind it.
  [[nodiscard]] EncodeOutcome append(ByteBuffer& out, const record::Batch& batch,
                                     const record::EventView& event, uint32_t index,
                                     size_t size_max = kNoLimit, size_t* consumed = nullptr) const;

 private:
  void append_fields(ByteBuffer& out, const record::Batch& batch, const record::EventView& event,
                     uint32_t index) const;

  // `"name":` each, ready to be copied; empty: not added.
  std::string time_key_;
  std::string tag_key_;
  std::string id_key_;
};

// "0123456789abcdef0123456789abcdef-17": what `inject.id` adds.
void append_event_id(ByteBuffer& out, const Hash128& batch_id, uint64_t index);

}  // namespace penstock::kinesis_format
