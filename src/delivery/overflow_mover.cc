#include "delivery/overflow_mover.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/check.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {
namespace {

size_t bucket_of(const QueuedRecord& record) {
  return delivery::bucket_of(kinesis_format::hash_key_of(record.partition_key));
}

}  // namespace

bool OverflowMover::watches_shards() const {
  if (parts_.options.packer.keys_are_random || !parts_.overflow.is_available()) return false;
  return parts_.overflow.is_active() ||
         (parts_.selector.knows_shards() &&
          (parts_.selector.is_pacing() || parts_.retry.any_refused()));
}

bool OverflowMover::must_overflow(uint32_t shard, uint64_t order_key) const {
  if (shard == kinesis::kNoShard) return false;  // nobody knows what it would wait for
  const size_t queue_bytes_max = parts_.options.queue_bytes_max;
  const RetryQueue::Load load = parts_.retry.load(shard);
  const SteadyTime now = parts_.alarm.now();
  if (load.refused > 0 || parts_.selector.ready_at(shard, now) > now) {
    return load.bytes >= shard_bytes_max(queue_bytes_max) ||
           parts_.retry.bytes() >= queue_bytes_max / 2;
  }
  // The shard takes it, but perhaps not at once.
  return parts_.retry.bytes() >= queue_bytes_max && order_key != 0 &&
         !parts_.retry.is_key_free(order_key);
}

void OverflowMover::begin_overflow(const kinesis::Shard& shard) {
  // Without order a record that comes back later is moved then.
  parts_.overflow.begin(shard.number, buckets_of(shard),
                        parts_.options.packer.keep_order ? parts_.assembler.number() : 0);
  parts_.selector.close(shard.number);
  parts_.alarm.by(parts_.alarm.now());
}

OverflowMover::Deferred OverflowMover::defer(EventCursor& cursor, const Event& event,
                                             kinesis::HashKey hash_key, uint64_t order_key) {
  const size_t bucket = delivery::bucket_of(hash_key);
  if (!parts_.overflow.is_occupied(bucket)) {
    const kinesis::Shard* const shard = parts_.selector.shard_at(hash_key);
    if (shard == nullptr || !must_overflow(shard->number, order_key)) return Deferred::no;
    begin_overflow(*shard);
  }
  const bool is_large = parts_.window.entry(event.span.ticket).is_large;
  if (is_large && parts_.overflow.closings().waits(bucket, oldest_open())) return Deferred::later;
  parts_.splitters.cancel(event.span);
  const EventCursor::Extent extent = cursor.extent();
  if (!parts_.overflow.defer(event.span, bucket, extent.entry)) return Deferred::later;
  cursor.advance(extent.record_size);
  return Deferred::done;
}

bool OverflowMover::may_move(const RecordMetadata& meta) const {
  bool may = true;
  parts_.window.for_each_live(meta, [&](const EventSpan& span) {
    may &= parts_.window.is_of(span.ticket, parts_.main) && !parts_.window.is_let_go(span.ticket);
  });
  return may;
}

bool OverflowMover::takes(const QueuedRecord& record) const {
  if (!parts_.overflow.is_active() || record.meta.order_key != 0) return false;
  const bool has_own_key = !record.meta.any_shard && !record.hash_key;
  return has_own_key && may_move(record.meta) && parts_.overflow.is_occupied(bucket_of(record));
}

void OverflowMover::spill(std::vector<QueuedRecord> records) {
  std::vector<EventSpan> spans;
  for (const QueuedRecord& record : records) {
    if (record.meta.split != 0) {
      if (!parts_.window.abandon_split(record.meta.split)) continue;
      parts_.splitters.reject(record.meta.span);
    }
    parts_.window.for_each_live(record.meta, [&](const EventSpan& span) { spans.push_back(span); });
  }
  records.clear();
  std::sort(spans.begin(), spans.end(), [](const EventSpan& a, const EventSpan& b) {
    return std::pair(a.ticket, a.first) < std::pair(b.ticket, b.first);
  });
  for (size_t i = 0; i < spans.size();) {
    const uint64_t ticket = spans[i].ticket;
    const spool::Entry& entry = parts_.window.entry(ticket);
    CHECK(entry.batch != nullptr);
    record::EntryReader reader(*entry.batch);
    record::EventView view;
    for (uint32_t index = 0; i < spans.size() && spans[i].ticket == ticket; ++index) {
      CHECK(reader.next(view));
      if (index < spans[i].first) continue;
      const Event event{*entry.batch, view, index, {ticket, index, 1}};
      const kinesis::HashKey hash_key =
          kinesis_format::hash_key_of(parts_.packer.partition_key_of(event));
      parts_.overflow.defer_queued(event.span, delivery::bucket_of(hash_key), view.entry);
      if (index + 1 == spans[i].first + spans[i].count) ++i;
    }
  }
}

