#include "delivery/packer.h"

#include "base/check.h"

namespace penstock::delivery {
namespace {

using codec::Compression;
using kinesis_format::AggregateOutcome;
using kinesis_format::Aggregator;
using kinesis_format::EncodeOutcome;

// In front of compression an event may be so much larger than a record: text shrinks 5 to 10 times.
constexpr size_t kRawPerRecord = 8;
constexpr size_t kScratchKept = 1_MiB;

// Data of this size fits into size_max after compression, too, whatever it is.
size_t before_compression(Compression compression, size_t size_max) {
  if (compression == Compression::none) return size_max;
  const size_t growth = size_max / 128 + 128;
  return size_max > 2 * growth ? size_max - growth : 0;
}

Aggregator::Options aggregator_options(const PackerOptions& options, size_t record_bytes_max) {
  Aggregator::Options made;
  made.aggregation = options.aggregation;
  made.compression = options.compression;
  made.bytes_target = options.aggregate_bytes_target;
  made.bytes_max = record_bytes_max;
  made.events_end_lines = options.form.line_feed;
  made.events_are_text = !options.form.data_key.empty();
  return made;
}

}  // namespace

Packer::Packer(PackerOptions options, size_t record_bytes_max)
    : options_(std::move(options)),
      record_bytes_max_(record_bytes_max),
      encoder_(options_.inject, options_.form),
      compressor_(options_.compression),
      aggregates_(aggregator_options(options_, record_bytes_max_), options_.aggregates) {}

void Packer::configure(PackerOptions options, size_t record_bytes_max) {
  CHECK(aggregates_.empty());
  *this = Packer(std::move(options), record_bytes_max);
}

std::string_view Packer::partition_key_of(const Event& event) {
  return options_.partition_key.of(event.batch, event.view, event.id_index, key_scratch_);
}

EncodeOutcome Packer::encode(ByteBuffer& out, const Event& event, size_t size_max,
                             size_t* consumed) {
  return encoder_.append(out, event.batch, event.view, event.id_index, size_max, consumed);
}

void Packer::trim_scratch() {
  if (scratch_.capacity() > kScratchKept) scratch_.release();
}

EncodeOutcome Packer::append_payload(ByteBuffer& out, const Event& event, size_t size_max,
                                     size_t* consumed) {
  if (options_.compression == Compression::none) return encode(out, event, size_max, consumed);
  scratch_.clear();
  const EncodeOutcome encoded = encode(scratch_, event, size_max * kRawPerRecord, consumed);
  if (encoded != EncodeOutcome::done) return encoded;
  const size_t before = out.size();
  compressor_.append(out, scratch_.view());
  trim_scratch();
  if (out.size() - before <= size_max) return EncodeOutcome::done;
  out.resize(before);
  return EncodeOutcome::too_large;
}

bool Packer::append_bare(ByteBuffer& out, const Event& event, size_t size_max) {
  const EncodeOutcome encoded =
      encoder_.append_bare(out, event.batch, event.view, event.id_index, size_max);
  // The batch was walked before it was admitted; has_payload() was asked before.
  CHECK(encoded == EncodeOutcome::done || encoded == EncodeOutcome::too_large);
  return encoded == EncodeOutcome::done;
}

std::optional<kinesis_format::Splitter> Packer::plan_parts(ByteView payload, const Event& event,
                                                           size_t data_bytes_max) const {
  // A text has no parts that could be told to be such.
  if (!options_.form.data_key.empty()) return std::nullopt;
  const size_t room = before_compression(options_.compression, data_bytes_max);
  if (room < encoder_.end_bytes()) return std::nullopt;
  ByteBuffer id;
  kinesis_format::append_event_id(id, event.batch.id,
                                  uint64_t{event.batch.first_index} + event.id_index);
  return kinesis_format::Splitter::plan(payload, room - encoder_.end_bytes(), as_text(id.view()));
}

void Packer::append_part(ByteBuffer& out, const kinesis_format::Splitter& plan, uint32_t part) {
  if (options_.compression == Compression::none) {
    plan.append_part(out, part);
    encoder_.append_end(out);
    return;
  }
  scratch_.clear();
  plan.append_part(scratch_, part);
  encoder_.append_end(scratch_);
  compressor_.append(out, scratch_.view());
  trim_scratch();
}

Packer::Alone Packer::pack_alone(const Event& event, std::string_view partition_key,
                                 size_t data_bytes_max, size_t text_bytes_max) {
  Alone alone;
  const auto add_record = [&](const ByteBuffer& data) {
    QueuedRecord& record = alone.records.emplace_back();
    record.data = ByteBuffer::copy_of(data.view());  // to its size
    record.partition_key = partition_key;
    record.meta.span = event.span;
  };
  ByteBuffer payload;
  if (!append_bare(payload, event, text_bytes_max)) {
    alone.is_text_too_large = true;
    return alone;
  }
  encoder_.append_end(payload);
  // A copy that cannot fit is not made.
  const size_t growth = options_.compression == Compression::none ? 1 : kRawPerRecord;
  const bool may_fit = payload.size() <= data_bytes_max * growth;
  ByteBuffer data;
  if (may_fit) compressor_.append(data, payload.view());
  payload.resize(payload.size() - encoder_.end_bytes());
  if (may_fit && data.size() <= data_bytes_max) {
    add_record(data);
  } else if (options_.oversized == Oversized::truncate) {
    ByteBuffer shortened;
    if (!encoder_.append_shortened(shortened, payload.view(),
                                   before_compression(options_.compression, data_bytes_max))) {
      return {};
    }
    data.clear();
    compressor_.append(data, shortened.view());
    add_record(data);
  } else if (options_.oversized == Oversized::split) {
    const auto plan = plan_parts(payload.view(), event, data_bytes_max);
    if (!plan) return {};
    alone.is_split = true;
    for (uint32_t part = 0; part < plan->part_count(); ++part) {
      data.clear();
      append_part(data, *plan, part);
      add_record(data);
    }
  }
  return alone;
}

// ---- aggregates

void Packer::open(uint64_t group, const kinesis_format::RecordKey& key, const RecordMetadata& meta,
                  SteadyTime now) {
  aggregates_.open(group, key, now).meta = meta;
}

Packer::Added Packer::add(uint64_t group, const Event& event, std::string_view partition_key,
                          SteadyTime now, std::vector<QueuedRecord>& made, size_t* consumed) {
  OpenAggregates::Open* const open = aggregates_.find(group);
  CHECK(open != nullptr);
  const EncodeOutcome encoded =
      encode(open->aggregator.begin_event(), event, kRawPerRecord * record_bytes_max_, consumed);
  CHECK(encoded != EncodeOutcome::malformed);
  AggregateOutcome added = AggregateOutcome::too_large;
  if (encoded == EncodeOutcome::too_large) {
    open->aggregator.cancel_event();
  } else {
    added = open->aggregator.end_event(partition_key);
  }
  if (added != AggregateOutcome::added) {
    // Before an event that goes by itself goes what is older.
    if (open->aggregator.empty()) {
      aggregates_.drop(*open);
    } else {
      made.push_back(aggregates_.close(*open, now));
    }
    return added == AggregateOutcome::full ? Added::group_full : Added::too_large;
  }
  OpenAggregates::add_span(open->meta, event.span);
  while (aggregates_.too_many()) made.push_back(aggregates_.close(aggregates_.oldest(), now));
  if (event.span.first % 32 == 0) {
    while (aggregates_.too_large()) made.push_back(aggregates_.close(aggregates_.oldest(), now));
    aggregate_bytes_ = aggregates_.bytes();
  }
  return Added::added;
}

void Packer::close(uint64_t group, SteadyTime now, std::vector<QueuedRecord>& made) {
  if (OpenAggregates::Open* const open = aggregates_.find(group)) {
    made.push_back(aggregates_.close(*open, now));
  }
}

void Packer::close_older_than(milliseconds age, SteadyTime now, std::vector<QueuedRecord>& made) {
  while (!aggregates_.empty() && aggregates_.oldest().since + age <= now) {
    made.push_back(aggregates_.close(aggregates_.oldest(), now));
  }
  if (aggregates_.empty()) aggregate_bytes_ = 0;
}

std::optional<SteadyTime> Packer::oldest_since() {
  if (aggregates_.empty()) return std::nullopt;
  return aggregates_.oldest().since;
}

}  // namespace penstock::delivery
