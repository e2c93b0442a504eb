// OverflowClosings: shards that are closed while their buckets begin to overflow: nothing is sent
// there, and nothing of their buckets is appended, until every request that may bring a record of
// them back is answered.
//
// Thread: the delivery thread's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <vector>

#include "kinesis/put_records.h"
#include "spool/overflow_origin.h"

namespace penstock::delivery {

struct OverflowClosing {
  // kNoShard: the buckets are those of suspects, and the shard goes on.
  uint32_t shard = kinesis::kNoShard;
  spool::BucketSet buckets;
  uint64_t last_request = 0;  // that may carry a record of them; 0: none that matters
};

// The number of the oldest request that may bring back a record of these buckets.
using OldestOpen = std::function<uint64_t(const spool::BucketSet&)>;

class OverflowClosings {
 public:
  void add(const OverflowClosing& closing) { open_.push_back(closing); }
  void finish(const OverflowClosing& closing) {
    std::erase_if(open_, [&](const auto& open) {
      return open.shard == closing.shard && open.buckets == closing.buckets;
    });
  }
  // A record went into this request after all: to a shard that its bucket belonged to before the
  // shards changed.
  void sent(size_t bucket, uint64_t request) {
    for (OverflowClosing& closing : open_) {
      if (!closing.buckets.test(bucket)) continue;
      closing.last_request = std::max(closing.last_request, request);
    }
  }
  // Those whose requests are answered.
  [[nodiscard]] std::vector<OverflowClosing> ready(const OldestOpen& oldest_open) const {
    std::vector<OverflowClosing> ready;
    std::copy_if(open_.begin(), open_.end(), std::back_inserter(ready),
                 [&](const auto& closing) { return is_ready(closing, oldest_open); });
    return ready;
  }
  // One of this bucket has requests that are not answered.
  [[nodiscard]] bool waits(size_t bucket, const OldestOpen& oldest_open) const {
    return std::any_of(open_.begin(), open_.end(), [&](const auto& closing) {
      return closing.buckets.test(bucket) && !is_ready(closing, oldest_open);
    });
  }
  [[nodiscard]] bool empty() const { return open_.empty(); }
  [[nodiscard]] bool has(size_t bucket) const {
    return std::any_of(open_.begin(), open_.end(),
                       [bucket](const auto& closing) { return closing.buckets.test(bucket); });
  }
  [[nodiscard]] bool has_any(const spool::BucketSet& buckets) const {
    return std::any_of(open_.begin(), open_.end(),
                       [&](const auto& closing) { return (closing.buckets & buckets).any(); });
  }

 private:
  static bool is_ready(const OverflowClosing& closing, const OldestOpen& oldest_open) {
    return closing.last_request == 0 || closing.last_request < oldest_open(closing.buckets);
  }

  std::vector<OverflowClosing> open_;
};

}  // namespace penstock::delivery
