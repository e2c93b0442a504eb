#include "delivery/packer.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
#include "codec/msgpack_cursor.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {
namespace {

using codec::Compression;
using kinesis_format::Aggregation;
using kinesis_format::EncodeOutcome;

// In front of compression an event may be so much larger than a record: text shrinks 5 to 10 times.
constexpr size_t kRawPerRecord = 8;

// All random keys are this one when the explicit hash key decides; as the KPL does.
constexpr std::string_view kAnyKey = "a";

kinesis_format::Aggregator::Options aggregator_options(const PackerOptions& options,
                                                       size_t record_bytes_max) {
  kinesis_format::Aggregator::Options made;
  made.aggregation = options.aggregation;
  made.compression = options.compression;
  made.bytes_target = options.aggregate_bytes_target;
  made.bytes_max = record_bytes_max;
  made.events_end_lines = options.form.line_feed;
  made.events_are_text = !options.form.data_key.empty();
  return made;
}

}  // namespace

Packer::Packer(PackerOptions options)
    : options_(std::move(options)),
      encoder_(options_.inject, options_.form),
      compressor_(options_.compression),
      aggregates_(aggregator_options(options_, record_bytes_max_), options_.aggregates) {}

void Packer::reconfigure(PackerOptions options) {
  CHECK(aggregates_.empty());
  options_ = std::move(options);
  encoder_ = kinesis_format::EventEncoder(options_.inject, options_.form);
  compressor_ = codec::Compressor(options_.compression);
  aggregates_ =
      OpenAggregates(aggregator_options(options_, record_bytes_max_), options_.aggregates);
}

void Packer::limit_records(size_t record_bytes_max) {
  CHECK(aggregates_.empty());
  record_bytes_max_ = record_bytes_max;
  aggregates_ =
      OpenAggregates(aggregator_options(options_, record_bytes_max_), options_.aggregates);
}

void Packer::begin(uint64_t ticket, const spool::Entry& entry) {
  take_on(ticket, entry, false);
  // What was final before a restart is stepped over.
  for (record::EventView event; index_ < entry.events_final; ++index_) {
    CHECK(reader_->next(event));
  }
  open_ = reader_->open();
}

void Packer::begin_again(uint64_t ticket, const spool::Entry& entry) {
  take_on(ticket, entry, true);
  open_ = reader_->open();
}

void Packer::take_on(uint64_t ticket, const spool::Entry& entry, bool again) {
  ticket_ = ticket;
  again_ = again;
  batch_ = entry.batch;
  index_ = 0;
  reader_.emplace(*batch_);
}

Packer::Outcome Packer::pack(const Packing& to) {
  if (split_.plan) return pack_next_part(to);
  if (!again_) return pack_event(to);
  while (open_ && !to.tracker.is_aside(ticket_, index_)) step_over();
  const uint32_t index = index_;
  const Outcome outcome = pack_event(to);
  // It has left, or some of its parts have, unless it stayed aside.
  const bool has_left = index_ != index || split_.plan.has_value();
  if (has_left && !stayed_) to.tracker.take_back(ticket_, index);
  return outcome;
}

Packer::Outcome Packer::pack_event(const Packing& to) {
  if (!open_) {
    reader_.reset();
    batch_.reset();
    return Outcome::entry_done;
  }
  const record::EventView event{open_->time, open_->record_and_rest, {}};
  if (!encoder_.has_payload(*batch_, event)) {
    stayed_ = false;
    return give_up(no_payload({ticket_, index_, 1}));
  }
  const std::string_view key = partition_key_of(event);
  stayed_ = watches_places(to) && sets_aside(key, to);
  if (stayed_) {
    step_over();
    return Outcome::aside;
  }
  return options_.aggregation == Aggregation::none ? pack_plain(event, key, to)
                                                   : pack_aggregated(event, key, to);
}

std::string_view Packer::partition_key_of(const record::EventView& event) {
  return options_.partition_key.of(*batch_, event, index_, key_scratch_);
}

// nullopt: the key is ours to choose, and no shard takes anything now.
std::optional<Packer::Key> Packer::key_of(std::string_view partition_key, const Packing& to) const {
  Key key;
  key.record.partition_key = partition_key;
  if (!to.placement.steering() && !watches_places(to)) return key;
  if (options_.keys_are_random) {
    const auto spot = to.placement.spread(to.now);
    if (!spot) return std::nullopt;
    key.shard = spot->shard;
    key.record = {kAnyKey, spot->hash_key};
    return key;
  }
  key.shard = to.placement.shard_of(partition_key);
  key.ready = to.placement.ready_at(key.shard, to.now) <= to.now;
  return key;
}

bool Packer::watches_places(const Packing& to) const {
  if (!to.may_set_aside || options_.keys_are_random) return false;
  return to.tracker.any_behind() || to.placement.paced() || to.queue.any_refused();
}

