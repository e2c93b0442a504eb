#include "delivery/record_queuer.h"

#include <deque>
#include <utility>

namespace penstock::delivery {

void RecordQueuer::add(QueuedRecord record) {
  RecordMetadata& meta = record.meta;
  if (!meta.any_shard && !record.hash_key && meta.shard == kinesis::kNoShard) {
    meta.shard = selector_.shard_of(record.partition_key);
  }
  const SteadyTime now = alarm_.now();
  if (meta.order_key != 0) {
    retry_.append(std::move(record));
  } else if (!meta.any_shard && meta.shard != kinesis::kNoShard &&
             selector_.ready_at(meta.shard, now) > now) {
    retry_.park(std::move(record));
  } else {
    retry_.add(std::move(record));
  }
}

void RecordQueuer::add_all(std::vector<QueuedRecord>& records) {
  for (QueuedRecord& record : records) add(std::move(record));
  records.clear();
}

void RecordQueuer::put_back(QueuedRecord record) {
  RecordMetadata& meta = record.meta;
  if (drop_abandoned(meta)) return;
  if (!meta.any_shard && meta.shard == kinesis::kNoShard && selector_.knows_shards()) {
    meta.shard = record.hash_key ? selector_.shard_of(*record.hash_key)
                                 : selector_.shard_of(record.partition_key);
  }
  if (meta.order_key != 0) {
    std::deque<QueuedRecord> one;
    one.push_back(std::move(record));
    return retry_.put_back(std::move(one));
  }
  if (meta.any_shard) {
    record.hash_key = selector_.random_hash_key();
    meta.shard = kinesis::kNoShard;
    return retry_.add(std::move(record));
  }
  if (mover_.takes(record)) {
    std::vector<QueuedRecord> one;
    one.push_back(std::move(record));
    return mover_.spill(std::move(one));
  }
  if (selector_.knows_shards() && selector_.is_limited(meta.shard)) {
    return retry_.park(std::move(record));
  }
  retry_.add(std::move(record));
}

bool RecordQueuer::drop_abandoned(const RecordMetadata& meta) {
  if (!window_.is_abandoned(meta)) return false;
  done(meta);
  return true;
}

void RecordQueuer::done(const RecordMetadata& meta) {
  if (meta.order_key != 0) retry_.done(meta.order_key);
}

}  // namespace penstock::delivery
