#include "delivery/record_maker.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {
namespace {

using kinesis_format::AddOutcome;
using kinesis_format::Aggregation;
using kinesis_format::EncodeOutcome;
using kinesis_format::RecordKey;

// All random keys are this one when the explicit hash key decides; as the KPL does.
constexpr std::string_view kAnyKey = "a";
// The group of all random keys; a shard's is even.
constexpr uint64_t kAnyGroup = 1;
// An aggregate has events of the main log or of overflow logs, never of both: those of the main log
// may overflow again.
constexpr uint64_t kOverflowGroup = uint64_t{1} << 63;

uint64_t number_of(std::string_view partition_key) {
  return checksum64(as_bytes(partition_key)) | 1;  // 0 is no key
}

}  // namespace

// For memory; what becomes final gives some, and pumps.
RecordMaker::Made RecordMaker::block_for_memory() {
  parts_.alarm.by(parts_.alarm.now() + kMemoryRetry);
  return {Step::blocked};
}

RecordMaker::Made RecordMaker::make_next(size_t source) {
  EventCursor& cursor = parts_.sources.cursor(source);
  const uint64_t ticket = cursor.ticket();
  const std::optional<Event> event = cursor.event();
  if (!event) {
    parts_.sources.passed(source, ticket);
    return {};
  }
  if (parts_.splitters.take_rejected(event->span)) {
    cursor.skip();
    return {};
  }
  const PackerOptions& options = parts_.options.packer;
  if (!parts_.packer.has_payload(*event)) {
    // It was begun by another data_key.
    parts_.splitters.cancel(event->span);
    parts_.dead_letters.write_without_payload(event->span);
    cursor.skip();
    return {};
  }
  Target target{{parts_.packer.partition_key_of(*event), std::nullopt}, {}};
  target.meta.span = event->span;
  target.meta.any_shard = options.keys_are_random;
  target.from_overflow = source != EntrySources::kMain;
  if (options.keep_order) target.meta.order_key = number_of(target.key.partition_key);
  if (!options.keys_are_random) {
    if (const auto made = choose_shard(source, *event, target)) return *made;
  }
  if (EventSplitter* const splitter = parts_.splitters.find(event->span)) {
    return make_part(cursor, *event, *splitter);
  }
  if (options.aggregation != Aggregation::none) {
    return make_aggregated(cursor, *event, std::move(target));
  }
  return make_plain(cursor, *event, std::move(target));
}

// nullopt: a record of the event may be made.
std::optional<RecordMaker::Made> RecordMaker::choose_shard(size_t source, const Event& event,
                                                           Target& target) {
  const bool watches_shards = parts_.mover.watches_shards();
  if (!watches_shards && !parts_.selector.is_pacing()) return std::nullopt;
  const SteadyTime now = parts_.alarm.now();
  const kinesis::HashKey hash_key = kinesis_format::hash_key_of(target.key.partition_key);
  target.meta.shard = parts_.selector.shard_of(hash_key);
  target.is_ready = parts_.selector.ready_at(target.meta.shard, now) <= now;
  if (target.from_overflow) {
    const size_t waiting = parts_.retry.load(target.meta.shard).bytes;
    // Where others are wanted, all of it may wait for a suspect.
    const size_t usual = shard_bytes_max(parts_.options.queue_bytes_max) / 2;
    if (waiting < usual || parts_.search.wants_others()) return std::nullopt;
    return Made{Step::blocked};  // enough is ready for its shard; an answer for that pumps
  }
  if (!watches_shards) return std::nullopt;
  switch (
      parts_.mover.defer(parts_.sources.cursor(source), event, hash_key, target.meta.order_key)) {
    case OverflowMover::Deferred::no:
      return std::nullopt;
    case OverflowMover::Deferred::done:
      return Made{};
    case OverflowMover::Deferred::later:
      break;
  }
  return block_for_memory();
}

// For a key that is ours to choose. False: no shard takes anything now.
bool RecordMaker::pick_shard(Target& target) {
  const auto choice = parts_.selector.pick_shard(parts_.alarm.now());
  if (!choice) {
    parts_.alarm.by(parts_.selector.ready_again());
    return false;
  }
  target.meta.shard = choice->shard;
  target.key = {kAnyKey, choice->hash_key};
  return true;
}

// ---- one event a record

