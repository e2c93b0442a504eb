// How a StreamSender turns the next event of an entry into a record. See stream_sender.h.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "delivery/stream_sender.h"
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

// So much of the queue may wait for one shard before its buckets overflow.
size_t shard_bytes_max(size_t queue_bytes_max) { return queue_bytes_max / 8; }

}  // namespace

// Where the record of an event goes.
struct StreamSender::Target {
  RecordKey key;
  RecordMetadata meta;
  bool is_ready = true;        // its shard takes a record now
  bool from_overflow = false;  // the event comes from an overflow log
};

EventCursor& StreamSender::cursor(size_t source) {
  return source == kMain ? main_cursor_ : overflow_.cursor(source);
}

// Keys decide where events go, and some cannot go there now.
bool StreamSender::watches_shards() const {
  if (options_.packer.keys_are_random || !overflow_.is_available()) return false;
  return overflow_.is_active() ||
         (selector_.knows_shards() && (selector_.is_pacing() || retry_.any_refused()));
}

// The next event of this source; a part of it, when it goes out in parts.
StreamSender::Step StreamSender::pack_next(size_t source, SteadyTime now) {
  EventCursor& events = cursor(source);
  const std::optional<Event> event = events.event();
  if (!event) {
    if (source != kMain) overflow_.passed(source);
    return Step::done;
  }
  if (splitter_.take_rejected(event->span)) {
    events.skip();
    return Step::done;
  }
  if (!packer_.has_payload(*event)) {
    if (splitter_.is_for(event->span)) splitter_.cancel();  // it was begun by another data_key
    dead_letter(event->span, "no_data_key", kNoPayload);
    events.skip();
    return Step::done;
  }
  const std::string_view partition_key = packer_.partition_key_of(*event);
  Target target{{partition_key, std::nullopt}, {}};
  target.meta.span = event->span;
  target.meta.any_shard = options_.packer.keys_are_random;
  target.from_overflow = source != kMain;
  if (options_.packer.keep_order) target.meta.order_key = number_of(partition_key);
  if (!options_.packer.keys_are_random && (watches_shards() || selector_.is_pacing())) {
    const kinesis::HashKey hash_key = kinesis_format::hash_key_of(partition_key);
    target.meta.shard = selector_.shard_of(hash_key);
    target.is_ready = selector_.ready_at(target.meta.shard, now) <= now;
    if (source == kMain) {
      if (watches_shards()) {
        if (const auto step = defer(*event, hash_key, target.meta.order_key, now)) return *step;
      }
    } else if (retry_.load(target.meta.shard).bytes >=
               shard_bytes_max(options_.queue_bytes_max) / 2) {
      return Step::blocked;  // enough is ready for its shard; an answer for that pumps
    }
  }
  if (splitter_.is_for(event->span)) return pack_part(events, *event, now);
  if (options_.packer.aggregation != Aggregation::none) {
    return pack_aggregated(events, *event, std::move(target), now);
  }
  return pack_plain(events, *event, std::move(target), now);
}

bool StreamSender::must_overflow(uint32_t shard, uint64_t order_key, SteadyTime now) {
  if (shard == kinesis::kNoShard) return false;  // nobody knows what it would wait for
  const RetryQueue::Load load = retry_.load(shard);
  if (load.refused > 0 || selector_.ready_at(shard, now) > now) {
    return load.bytes >= shard_bytes_max(options_.queue_bytes_max) ||
           retry_.bytes() >= options_.queue_bytes_max / 2;
  }
  // The shard takes it, but perhaps not at once.
  return retry_.bytes() >= options_.queue_bytes_max && order_key != 0 &&
         !retry_.is_key_free(order_key);
}

void StreamSender::begin_overflow(const kinesis::Shard& shard, SteadyTime now) {
  // Without order a record that comes back later is moved then.
  overflow_.begin(shard, options_.packer.keep_order ? assembler_.number() : 0);
  selector_.close(shard.number);
  wake_by(now);
}