// The event behind others of its slice that are set aside, or for a shard for which enough waits.
bool Packer::sets_aside(std::string_view partition_key, const Packing& to) {
  const kinesis::HashKey hash_key = kinesis_format::hash_key_of(partition_key);
  const size_t slice = slice_of(hash_key);
  const bool is_behind = again_ ? to.catch_up.blocks(slice) : to.tracker.behind().test(slice);
  if (!is_behind && !must_wait(to.placement.shard_of(hash_key), partition_key, to)) return false;
  if (again_) {
    to.catch_up.block(slice);
    to.tracker.stay(ticket_, slice);
  } else {
    to.tracker.set_aside(ticket_, index_, slice);
  }
  return true;
}

bool Packer::must_wait(uint32_t shard, std::string_view partition_key, const Packing& to) const {
  if (shard == kinesis::kNoShard) return false;  // nobody knows what it would wait for
  const RecordQueue::Place place = to.queue.place(shard);
  if (place.refused > 0 || to.placement.ready_at(shard, to.now) > to.now) {
    return place.bytes >= place_bytes_max(to.queue_bytes_max) ||
           to.queue.bytes() >= to.queue_bytes_max / 2;
  }
  // The shard takes it, but perhaps not at once.
  return to.queue.bytes() >= to.queue_bytes_max && options_.keep_order &&
         !to.queue.lane_is_free(lane_of(partition_key));
}

uint64_t Packer::lane_of(std::string_view partition_key) const {
  return checksum64(as_bytes(partition_key)) | 1;  // 0 is no lane
}

// The event's JSON, compressed when asked; the request's or the aggregate's framing is not in it.
EncodeOutcome Packer::append_payload(ByteBuffer& out, const record::EventView& event,
                                     size_t size_max, size_t* consumed) {
  if (options_.compression == Compression::none) {
    return encoder_.append(out, *batch_, event, index_, size_max, consumed);
  }
  scratch_.clear();
  const EncodeOutcome encoded =
      encoder_.append(scratch_, *batch_, event, index_, size_max * kRawPerRecord, consumed);
  if (encoded != EncodeOutcome::done) return encoded;
  const size_t before = out.size();
  compressor_.append(out, scratch_.view());
  if (out.size() - before <= size_max) return EncodeOutcome::done;
  out.resize(before);
  return EncodeOutcome::too_large;
}

Packer::Outcome Packer::pack_plain(const record::EventView& event, std::string_view partition_key,
                                   const Packing& to) {
  const auto key = key_of(partition_key, to);
  if (!key) return Outcome::paced;
  const uint64_t lane = options_.keep_order ? lane_of(partition_key) : 0;
  if (!key->ready || (lane != 0 && !to.queue.lane_is_free(lane))) {
    return pack_aside(event, *key, to);
  }
  ByteBuffer& data = to.builder.begin_record();
  size_t consumed = 0;
  const EncodeOutcome encoded =
      append_payload(data, event, to.builder.data_bytes_max(key->record), &consumed);
  if (encoded == EncodeOutcome::too_large) {
    to.builder.cancel_record();
    return pack_oversized(event, partition_key, to);
  }
  CHECK(encoded == EncodeOutcome::done);  // the batch was walked before it was admitted
  const size_t before = to.builder.counted_bytes();
  switch (to.builder.end_record(key->record, to.notes.size())) {
    case kinesis_format::AddOutcome::request_full:
      return Outcome::request_full;
    case kinesis_format::AddOutcome::record_too_large:
      return pack_oversized(event, partition_key, to);
    case kinesis_format::AddOutcome::added:
      break;
  }
  RecordNote& note = to.notes.emplace_back();
  note.span = {ticket_, index_, 1};
  note.shard = key->shard;
  note.anywhere = options_.keys_are_random;
  to.placement.sent(key->shard, to.builder.counted_bytes() - before, to.now);
  if (lane != 0) {
    note.lane = lane;
    to.queue.lane_begins(lane);
  }
  advance(consumed);
  return Outcome::added;
}

// A record with bytes of its own, for the queue.
Packer::Outcome Packer::pack_aside(const record::EventView& event, const Key& key,
                                   const Packing& to) {
  Waiting record;
  size_t consumed = 0;
  scratch_.clear();
  ByteBuffer payload;
  const EncodeOutcome encoded =
      append_payload(payload, event, to.builder.data_bytes_max(key.record), &consumed);
  if (encoded == EncodeOutcome::too_large) {
    return pack_oversized(event, key.record.partition_key, to);
  }
  CHECK(encoded == EncodeOutcome::done);
  record.data = ByteBuffer::copy_of(payload.view());  // to its size
  record.partition_key = key.record.partition_key;
  record.hash_key = key.record.explicit_hash_key;
  record.note.span = {ticket_, index_, 1};
  record.note.shard = key.shard;
  if (options_.keep_order) {
    record.note.lane = lane_of(key.record.partition_key);
    to.queue.lane_append(std::move(record));
  } else {
    to.queue.park(std::move(record), false);
  }
  advance(consumed);
  return Outcome::aside;
}

