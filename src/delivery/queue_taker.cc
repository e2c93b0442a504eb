#include "delivery/queue_taker.h"

#include <utility>

#include "kinesis_format/md5.h"

namespace penstock::delivery {

bool QueueTaker::take_next() {
  RetryQueue& retry = parts_.retry;
  const SteadyTime now = parts_.alarm.now();
  while (QueuedRecord* const next = retry.next(now, parts_.selector)) {
    if (parts_.queuer.is_abandoned(next->meta)) {
      (void)parts_.queuer.drop_abandoned(retry.take().meta);
      continue;
    }
    if (!choose_again(*next)) return false;
    if (next->data.size() > parts_.assembler.data_bytes_paid() &&
        (!parts_.room.make(next->data.size()) || parts_.assembler.is_full())) {
      return false;
    }
    switch (parts_.assembler.add(*next, now)) {
      case kinesis_format::AddOutcome::request_full:
        return false;
      case kinesis_format::AddOutcome::record_too_large:
        parts_.repacker.repack(retry.take().meta);  // the limit was lowered since it was made
        continue;
      case kinesis_format::AddOutcome::added:
        describe(retry.take());
        return true;
    }
  }
  if (retry.count() > 0 && retry.quiet_until() != SteadyTime::max()) {
    parts_.alarm.by(retry.quiet_until());
  }
  return false;
}

void QueueTaker::describe(QueuedRecord record) {
  parts_.selector.sent(record.meta.shard, record.data.size(), parts_.alarm.now());
  if (parts_.overflow.is_active() && record.meta.order_key != 0) {
    parts_.overflow.sent(bucket_of(kinesis_format::hash_key_of(record.partition_key)),
                         parts_.assembler.number());
  }
  parts_.assembler.describe(std::move(record.meta));
}

// Another shard for a record whose key is ours to choose; false: none takes it now.
bool QueueTaker::choose_again(QueuedRecord& record) {
  if (!record.meta.any_shard || !parts_.selector.chooses_keys()) return true;
  const SteadyTime now = parts_.alarm.now();
  const bool is_ready = parts_.selector.ready_at(record.meta.shard, now) <= now;
  if (is_ready && record.meta.attempts == 0) return true;
  const auto choice = parts_.selector.pick_shard(now);
  if (!choice) {
    parts_.alarm.by(parts_.selector.ready_again());
    return false;
  }
  record.hash_key = choice->hash_key;
  record.meta.shard = choice->shard;
  return true;
}

}  // namespace penstock::delivery