// nullopt: the event is not to be deferred.
std::optional<StreamSender::Step> StreamSender::defer(const Event& event, kinesis::HashKey hash_key,
                                                      uint64_t order_key, SteadyTime now) {
  const size_t bucket = bucket_of(hash_key);
  if (!overflow_.is_occupied(bucket)) {
    const kinesis::Shard* const shard = selector_.shard_at(hash_key);
    if (shard == nullptr || !must_overflow(shard->number, order_key, now)) return std::nullopt;
    begin_overflow(*shard, now);
  }
  if (splitter_.is_for(event.span)) splitter_.cancel();
  const EventCursor::Extent extent = main_cursor_.extent();
  if (overflow_.defer(event.span, bucket, extent.entry)) {
    if (large_ && large_->ticket == event.span.ticket) large_->is_leaving = true;
    main_cursor_.advance(extent.record_size);
    return Step::done;
  }
  wake_by(now + milliseconds(100));  // for memory; what is synced gives some, and pumps
  return Step::blocked;
}

// ---- one event a record

StreamSender::Step StreamSender::pack_plain(EventCursor& events, const Event& event, Target target,
                                            SteadyTime now) {
  if (options_.packer.keys_are_random && selector_.chooses_keys()) {
    const auto choice = selector_.pick_shard(now);
    if (!choice) {
      wake_by(selector_.ready_again());
      return Step::blocked;
    }
    target.meta.shard = choice->shard;
    target.key = {kAnyKey, choice->hash_key};
  }
  const uint64_t order_key = target.meta.order_key;
  const bool must_queue = !target.is_ready || (order_key != 0 && !retry_.is_key_free(order_key));
  if (must_queue) return pack_queued(events, event, target);
  const size_t data_max = assembler_.data_bytes_max(target.key);
  const size_t paid = assembler_.data_bytes_paid();
  const size_t counted_before = assembler_.counted_bytes();
  size_t consumed = 0;
  const EncodeOutcome encoded = packer_.append_payload(assembler_.begin_record(now), event,
                                                       std::min(data_max, paid), &consumed);
  CHECK(encoded != EncodeOutcome::malformed);  // the batch was walked before it was admitted
  if (encoded == EncodeOutcome::too_large) {
    assembler_.cancel_record();
    if (paid >= data_max) return pack_oversized(events, event, target, now);
    needed_ = std::min(data_max, 2 * paid);
    return Step::no_memory;
  }
  const uint32_t shard = target.meta.shard;
  switch (assembler_.end_record(target.key, std::move(target.meta))) {
    case AddOutcome::request_full:
      return Step::request_full;
    case AddOutcome::record_too_large:
      return pack_oversized(events, event, target, now);
    case AddOutcome::added:
      break;
  }
  selector_.sent(shard, assembler_.counted_bytes() - counted_before, now);
  if (order_key != 0) retry_.begin(order_key);
  events.advance(consumed);
  return Step::done;
}

// A record with bytes of its own.
StreamSender::Step StreamSender::pack_queued(EventCursor& events, const Event& event,
                                             const Target& target) {
  if (retry_.bytes() >= 2 * options_.queue_bytes_max) return Step::blocked;
  QueuedRecord record;
  size_t consumed = 0;
  ByteBuffer data;
  const EncodeOutcome encoded =
      packer_.append_payload(data, event, assembler_.data_bytes_max(target.key), &consumed);
  CHECK(encoded != EncodeOutcome::malformed);
  if (encoded == EncodeOutcome::too_large) {
    return pack_oversized(events, event, target, services_.clock.steady());
  }
  record.data = ByteBuffer::copy_of(data.view());  // to its size
  record.partition_key = target.key.partition_key;
  record.hash_key = target.key.explicit_hash_key;
  record.meta = target.meta;
  if (record.meta.order_key != 0) {
    retry_.append(std::move(record));
  } else {
    retry_.park(std::move(record));
  }
  events.advance(consumed);
  return Step::done;
}