RecordMaker::Made RecordMaker::make_plain(EventCursor& cursor, const Event& event, Target target) {
  if (parts_.options.packer.keys_are_random && parts_.selector.chooses_keys() &&
      !pick_shard(target)) {
    return {Step::blocked};
  }
  RequestAssembler& assembler = parts_.assembler;
  const SteadyTime now = parts_.alarm.now();
  const uint64_t order_key = target.meta.order_key;
  if (!target.is_ready || (order_key != 0 && !parts_.retry.is_key_free(order_key))) {
    return make_queued(cursor, event, target);
  }
  const size_t data_max = assembler.data_bytes_max(target.key);
  const size_t paid = assembler.data_bytes_paid();
  const size_t counted_before = assembler.counted_bytes();
  size_t consumed = 0;
  const EncodeOutcome encoded = parts_.packer.append_payload(assembler.begin_record(now), event,
                                                             std::min(data_max, paid), &consumed);
  CHECK(encoded != EncodeOutcome::malformed);  // the batch was walked before it was admitted
  if (encoded == EncodeOutcome::too_large) {
    assembler.cancel_record();
    if (paid >= data_max) return make_oversized(cursor, event, target);
    return {Step::no_memory, std::min(data_max, 2 * paid)};
  }
  const uint32_t shard = target.meta.shard;
  switch (assembler.end_record(target.key, std::move(target.meta))) {
    case AddOutcome::request_full:
      return {Step::request_full};
    case AddOutcome::record_too_large:
      return make_oversized(cursor, event, target);
    case AddOutcome::added:
      break;
  }
  parts_.selector.sent(shard, assembler.counted_bytes() - counted_before, now);
  if (order_key != 0) parts_.retry.begin(order_key);
  cursor.advance(consumed);
  return {};
}

// A record with bytes of its own.
RecordMaker::Made RecordMaker::make_queued(EventCursor& cursor, const Event& event,
                                           const Target& target) {
  if (parts_.retry.bytes() >= 2 * parts_.options.queue_bytes_max) return {Step::blocked};
  QueuedRecord record;
  size_t consumed = 0;
  ByteBuffer data;
  const EncodeOutcome encoded = parts_.packer.append_payload(
      data, event, parts_.assembler.data_bytes_max(target.key), &consumed);
  CHECK(encoded != EncodeOutcome::malformed);
  if (encoded == EncodeOutcome::too_large) return make_oversized(cursor, event, target);
  record.data = ByteBuffer::copy_of(data.view());  // to its size
  record.partition_key = target.key.partition_key;
  record.hash_key = target.key.explicit_hash_key;
  record.meta = target.meta;
  if (record.meta.order_key != 0) {
    parts_.retry.append(std::move(record));
  } else {
    parts_.retry.park(std::move(record));
  }
  cursor.advance(consumed);
  return {};
}

// ---- aggregates

void RecordMaker::close_aggregates(milliseconds age) {
  parts_.packer.close_older_than(age, parts_.alarm.now(), made_);
  parts_.queuer.add_all(made_);
}

uint64_t RecordMaker::group_of(Target& target) const {
  uint64_t group = kAnyGroup;
  if (parts_.options.packer.keep_order) {
    group = target.meta.order_key;
  } else if (!parts_.options.packer.keys_are_random) {
    if (target.meta.shard == kinesis::kNoShard) {
      target.meta.shard = parts_.selector.shard_of(target.key.partition_key);
    }
    group = target.meta.shard == kinesis::kNoShard ? number_of(target.key.partition_key)
                                                   : uint64_t{target.meta.shard} << 1;
  }
  return target.from_overflow ? group | kOverflowGroup : group & ~kOverflowGroup;
}

RecordMaker::Made RecordMaker::make_aggregated(EventCursor& cursor, const Event& event,
                                               Target target) {
  const SteadyTime now = parts_.alarm.now();
  const uint64_t group = group_of(target);
  // What the key has in the other one is older.
  if (parts_.options.packer.keep_order) parts_.packer.close(group ^ kOverflowGroup, now, made_);
  const std::string_view inner_key =
      parts_.options.packer.keys_are_random ? kAnyKey : target.key.partition_key;
  for (;;) {
    if (!parts_.packer.has_open(group) && !open_aggregate(group, target)) {
      parts_.queuer.add_all(made_);
      return {Step::blocked};
    }
    size_t consumed = 0;
    const Packer::Added added = parts_.packer.add(group, event, inner_key, now, made_, &consumed);
    parts_.queuer.add_all(made_);
    if (added == Packer::Added::group_full) continue;
    if (added == Packer::Added::too_large) return make_oversized(cursor, event, target);
    cursor.advance(consumed);
    return {};
  }
}

// False: no shard takes anything now.
bool RecordMaker::open_aggregate(uint64_t group, Target target) {
  const PackerOptions& options = parts_.options.packer;
  if (options.keys_are_random) {
    if (parts_.selector.chooses_keys()) {
      if (!pick_shard(target)) return false;
    } else {
      target.key = {kAnyKey, parts_.selector.random_hash_key()};
      target.meta.shard = parts_.selector.shard_of(*target.key.explicit_hash_key);
    }
  }
  target.meta.span = {};
  target.meta.any_shard = false;
  target.meta.is_kpl = options.aggregation == Aggregation::kpl;
  parts_.packer.open(group, target.key, target.meta, parts_.alarm.now());
  return true;
}

