// Aggregator: several events in the data of one Kinesis record, filled to what the record costs.
//
//   none    one event a record; compressed when asked
//   lines   events joined by line feeds; compressed as a whole when asked
//   kpl     the format of the Kinesis Producer Library, which KCL, Firehose and AWS's
//           de-aggregation libraries undo; each event compressed for itself when asked
//
//   kpl, on the wire:  F3 89 9A C2 | protobuf AggregatedRecord | MD5 of the protobuf
//     AggregatedRecord { repeated string partition_key_table = 1;
//                        repeated string explicit_hash_key_table = 2; repeated Record records = 3;
//                        }
//     Record           { uint64 partition_key_index = 1; uint64 explicit_hash_key_index = 2;
//                        bytes data = 3; }
//   (awslabs/amazon-kinesis-producer, aggregation-format.md)
//
// Every event of a kpl aggregate carries the hash key of the record around it: the KCL throws the
// whole aggregate away when one event's own key falls outside the shard it was read from, and that
// happens after a reshard. An aggregate of one event is sent bare.
//
// Pure; owned by one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "codec/compress.h"
#include "codec/inflate.h"
#include "kinesis_format/put_records_limits.h"
#include "kinesis_format/request_builder.h"
#include "kinesis_format/u128.h"

namespace penstock::kinesis_format {

enum class Aggregation : uint8_t { none, kpl, lines };

enum class AggregateOutcome : uint8_t {
  added,
  full,       // cut off again: it belongs into the next aggregate
  too_large,  // cut off again: it fits into no record
};

// Puts the digest into each of these records. Of several at once it takes a fraction of the time.
void seal(std::span<const std::span<uint8_t>> kpl_aggregates);

class Aggregator {
 public:
  struct Options {
    Aggregation aggregation = Aggregation::kpl;
    codec::Compression compression = codec::Compression::none;
    // Filled up to here, key included: whole payload units are what a record is charged for. A
    // larger event goes alone.
    size_t bytes_target = 2 * kPayloadUnitBytes;
    size_t bytes_max = kRecordBytesDefault;  // the record, key included
    bool wrap_single = false;                // kpl: an aggregate of one event, too
    bool events_end_lines = false;           // lines: each event brings its line feed along
    bool events_are_text = false;            // lines: what line feeds are in them, stay
  };
  // shared: of the same compression, to save memory where there are many; outlives this.
  explicit Aggregator(const Options& options, codec::Compressor* shared = nullptr);

  // Begins an aggregate that will be sent with this key (copied). Requires that it is empty.
  void begin(const RecordKey& key);

  // Where the next event's JSON goes: append to it and touch nothing it holds. Then end_event() or
  // cancel_event(), and nothing else before.
  [[nodiscard]] ByteBuffer& begin_event();
  // partition_key: the event's own, kept in kpl.
  [[nodiscard]] AggregateOutcome end_event(std::string_view partition_key);
  void cancel_event();

  [[nodiscard]] bool empty() const { return event_count_ == 0; }
  [[nodiscard]] uint32_t event_count() const { return event_count_; }
  // The key given to begin(), borrowed.
  [[nodiscard]] RecordKey key() const { return {partition_key_, explicit_hash_key_}; }
  // As the service counts it, if it were closed now; of compressed lines an estimate.
  [[nodiscard]] size_t counted_bytes() const;
  // What it holds in memory.
  [[nodiscard]] size_t memory_bytes() const;

  // Appends the record's data and is empty again. At most bytes_max less the key. Requires an
  // event.
  void close(ByteBuffer& out);
  // The same, but where there is to be a kpl digest its place is left free, and true returned: it
  // is for seal().
  [[nodiscard]] bool close_unsealed(ByteBuffer& out);
  void clear();

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  AggregateOutcome end_kpl_event(std::string_view partition_key);
  AggregateOutcome end_payload_event();
  void make_one_line();
  AggregateOutcome compress_alone();
  AggregateOutcome refuse(AggregateOutcome outcome);
  [[nodiscard]] size_t index_of_key(std::string_view partition_key) const;
  void add_key(std::string_view partition_key, size_t index);
  [[nodiscard]] size_t kpl_bytes() const;
  [[nodiscard]] bool close_kpl(ByteBuffer& out);
  // Of the record's data.
  [[nodiscard]] size_t data_bytes_max() const;
  [[nodiscard]] size_t data_bytes_target() const;
  // Payloads up to this size fit even if they do not get smaller.
  [[nodiscard]] size_t raw_bytes_sure() const;

  Options options_;
  [[nodiscard]] codec::Compressor& compressor() { return shared_ != nullptr ? *shared_ : *own_; }

  codec::Compressor* shared_;
  std::optional<codec::Compressor> own_;
  std::string partition_key_;
  std::optional<Uint128> explicit_hash_key_;
  size_t outer_key_bytes_ = 0;
  uint32_t event_count_ = 0;

  ByteBuffer events_;              // the payload; kpl: the records field, encoded
  ByteBuffer event_;               // kpl: the open event
  ByteBuffer compressed_;          // of one event
  size_t cut_ = 0;                 // size of events_ before the open event
  size_t event_start_ = 0;         // where in events_ the open event's bytes begin
  bool compressed_alone_ = false;  // compressed_ is the whole record
  double ratio_ = 0.25;            // compressed to raw, of the payloads closed so far

  // kpl: both tables, encoded, and which key is where.
  ByteBuffer key_table_;
  ByteBuffer hash_key_table_;
  std::unordered_map<std::string, size_t, TextHash, std::equal_to<>> key_indices_;
  std::string last_key_;  // most events have the key of the one before
  size_t last_key_index_ = 0;
  size_t single_start_ = 0;  // where in events_ the data of the first event begins
};

}  // namespace penstock::kinesis_format