// A record that is new, or was made again, without a key under way.
void StreamSender::enqueue(QueuedRecord record, SteadyTime now) {
  if (!record.meta.any_shard && !record.hash_key && record.meta.shard == kinesis::kNoShard) {
    record.meta.shard = selector_.shard_of(record.partition_key);
  }
  if (record.meta.order_key != 0) {
    retry_.append(std::move(record));
  } else if (!record.meta.any_shard && record.meta.shard != kinesis::kNoShard &&
             selector_.ready_at(record.meta.shard, now) > now) {
    retry_.park(std::move(record));
  } else {
    retry_.add(std::move(record));
  }
}

void StreamSender::enqueue_made(SteadyTime now) {
  for (QueuedRecord& record : made_) enqueue(std::move(record), now);
  made_.clear();
}

// ---- aggregates

StreamSender::Step StreamSender::pack_aggregated(EventCursor& events, const Event& event,
                                                 Target target, SteadyTime now) {
  uint64_t group = kAnyGroup;
  if (options_.packer.keep_order) {
    group = target.meta.order_key;
  } else if (!options_.packer.keys_are_random) {
    if (target.meta.shard == kinesis::kNoShard) {
      target.meta.shard = selector_.shard_of(target.key.partition_key);
    }
    group = target.meta.shard == kinesis::kNoShard ? number_of(target.key.partition_key)
                                                   : uint64_t{target.meta.shard} << 1;
  }
  group = target.from_overflow ? group | kOverflowGroup : group & ~kOverflowGroup;
  // What the key has in the other one is older.
  if (options_.packer.keep_order) packer_.close(group ^ kOverflowGroup, now, made_);
  const std::string_view inner_key =
      options_.packer.keys_are_random ? kAnyKey : target.key.partition_key;
  for (;;) {
    if (!packer_.has_open(group) && !open_aggregate(group, target, now)) {
      enqueue_made(now);
      return Step::blocked;
    }
    size_t consumed = 0;
    const Packer::Added added = packer_.add(group, event, inner_key, now, made_, &consumed);
    enqueue_made(now);
    if (added == Packer::Added::group_full) continue;
    if (added == Packer::Added::too_large) return pack_oversized(events, event, target, now);
    events.advance(consumed);
    return Step::done;
  }
}

// False: no shard takes anything now.
bool StreamSender::open_aggregate(uint64_t group, Target target, SteadyTime now) {
  if (options_.packer.keys_are_random) {
    if (selector_.chooses_keys()) {
      const auto choice = selector_.pick_shard(now);
      if (!choice) {
        wake_by(selector_.ready_again());
        return false;
      }
      target.meta.shard = choice->shard;
      target.key = {kAnyKey, choice->hash_key};
    } else {
      target.key = {kAnyKey, selector_.random_hash_key()};
      target.meta.shard = selector_.shard_of(*target.key.explicit_hash_key);
    }
  }
  target.meta.span = {};
  target.meta.any_shard = false;
  target.meta.is_kpl = options_.packer.aggregation == Aggregation::kpl;
  packer_.open(group, target.key, target.meta, now);
  return true;
}

// ---- events that are too large

StreamSender::Step StreamSender::pack_oversized(EventCursor& events, const Event& event,
                                                const Target& target, SteadyTime now) {
  const std::string_view partition_key = packer_.partition_key_of(event);
  if (options_.packer.oversized == Oversized::split) {
    if (splitter_.is_active()) return Step::blocked;  // another source's event is being cut
    splitter_.begin(event.span, partition_key);
    return pack_part(events, event, now);
  }
  Packer::Alone alone;
  if (options_.packer.oversized == Oversized::truncate) {
    alone = packer_.pack_alone(event, partition_key,
                               assembler_.data_bytes_max({partition_key, std::nullopt}));
  }
  if (alone.records.empty()) dead_letter(event.span, "oversized", kTooLarge);
  for (QueuedRecord& record : alone.records) {
    record.meta.order_key = target.meta.order_key;
    record.meta.shard = selector_.shard_of(partition_key);
    enqueue(std::move(record), now);
  }
  events.skip();
  return Step::done;
}

