// Packer: from events to the data of records, by the options of the stream: encoded, compressed,
// gathered into aggregates, and what is done with an event that fits into no record.
//
// It is told where a record goes and returns what it made; it knows nothing of requests, queues or
// shards.
//
// Aggregates are filled by group: with order: per_key a group is a key, else a shard, or a key
// while shards are not known; random keys are one group.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/compress.h"
#include "delivery/event_cursor.h"
#include "delivery/open_aggregates.h"
#include "delivery/records.h"
#include "kinesis_format/aggregate.h"
#include "kinesis_format/event_encoder.h"
#include "kinesis_format/oversize.h"
#include "route/partition_key.h"

namespace penstock::delivery {

enum class Oversized : uint8_t { split, truncate, dead_letter };

struct PackerOptions {
  kinesis_format::Inject inject;
  kinesis_format::PayloadForm form;
  route::PartitionKey partition_key = route::PartitionKey::random();
  bool keys_are_random = true;  // so that a record may go to any shard
  bool keep_order = false;      // of the events of a key
  Oversized oversized = Oversized::split;
  kinesis_format::Aggregation aggregation = kinesis_format::Aggregation::none;
  codec::Compression compression = codec::Compression::none;
  size_t aggregate_bytes_target = 2 * kinesis_format::kPayloadUnitBytes;
  OpenAggregates::Limits aggregates;
};

class Packer {
 public:
  Packer(PackerOptions options, size_t record_bytes_max);

  [[nodiscard]] const PackerOptions& options() const { return options_; }
  // Requires that no aggregate is open. record_bytes_max: key included.
  void configure(PackerOptions options, size_t record_bytes_max);

  // The view lives until the next call.
  [[nodiscard]] std::string_view partition_key_of(const Event& event);
  // False: no record can carry it (data_key). Requirement of all that follows.
  [[nodiscard]] bool has_payload(const Event& event) const {
    return encoder_.has_payload(event.batch, event.view);
  }

  // ---- one event a record

  // Appends the data. too_large: out is as it was. *consumed: the size of the event's record.
  [[nodiscard]] kinesis_format::EncodeOutcome append_payload(ByteBuffer& out, const Event& event,
                                                             size_t size_max, size_t* consumed);
  // The event by itself, whatever the aggregation: one record, or, when it is too large for one,
  // shortened or in parts. None: it fits into no record, or its text is larger than that.
  struct Alone {
    std::vector<QueuedRecord> records;
    bool is_split = false;
    bool is_text_too_large = false;
  };
  [[nodiscard]] Alone pack_alone(const Event& event, std::string_view partition_key,
                                 size_t data_bytes_max, size_t text_bytes_max);
  // The event's payload without its end, for who cuts it up. False: larger than size_max.
  [[nodiscard]] bool append_bare(ByteBuffer& out, const Event& event, size_t size_max);
  // How append_part() can cut a payload of append_bare() into records of that size; nullopt: it
  // cannot. payload is borrowed by the result.
  [[nodiscard]] std::optional<kinesis_format::Splitter> plan_parts(ByteView payload,
                                                                   const Event& event,
                                                                   size_t data_bytes_max) const;
  void append_part(ByteBuffer& out, const kinesis_format::Splitter& plan, uint32_t part);

  // ---- aggregates

  [[nodiscard]] bool has_open(uint64_t group) { return aggregates_.find(group) != nullptr; }
  // The records of the group's next aggregate go there. Requires that none is open.
  void open(uint64_t group, const kinesis_format::RecordKey& key, const RecordMetadata& meta,
            SteadyTime now);
  enum class Added : uint8_t {
    added,
    group_full,  // its aggregate was closed; open() another one, then again
    too_large,   // for any record
  };
  // Requires an open aggregate. made: aggregates that were closed, in the order of their events.
  [[nodiscard]] Added add(uint64_t group, const Event& event, std::string_view partition_key,
                          SteadyTime now, std::vector<QueuedRecord>& made, size_t* consumed);
  // Closes the group's aggregate, if it has one.
  void close(uint64_t group, SteadyTime now, std::vector<QueuedRecord>& made);
  // Closes those that have been open for that long.
  void close_older_than(milliseconds age, SteadyTime now, std::vector<QueuedRecord>& made);
  [[nodiscard]] std::optional<SteadyTime> oldest_since();

  // Of open aggregates and scratch.
  [[nodiscard]] size_t memory_bytes() const { return aggregate_bytes_ + scratch_.capacity(); }

 private:
  [[nodiscard]] kinesis_format::EncodeOutcome encode(ByteBuffer& out, const Event& event,
                                                     size_t size_max, size_t* consumed);
  void trim_scratch();

  PackerOptions options_;
  size_t record_bytes_max_;
  kinesis_format::EventEncoder encoder_;
  codec::Compressor compressor_;
  OpenAggregates aggregates_;
  size_t aggregate_bytes_ = 0;  // of all, as of a few events ago: adding up takes a look at each
  std::string key_scratch_;
  ByteBuffer scratch_;
};

}  // namespace penstock::delivery