std::vector<QueuedRecord> OverflowMover::set_aside(std::vector<QueuedRecord> suspects) {
  std::vector<QueuedRecord> staying;
  std::vector<QueuedRecord> going;
  for (QueuedRecord& suspect : suspects) {
    const uint64_t order_key = suspect.meta.order_key;
    const size_t bucket = bucket_of(suspect);
    const bool may_go = parts_.overflow.is_available() && may_move(suspect.meta);
    // Behind newer events of its key it does not go.
    if (!may_go || (order_key != 0 && parts_.overflow.is_occupied(bucket) &&
                    !parts_.overflow.closings().has(bucket))) {
      staying.push_back(std::move(suspect));
    } else if (order_key == 0) {
      going.push_back(std::move(suspect));
    } else {
      if (!parts_.overflow.is_occupied(bucket)) {
        spool::BucketSet one_bucket;
        one_bucket.set(bucket);
        // Records of other keys of the bucket may be under way, with newer ones behind them.
        parts_.overflow.begin(kinesis::kNoShard, one_bucket, parts_.assembler.number());
      }
      std::deque<QueuedRecord> one;
      one.push_back(std::move(suspect));
      parts_.retry.put_back(std::move(one));
    }
  }
  spill(std::move(going));
  return staying;
}

void OverflowMover::overflow_for_room() {
  if (parts_.retry.count() == 0 || !watches_shards()) return;
  const kinesis::Shard* shard = nullptr;
  (void)parts_.retry.find_if([&](const QueuedRecord& record) {
    if (record.meta.any_shard || record.hash_key || !may_move(record.meta)) return false;
    if (parts_.overflow.is_occupied(bucket_of(record))) return false;
    shard = parts_.selector.shard_at(kinesis_format::hash_key_of(record.partition_key));
    return shard != nullptr;
  });
  if (shard != nullptr) begin_overflow(*shard);
}

OldestOpen OverflowMover::oldest_open() const {
  return [this](const spool::BucketSet& buckets) {
    const RequestAssembler& assembler = parts_.assembler;
    return std::min({assembler.empty() ? ~uint64_t{0} : assembler.number(),
                     parts_.requests.oldest_open(buckets), parts_.misplaced.oldest_undecided()});
  };
}

std::vector<OverflowClosing> OverflowMover::ready() const {
  return parts_.overflow.closings().ready(oldest_open());
}

void OverflowMover::move(const std::vector<OverflowClosing>& ready) {
  for (const OverflowClosing& closing : ready) {
    std::vector<QueuedRecord> waiting = parts_.retry.take_if([&](const QueuedRecord& record) {
      if (parts_.window.is_abandoned(record.meta)) return true;
      return !record.meta.any_shard && may_move(record.meta) &&
             closing.buckets.test(bucket_of(record));
    });
    for (RecordMetadata& meta : parts_.misplaced.take_if([&](const auto& aggregate) {
           return aggregate.meta.order_key != 0 && may_move(aggregate.meta) &&
                  closing.buckets.test(delivery::bucket_of(aggregate.hash_key));
         })) {
      parts_.retry.done(meta.order_key);
      waiting.emplace_back().meta = std::move(meta);
    }
    spill(std::move(waiting));
    parts_.overflow.finish_closing(closing);
    parts_.selector.open(closing.shard);
    parts_.alarm.by(parts_.alarm.now());
  }
}

}  // namespace penstock::delivery