// ---- events that are too large

RecordMaker::Made RecordMaker::make_oversized(EventCursor& cursor, const Event& event,
                                              const Target& target) {
  const std::string_view partition_key = parts_.packer.partition_key_of(event);
  if (parts_.options.packer.oversized == Oversized::split) {
    return make_part(cursor, event, parts_.splitters.begin(event.span, partition_key));
  }
  Packer::Alone alone;
  if (parts_.options.packer.oversized == Oversized::truncate) {
    auto shortened = shorten(event, partition_key);
    if (!shortened) return block_for_memory();
    alone = std::move(*shortened);
  }
  if (alone.records.empty()) {
    parts_.dead_letters.write_oversized(event.span, alone.is_text_too_large);
  }
  for (QueuedRecord& record : alone.records) {
    record.meta.order_key = target.meta.order_key;
    record.meta.shard = parts_.selector.shard_of(partition_key);
  }
  parts_.queuer.add_all(alone.records);
  cursor.skip();
  return {};
}

// Its whole text is there for a moment. nullopt: there is no memory for it now.
std::optional<Packer::Alone> RecordMaker::shorten(const Event& event,
                                                  std::string_view partition_key) {
  const size_t paid = paid_beside(event.batch);
  const size_t most = text_bytes_max(event.batch, shortening_.budget());
  const size_t usual = 2 * event.batch.entries_size + 64_KiB;
  const size_t data_max = parts_.assembler.data_bytes_max({partition_key, std::nullopt});
  std::optional<Packer::Alone> made;
  for (size_t text_max = std::min(usual, most); !made; text_max = most) {
    if (text_max > paid && !shortening_.ensure_up_to_most(text_max - paid)) break;
    Packer::Alone alone = parts_.packer.pack_alone(event, partition_key, data_max, text_max);
    if (!alone.is_text_too_large || text_max == most) made = std::move(alone);
  }
  shortening_.release();
  return made;
}

// One after the other, each as soon as there is room for it.
RecordMaker::Made RecordMaker::make_part(EventCursor& cursor, const Event& event,
                                         EventSplitter& splitter) {
  const RecordKey key{splitter.partition_key(), std::nullopt};
  const uint64_t order_key = parts_.options.packer.keep_order ? number_of(key.partition_key) : 0;
  const uint32_t shard = parts_.selector.shard_of(key.partition_key);
  if (order_key != 0 && !may_queue_part(shard)) return {Step::blocked};
  const size_t data_max = parts_.assembler.data_bytes_max(key);
  // Before the text is made: it does not wait for the memory of a request with its own in hand.
  if (order_key == 0 && parts_.assembler.data_bytes_paid() < data_max) {
    return {Step::no_memory, data_max};
  }
  const EventSplitter::Ready ready = splitter.prepare(parts_.packer, event, data_max);
  switch (ready) {
    case EventSplitter::Ready::no_memory:
      return block_for_memory();
    case EventSplitter::Ready::too_large:
    case EventSplitter::Ready::text_too_large:
      parts_.dead_letters.write_oversized(event.span,
                                          ready == EventSplitter::Ready::text_too_large);
      cursor.skip();
      return {};
    case EventSplitter::Ready::part:
      break;
  }
  RecordMetadata meta;
  meta.span = event.span;
  meta.split = splitter.split();
  meta.order_key = order_key;
  meta.shard = shard;  // where it waits counts for its shard
  if (!add_part(splitter, key, std::move(meta))) return {Step::request_full};
  if (splitter.part_made()) cursor.skip();
  return {};
}

// What waits for another shard may wait for long, and is no reason to wait; the memory for all of
// it was asked for before.
bool RecordMaker::may_queue_part(uint32_t shard) const {
  const size_t waiting = parts_.retry.load(shard).bytes;
  const size_t usual = parts_.options.queue_bytes_max;
  return waiting == 0 || (waiting < usual && parts_.retry.bytes() < 2 * usual);
}

// False: the request has no room for it.
bool RecordMaker::add_part(EventSplitter& splitter, const RecordKey& key, RecordMetadata meta) {
  if (meta.order_key != 0) {
    ByteBuffer data;
    splitter.append_part(parts_.packer, data);
    QueuedRecord record;
    record.data = ByteBuffer::copy_of(data.view());
    record.partition_key = key.partition_key;
    record.meta = std::move(meta);
    parts_.retry.append(std::move(record));
    return true;
  }
  splitter.append_part(parts_.packer, parts_.assembler.begin_record(parts_.alarm.now()));
  const AddOutcome added = parts_.assembler.end_record(key, std::move(meta));
  CHECK(added != AddOutcome::record_too_large);  // it was planned by this limit
  return added == AddOutcome::added;
}

}  // namespace penstock::delivery
