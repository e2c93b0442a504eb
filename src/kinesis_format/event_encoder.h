// EventEncoder: a batch's event to the payload of a record, by the batch's encoding.
//
//   as an object   its JSON and the injected fields; JSON objects are passed on as they are, since
//                  sources have repaired them
//   data_key       the text of one field alone; a number or boolean as its JSON text
//   line_feed      one behind either
//
// Pure; thread: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "codec/time_format.h"
#include "kinesis_format/event_json.h"
#include "record/batch.h"
#include "record/event.h"
#include "route/field_path.h"

namespace penstock::kinesis_format {

// Names of the fields to add to each object; empty: not added.
struct Inject {
  std::string time = {};  // when it happened
  std::string tag = {};
  std::string id = {};  // the batch's id in 32 hex digits, "-", the event's index in decimal
  codec::TimeFormat time_format = {};
  // Name and text; only added to objects that have no such field.
  std::vector<std::pair<std::string, std::string>> fields = {};
};

struct PayloadForm {
  route::FieldPath data_key = {};  // empty: the whole object
  bool line_feed = false;          // one behind each payload
};

class EventEncoder {
 public:
  explicit EventEncoder(const Inject& inject = {}, const PayloadForm& form = {});

  // Injected fields stand last. A record that has a field of the name of time, tag or id keeps it,
  // and readers that take the last of two see the injected one. index: place in the batch, from 0.
  // *consumed, when given, is the record's size once it is done: event.record may then go on behind
  // it.
  [[nodiscard]] EncodeOutcome append(ByteBuffer& out, const record::Batch& batch,
                                     const record::EventView& event, uint32_t index,
                                     size_t size_max = kNoLimit, size_t* consumed = nullptr) const;

  // The same without what append_end() puts behind it: to be split or shortened first.
  [[nodiscard]] EncodeOutcome append_bare(ByteBuffer& out, const record::Batch& batch,
                                          const record::EventView& event, uint32_t index,
                                          size_t size_max = kNoLimit,
                                          size_t* consumed = nullptr) const;
  void append_end(ByteBuffer& out) const;
  [[nodiscard]] size_t end_bytes() const { return form_.line_feed ? 1 : 0; }

  // False: append() would say no_text.
  [[nodiscard]] bool has_payload(const record::Batch& batch, const record::EventView& event) const;

  // A payload of append_bare() made smaller, with its end: an object by append_truncated()
  // (oversize.h), a text cut between characters. False, with out unchanged: it cannot be.
  [[nodiscard]] bool append_shortened(ByteBuffer& out, ByteView payload, size_t bytes_max) const;

 private:
  [[nodiscard]] EncodeOutcome append_text(ByteBuffer& out, const record::Batch& batch,
                                          const record::EventView& event, size_t size_max,
                                          size_t* consumed) const;
  [[nodiscard]] bool injects() const;
  void append_fields(ByteBuffer& out, const record::Batch& batch, const record::EventView& event,
                     uint32_t index) const;
  void append_fixed_fields(ByteBuffer& out, const record::Batch& batch,
                           const record::EventView& event) const;

  PayloadForm form_;
  std::optional<route::FieldSet> data_field_;
  codec::TimeFormat time_format_;
  // `"name":` each, ready to be copied; empty: not added.
  std::string time_key_;
  std::string tag_key_;
  std::string id_key_;
  std::vector<std::string> fixed_fields_;  // `"name":"text",` each
  std::optional<route::FieldSet> fixed_names_;
};

// "0123456789abcdef0123456789abcdef-17": what `inject.id` adds.
void append_event_id(ByteBuffer& out, const Hash128& batch_id, uint64_t index);

}  // namespace penstock::kinesis_format
