// PartitionKey: which key an event carries into its stream; Kinesis hashes it to a shard.
//
//   random   16 hex digits drawn from the event's id: spreads evenly, the same on each retry
//   tag      the event's tag
//   field    the text, number or boolean at a path of the record
//
// Without a tag, or where the field is absent, null, empty, an object or an array: random.
// Keys are UTF-8 of 1 to 256 characters (docs.aws.amazon.com, PutRecordsRequestEntry): longer ones
// are cut, which keeps what belongs together together; invalid bytes become U+FFFD.
//
// Immutable; thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "record/batch.h"
#include "record/event.h"
#include "route/field_path.h"

namespace penstock::route {

class PartitionKey {
 public:
  [[nodiscard]] static PartitionKey random() { return PartitionKey(Kind::random); }
  [[nodiscard]] static PartitionKey tag() { return PartitionKey(Kind::tag); }
  [[nodiscard]] static PartitionKey field(FieldPath path);

  // The key of event `index` (counted from 0) of a batch. The view lives as long as the batch and
  // until scratch is used again.
  [[nodiscard]] std::string_view of(const record::Batch& batch, const record::EventView& event,
                                    uint32_t index, std::string& scratch) const;

  static constexpr size_t kCharactersMax = 256;

 private:
  enum class Kind : uint8_t { random, tag, field };
  explicit PartitionKey(Kind kind) : kind_(kind) {}

  Kind kind_;
  std::optional<FieldSet> fields_;
};

}  // namespace penstock::route
