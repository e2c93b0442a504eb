#include "delivery/put_metrics.h"

#include "kinesis/shard_map.h"

namespace penstock::delivery {

using kinesis::EntryOutcome;

void count_put(metrics::Metrics& metrics, const std::string& stream, const PutResult& result,
               size_t records) {
  metrics.put_latency.with(stream).observe(result.took);
  uint64_t throttled = 0;
  uint64_t failed = 0;
  for (const kinesis::EntryResult& entry : result.entries) {
    if (entry.outcome == EntryOutcome::throttled) {
      ++throttled;
      if (entry.shard != kinesis::kNoShard) {
        metrics.shard_throttled.with(stream, kinesis::shard_id_text(entry.shard)).add();
      }
    } else if (entry.outcome != EntryOutcome::accepted) {
      ++failed;
    }
  }
  const bool is_answered = result.error == kinesis::PutError::none;
  const std::string_view label = !is_answered              ? kinesis::name_of(result.error)
                                 : throttled + failed == 0 ? "ok"
                                                           : "partial";
  metrics.put_requests.with(stream, label).add();
  auto& put_records = metrics.put_records;
  if (!is_answered) {
    put_records.with(stream, label).add(records);
    return;
  }
  put_records.with(stream, "accepted").add(records - throttled - failed);
  if (throttled > 0) put_records.with(stream, "throttled").add(throttled);
  if (failed > 0) put_records.with(stream, "failed").add(failed);
}

}  // namespace penstock::delivery
