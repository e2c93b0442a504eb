// How a StreamSender goes about aggregates that Kinesis put elsewhere. See stream_sender.h and
// misplaced_aggregates.h.
#include <utility>

#include "base/log.h"
#include "delivery/stream_sender.h"
#include "kinesis/shard_map.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {

// Takes the aggregates out of the answer that are not, or perhaps not, in their place. What is left
// of them is a record without events.
void StreamSender::keep_misplaced(RequestAttempt& attempt, const PutResult& result) {
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    RecordMetadata& meta = attempt.record(slot);
    const kinesis::EntryResult& entry = result.entries[slot];
    if (!meta.is_kpl || entry.outcome != kinesis::EntryOutcome::accepted ||
        entry.shard == kinesis::kNoShard)
      continue;
    if (meta.events() < 2) continue;
    const kinesis_format::RecordKey key = attempt.request.key(slot);
    MisplacedAggregates::Accepted aggregate{
        .meta = {},
        .hash_key = key.explicit_hash_key ? *key.explicit_hash_key
                                          : kinesis_format::hash_key_of(key.partition_key),
        .shard = entry.shard,
        .request = attempt.number,
    };
    const MisplacedAggregates::Place place =
        misplaced_.place_of(aggregate, options_.keys_are_ignored);
    if (place == MisplacedAggregates::Place::owned) continue;
    if (place == MisplacedAggregates::Place::foreign) {
      log_limited(LogLevel::warn, options_.stream + "/misplaced",
                  "Kinesis put an aggregate into a shard that does not own its key (record "
                  "distribution AUTO): its events are sent again, each in a record of its own",
                  {{"stream", options_.stream},
                   {"shard", kinesis::shard_id_text(entry.shard)},
                   {"events", meta.events()}});
    }
    aggregate.meta = std::exchange(meta, {});
    misplaced_.add(std::move(aggregate), place);
  }
}

void StreamSender::decide_misplaced() {
  if (!misplaced_.has_undecided()) return;
  const std::vector<RecordMetadata> owned = misplaced_.decide(options_.keys_are_ignored);
  uint64_t delivered = 0;
  const auto for_each_live = [&](const RecordMetadata& meta, const auto& visit) {
    meta.for_each_span([&](const EventSpan& span) {
      if (!window_.is_given_back(span.ticket)) visit(span);
    });
  };
  for (const RecordMetadata& meta : owned) {
    for_each_live(meta, [&](const EventSpan& span) { delivered += span.count; });
  }
  if (delivered > 0) services_.ledger.deliver(options_.stream, delivered);
  for (const RecordMetadata& meta : owned) {
    if (meta.order_key != 0) retry_.done(meta.order_key);
    for_each_live(meta, [&](const EventSpan& s) { window_.finish(s.ticket, s.count); });
  }
  if (misplaced_.has_undecided() && services_.shards_changed) services_.shards_changed();
}

}  // namespace penstock::delivery