// ---- aggregates ----

Packer::Outcome Packer::pack_aggregated(const record::EventView& event,
                                        std::string_view partition_key, const Packing& to) {
  const bool random = options_.keys_are_random;
  uint32_t shard = kinesis::kNoShard;
  uint64_t lane = 1;
  if (options_.keep_order) {
    lane = lane_of(partition_key);
  } else if (!random) {
    shard = to.placement.shard_of(partition_key);
    lane = shard == kinesis::kNoShard ? lane_of(partition_key) : uint64_t{shard} << 1;
  }
  const std::string_view inner_key = random ? kAnyKey : partition_key;
  for (;;) {
    OpenAggregates::Open* open = aggregates_.find(lane);
    if (open == nullptr) open = open_aggregate(lane, partition_key, shard, to);
    if (open == nullptr) return Outcome::paced;
    size_t consumed = 0;
    const EncodeOutcome encoded =
        encoder_.append(open->aggregator.begin_event(), *batch_, event, index_,
                        kRawPerRecord * record_bytes_max_, &consumed);
    kinesis_format::AggregateOutcome added = kinesis_format::AggregateOutcome::too_large;
    if (encoded == EncodeOutcome::too_large) {
      open->aggregator.cancel_event();
    } else {
      CHECK(encoded == EncodeOutcome::done);
      added = open->aggregator.end_event(inner_key);
    }
    if (added == kinesis_format::AggregateOutcome::full) {
      close_aggregate(*open, to);
      continue;
    }
    if (added == kinesis_format::AggregateOutcome::too_large) {
      // Before it goes what is older; an aggregate of nothing is forgotten.
      if (!open->aggregator.empty()) {
        close_aggregate(*open, to);
      } else {
        aggregates_.drop(*open);
      }
      return pack_oversized(event, partition_key, to);
    }
    OpenAggregates::add_span(open->note, {ticket_, index_, 1});
    advance(consumed);
    while (aggregates_.too_many()) close_aggregate(aggregates_.oldest(), to);
    if (index_ % 32 == 0) {
      while (aggregates_.too_large()) close_aggregate(aggregates_.oldest(), to);
      aggregate_bytes_ = aggregates_.bytes();
    }
    return Outcome::aside;
  }
}

// nullptr: no shard takes anything now.
OpenAggregates::Open* Packer::open_aggregate(uint64_t lane, std::string_view partition_key,
                                             uint32_t shard, const Packing& to) {
  kinesis_format::RecordKey key{partition_key, std::nullopt};
  if (options_.keys_are_random) {
    if (to.placement.steering()) {
      const auto spot = to.placement.spread(to.now);
      if (!spot) return nullptr;
      shard = spot->shard;
      key = {kAnyKey, spot->hash_key};
    } else {
      key = {kAnyKey, to.placement.random_hash_key()};
      shard = to.placement.shard_of(*key.explicit_hash_key);
    }
  }
  OpenAggregates::Open& open = aggregates_.open(lane, key, to.now);
  open.note.shard = shard;
  if (options_.keep_order) open.note.lane = lane;
  return &open;
}

void Packer::close_aggregate(OpenAggregates::Open& open, const Packing& to) {
  Waiting record = aggregates_.close(open, to.now);
  if (record.note.lane != 0) {
    to.queue.lane_append(std::move(record));
  } else if (to.placement.ready_at(record.note.shard, to.now) > to.now) {
    to.queue.park(std::move(record), false);
  } else {
    to.queue.add(std::move(record));
  }
}

void Packer::close_older_than(milliseconds age, const Packing& to) {
  while (!aggregates_.empty() && aggregates_.oldest().since + age <= to.now) {
    close_aggregate(aggregates_.oldest(), to);
  }
  if (aggregates_.empty()) aggregate_bytes_ = 0;
}

// ---- steps ----

Packer::Outcome Packer::give_up(const GivenUp& why) {
  given_up_ = why;
  step_over();
  return Outcome::given_up;
}

Packer::GivenUp Packer::no_payload(const EventSpan& span) {
  return {span, "no_data_key", "the record has no text, number or boolean at data_key"};
}

Packer::GivenUp Packer::too_large(const EventSpan& span) {
  return {span, "oversized", "larger than the stream takes"};
}

void Packer::step_over() {
  ByteView record = open_->record_and_rest;
  if (batch_->encoding == record::Encoding::msgpack) {
    const auto skipped = codec::MsgpackCursor(record).skip();
    CHECK(skipped.has_value());
    record = *skipped;
  }
  advance(record.size());
}

void Packer::advance(size_t record_size) {
  reader_->close(record_size);
  open_ = reader_->open();
  ++index_;
}

}  // namespace penstock::delivery
