// Packer: from the events of an entry to the records that carry them.
//
//   plain       an event goes straight into the body of the request being built, compressed on the
//               way when asked
//   aggregated  into the aggregate of its lane (open_aggregates.h), which goes to the queue when it
//               is full or old
//   parked      its shard takes nothing now, or a record of its lane is under way: to the queue
//   set aside   its shard takes nothing and enough waits for it, or older ones of its keys are set
//               aside: the tracker remembers it, the entry is gone through again (catch_up.h)
//   oversized   in parts, each straight into a request; shortened; or given up
//
// Lanes: with order: per_key the key's; else, of keyed aggregates, the shard's, or the key's while
// no map is known. Random keys have none: one aggregate is filled for all.
//
// Thread: the sender's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "codec/compress.h"
#include "delivery/catch_up.h"
#include "delivery/event_tracker.h"
#include "delivery/open_aggregates.h"
#include "delivery/outgoing.h"
#include "delivery/placement.h"
#include "delivery/record_queue.h"
#include "kinesis_format/aggregate.h"
#include "kinesis_format/event_encoder.h"
#include "kinesis_format/event_json.h"
#include "kinesis_format/oversize.h"
#include "kinesis_format/request_builder.h"
#include "record/event.h"
#include "route/partition_key.h"
#include "spool/spool.h"

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

// Where records go.
struct Packing {
  kinesis_format::RequestBuilder& builder;
  std::vector<RecordNote>& notes;  // of the records in the builder
  RecordQueue& queue;
  Placement& placement;
  std::unordered_map<uint64_t, uint32_t>& parts_left;  // of split events, by RecordNote::split
  EventTracker& tracker;
  CatchUp& catch_up;
  size_t queue_bytes_max;
  bool may_set_aside;  // the log can be read again
  SteadyTime now;
};

class Packer {
 public:
  explicit Packer(PackerOptions options);

  // The entry whose events come next; its predecessor is done.
  void begin(uint64_t ticket, const spool::Entry& entry);
  // Of an entry that was gone through before: those of its events that were set aside.
  void begin_again(uint64_t ticket, const spool::Entry& entry);
  [[nodiscard]] bool has_entry() const { return reader_.has_value(); }
  // Of the entry whose events come, or came last.
  [[nodiscard]] uint64_t ticket() const { return ticket_; }
  [[nodiscard]] bool is_again() const { return again_; }

  enum class Outcome : uint8_t {
    added,         // to the request
    aside,         // to an aggregate or the queue, or set aside
    request_full,  // it waits for the next request
    paced,         // no shard takes it now: placement.ready_again()
    given_up,      // no record can carry it: given_up()
    entry_done,    // there was no further event
  };
  // The next event of the entry, or the next part of one.
  [[nodiscard]] Outcome pack(const Packing& to);

  struct GivenUp {
    EventSpan span;
    const char* reason = "";  // of the dead letter
    const char* message = "";
  };
  // The event that the last pack() gave up.
  [[nodiscard]] const GivenUp& given_up() const { return given_up_; }

  // To the queue go the aggregates that are open for that long.
  void close_older_than(milliseconds age, const Packing& to);
  void close_all(const Packing& to) { close_older_than(milliseconds(0), to); }
  [[nodiscard]] bool has_open_aggregates() const { return !aggregates_.empty(); }
  [[nodiscard]] SteadyTime oldest_since() { return aggregates_.oldest().since; }

  // One event in records of its own, for an aggregate that was refused and is taken apart, or a
  // record that has become too large. Several when it has to be split; none: it is given_up().
  [[nodiscard]] std::vector<Waiting> pack_alone(const EventSpan& span, const spool::Entry& entry,
                                                const Packing& to);

  // Requires that no aggregate is open. An event in parts goes on as it began.
  void reconfigure(PackerOptions options);
  // The largest record, key included, for aggregates begun from now on; requires the same.
  void limit_records(size_t record_bytes_max);

  // Of open aggregates and the event that is being split.
  [[nodiscard]] size_t memory_bytes() const { return aggregate_bytes_ + split_.json.capacity(); }

 private:
  void take_on(uint64_t ticket, const spool::Entry& entry, bool again);

  struct Key {
    kinesis_format::RecordKey record;
    uint32_t shard = kinesis::kNoShard;
    bool ready = true;  // the shard takes it now
  };
  // An event that goes out in parts.
  struct Split {
    ByteBuffer json;
    std::optional<kinesis_format::Splitter> plan;  // while there are parts to come
    uint64_t id = 0;
    uint32_t next = 0;
    std::string partition_key;
    bool line_feed = false;  // behind each part, as it was when the first one left
  };

  [[nodiscard]] std::string_view partition_key_of(const record::EventView& event);
  [[nodiscard]] std::optional<Key> key_of(std::string_view partition_key, const Packing& to) const;
  [[nodiscard]] uint64_t lane_of(std::string_view partition_key) const;
  // Keys decide where events go, and some cannot go there now.
  [[nodiscard]] bool watches_places(const Packing& to) const;
  [[nodiscard]] bool sets_aside(std::string_view partition_key, const Packing& to);
  [[nodiscard]] bool must_wait(uint32_t shard, std::string_view partition_key,
                               const Packing& to) const;
  Outcome pack_event(const Packing& to);
  kinesis_format::EncodeOutcome append_payload(ByteBuffer& out, const record::EventView& event,
                                               size_t size_max, size_t* consumed);
  Outcome pack_plain(const record::EventView& event, std::string_view key, const Packing& to);
  Outcome pack_aside(const record::EventView& event, const Key& key, const Packing& to);
  Outcome pack_aggregated(const record::EventView& event, std::string_view key, const Packing& to);
  OpenAggregates::Open* open_aggregate(uint64_t lane, std::string_view key, uint32_t shard,
                                       const Packing& to);
  void close_aggregate(OpenAggregates::Open& open, const Packing& to);

  Outcome pack_oversized(const record::EventView& event, std::string_view key, const Packing& to);
  Outcome pack_next_part(const Packing& to);
  [[nodiscard]] bool plan_split(const record::Batch& batch, uint32_t index, size_t data_bytes_max);
  void append_part(ByteBuffer& out, uint32_t part);
  [[nodiscard]] std::vector<Waiting> pack_oversized_alone(const EventSpan& span, Waiting alone,
                                                          const record::Batch& batch,
                                                          const Packing& to);
  Outcome give_up(const GivenUp& why);
  [[nodiscard]] static GivenUp no_payload(const EventSpan& span);
  [[nodiscard]] static GivenUp too_large(const EventSpan& span);
  void step_over();
  void advance(size_t record_size);

  PackerOptions options_;
  kinesis_format::EventEncoder encoder_;
  codec::Compressor compressor_;
  size_t record_bytes_max_ = kinesis_format::kRecordBytesDefault;
  OpenAggregates aggregates_;
  size_t aggregate_bytes_ = 0;  // of all, as of a few events ago: adding up takes a look at each

  uint64_t ticket_ = 0;
  bool again_ = false;
  bool stayed_ = false;  // the event that pack_event() came to last was set aside
  std::shared_ptr<const record::Batch> batch_;
  std::optional<record::EntryReader> reader_;
  std::optional<record::EntryReader::Open> open_;  // the event that comes next
  uint32_t index_ = 0;                             // of that event in the batch
  Split split_;
  uint64_t splits_ = 0;
  GivenUp given_up_;
  std::string key_scratch_;
  ByteBuffer scratch_;
};

}  // namespace penstock::delivery
