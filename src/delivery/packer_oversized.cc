// What becomes of an event that is larger than a record may be. See packer.h.
#include "base/check.h"
#include "delivery/packer.h"

namespace penstock::delivery {
namespace {

using codec::Compression;
using kinesis_format::EncodeOutcome;

// Data of this size fits into size_max after compression, too, whatever it is.
size_t before_compression(Compression compression, size_t size_max) {
  if (compression == Compression::none) return size_max;
  const size_t growth = size_max / 128 + 128;
  return size_max > 2 * growth ? size_max - growth : 0;
}

std::string event_id(const record::Batch& batch, uint32_t index) {
  ByteBuffer id;
  kinesis_format::append_event_id(id, batch.id, uint64_t{batch.first_index} + index);
  return std::string(as_text(id.view()));
}

}  // namespace

Packer::Outcome Packer::pack_oversized(const record::EventView& event,
                                       std::string_view partition_key, const Packing& to) {
  const EventSpan span{ticket_, index_, 1};
  if (options_.oversized == Oversized::dead_letter) return give_up(too_large(span));
  Waiting alone;
  alone.partition_key = partition_key;
  split_.json.clear();
  const EncodeOutcome encoded = encoder_.append_bare(split_.json, *batch_, event, index_);
  CHECK(encoded == EncodeOutcome::done);

  // One after the other into requests; records of a lane go through the queue.
  if (options_.oversized == Oversized::split && !options_.keep_order) {
    const kinesis_format::RecordKey key{partition_key, std::nullopt};
    if (!plan_split(*batch_, index_, to.builder.data_bytes_max(key))) {
      split_.json.release();
      return give_up(too_large(span));
    }
    split_.partition_key = partition_key;
    split_.next = 0;
    split_.id = ++splits_;
    to.parts_left[split_.id] = split_.plan->part_count();
    return pack_next_part(to);
  }
  std::vector<Waiting> records = pack_oversized_alone(span, std::move(alone), *batch_, to);
  split_.json.release();
  if (records.empty()) return give_up(too_large(span));
  for (Waiting& record : records) {
    if (record.note.lane != 0) {
      to.queue.lane_append(std::move(record));
    } else {
      to.queue.add(std::move(record));
    }
  }
  step_over();
  return Outcome::aside;
}

bool Packer::plan_split(const record::Batch& batch, uint32_t index, size_t data_bytes_max) {
  const size_t room = before_compression(options_.compression, data_bytes_max);
  if (!options_.form.data_key.empty() || room < encoder_.end_bytes()) return false;
  split_.plan = kinesis_format::Splitter::plan(split_.json.view(), room - encoder_.end_bytes(),
                                               event_id(batch, index));
  split_.line_feed = options_.form.line_feed;
  return split_.plan.has_value();
}

void Packer::append_part(ByteBuffer& out, uint32_t part) {
  if (options_.compression == Compression::none) {
    split_.plan->append_part(out, part);
    if (split_.line_feed) out.push_back('\n');
    return;
  }
  scratch_.clear();
  split_.plan->append_part(scratch_, part);
  if (split_.line_feed) scratch_.push_back('\n');
  compressor_.append(out, scratch_.view());
}

Packer::Outcome Packer::pack_next_part(const Packing& to) {
  const kinesis_format::RecordKey key{split_.partition_key, std::nullopt};
  append_part(to.builder.begin_record(), split_.next);
  switch (to.builder.end_record(key, to.notes.size())) {
    case kinesis_format::AddOutcome::request_full:
      return Outcome::request_full;
    case kinesis_format::AddOutcome::record_too_large: {
      // The limit was lowered among the parts: what was sent cannot be joined with smaller ones.
      split_.plan.reset();
      split_.json.release();
      if (to.parts_left.erase(split_.id) > 0) return give_up(too_large({ticket_, index_, 1}));
      step_over();  // given up already, for another part
      return Outcome::aside;
    }
    case kinesis_format::AddOutcome::added:
      break;
  }
  RecordNote& note = to.notes.emplace_back();
  note.span = {ticket_, index_, 1};
  note.split = split_.id;
  note.shard =
      to.placement.steering() ? to.placement.shard_of(key.partition_key) : kinesis::kNoShard;
  if (++split_.next == split_.plan->part_count()) {
    split_.plan.reset();
    split_.json.release();
    step_over();
  }
  return Outcome::added;
}

std::vector<Waiting> Packer::pack_alone(const EventSpan& span, const spool::Entry& entry,
                                        const Packing& to) {
  const record::Batch& batch = *entry.batch;
  record::EntryReader reader(batch);
  record::EventView event;
  for (uint32_t i = 0; i <= span.first; ++i) CHECK(reader.next(event));
  Waiting alone;
  alone.partition_key = options_.partition_key.of(batch, event, span.first, key_scratch_);
  alone.due = to.now;
  // A reload since the event was packed may have named another data_key.
  given_up_ = encoder_.has_payload(batch, event) ? too_large(span) : no_payload(span);
  ByteBuffer json;
  const EncodeOutcome encoded = encoder_.append(json, batch, event, span.first);
  if (encoded == EncodeOutcome::no_text) return {};
  CHECK(encoded == EncodeOutcome::done);
  compressor_.append(alone.data, json.view());
  const size_t data_max = to.builder.data_bytes_max({alone.partition_key, std::nullopt});
  if (alone.data.size() > data_max) {
    if (options_.oversized == Oversized::dead_letter || split_.plan) return {};
    alone.data.clear();
    json.resize(json.size() - encoder_.end_bytes());
    split_.json = std::move(json);
    std::vector<Waiting> records = pack_oversized_alone(span, std::move(alone), batch, to);
    split_.json.release();
    return records;
  }
  alone.note.span = span;
  if (options_.keep_order) alone.note.lane = lane_of(alone.partition_key);
  std::vector<Waiting> records;
  records.push_back(std::move(alone));
  return records;
}

// split_.json as records for the queue; `alone` has their key. None: it fits into no record.
std::vector<Waiting> Packer::pack_oversized_alone(const EventSpan& span, Waiting alone,
                                                  const record::Batch& batch, const Packing& to) {
  const size_t data_max = to.builder.data_bytes_max({alone.partition_key, std::nullopt});
  std::vector<Waiting> records;
  alone.due = to.now;
  alone.note.span = span;
  alone.note.shard = to.placement.shard_of(alone.partition_key);
  if (options_.keep_order) alone.note.lane = lane_of(alone.partition_key);
  if (options_.oversized == Oversized::truncate) {
    ByteBuffer json;
    if (!encoder_.append_shortened(json, split_.json.view(),
                                   before_compression(options_.compression, data_max))) {
      return records;
    }
    compressor_.append(alone.data, json.view());
    records.push_back(std::move(alone));
    return records;
  }
  if (!plan_split(batch, span.first, data_max)) return records;
  const uint64_t id = ++splits_;
  to.parts_left[id] = split_.plan->part_count();
  for (uint32_t part = 0; part < split_.plan->part_count(); ++part) {
    Waiting& record = records.emplace_back();
    record.partition_key = alone.partition_key;
    record.note = alone.note;
    record.note.split = id;
    record.due = to.now;
    ByteBuffer grown;
    append_part(grown, part);
    record.data = ByteBuffer::copy_of(grown.view());  // to its size
  }
  split_.plan.reset();
  return records;
}

}  // namespace penstock::delivery