// One after the other, each as soon as there is room for it.
StreamSender::Step StreamSender::pack_part(EventCursor& events, const Event& event,
                                           SteadyTime now) {
  const RecordKey key{splitter_.partition_key(), std::nullopt};
  const uint64_t order_key = options_.packer.keep_order ? number_of(key.partition_key) : 0;
  if (order_key != 0 && retry_.bytes() >= options_.queue_bytes_max) return Step::blocked;
  const size_t data_max = assembler_.data_bytes_max(key);
  switch (splitter_.prepare(packer_, event, data_max)) {
    case EventSplitter::Ready::no_memory:
      wake_by(now + milliseconds(100));
      return Step::blocked;
    case EventSplitter::Ready::too_large:
      dead_letter(event.span, "oversized", kTooLarge);
      events.skip();
      return Step::done;
    case EventSplitter::Ready::part:
      break;
  }
  if (order_key == 0 && assembler_.data_bytes_paid() < data_max) {
    needed_ = data_max;
    return Step::no_memory;
  }
  RecordMetadata meta;
  meta.span = event.span;
  meta.split = splitter_.split();
  meta.order_key = order_key;
  if (selector_.chooses_keys()) meta.shard = selector_.shard_of(key.partition_key);
  if (order_key != 0) {
    ByteBuffer data;
    splitter_.append_part(packer_, data);
    QueuedRecord record;
    record.data = ByteBuffer::copy_of(data.view());
    record.partition_key = key.partition_key;
    record.meta = std::move(meta);
    retry_.append(std::move(record));
  } else {
    splitter_.append_part(packer_, assembler_.begin_record(now));
    const AddOutcome added = assembler_.end_record(key, std::move(meta));
    CHECK(added != AddOutcome::record_too_large);  // it was planned by this limit
    if (added == AddOutcome::request_full) return Step::request_full;
  }
  if (splitter_.part_made()) events.skip();
  return Step::done;
}

// ---- to the overflow log

// All of its events come from the main log, so that they may go to an overflow log.
bool StreamSender::is_of_main(const RecordMetadata& meta) const {
  bool all = true;
  meta.for_each_span([&](const EventSpan& span) {
    all &= window_.is_given_back(span.ticket) || window_.is_of(span.ticket, log_);
  });
  return all;
}

// The events of these records, which came from the main log, in the order of the log.
void StreamSender::spill(std::vector<QueuedRecord> records) {
  std::vector<EventSpan> spans;
  for (const QueuedRecord& record : records) {
    if (record.meta.split != 0) {
      if (!window_.abandon_split(record.meta.split)) continue;
      splitter_.reject(record.meta.span);
    }
    record.meta.for_each_span([&](const EventSpan& span) {
      if (window_.is_given_back(span.ticket)) return;
      if (large_ && large_->ticket == span.ticket) large_->is_leaving = true;
      spans.push_back(span);
    });
  }
  records.clear();
  std::sort(spans.begin(), spans.end(), [](const EventSpan& a, const EventSpan& b) {
    return std::pair(a.ticket, a.first) < std::pair(b.ticket, b.first);
  });
  for (size_t i = 0; i < spans.size();) {
    const uint64_t ticket = spans[i].ticket;
    const spool::Entry& entry = window_.entry(ticket);
    record::EntryReader reader(*entry.batch);
    record::EventView view;
    for (uint32_t index = 0; i < spans.size() && spans[i].ticket == ticket; ++index) {
      CHECK(reader.next(view));
      if (index < spans[i].first) continue;
      const Event event{*entry.batch, view, index, {ticket, index, 1}};
      const std::string_view key = packer_.partition_key_of(event);
      overflow_.defer_queued(event.span, bucket_of(kinesis_format::hash_key_of(key)), view.entry);
      if (index + 1 == spans[i].first + spans[i].count) ++i;
    }
  }
}

}  // namespace penstock::delivery
