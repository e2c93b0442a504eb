// What a stream's sender is told, and what it works with.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "delivery/packer.h"
#include "delivery/put_port.h"
#include "kinesis_format/request_builder.h"
#include "memory/memory_budget.h"
#include "metrics/counter.h"
#include "record/ledger.h"
#include "spool/spool.h"

namespace penstock::delivery {

struct SenderOptions {
  std::string stream;  // configuration name
  PackerOptions packer;
  kinesis_format::RequestBuilder::Options request;
  milliseconds flush_interval{1'000};
  size_t flush_bytes = 5_MiB;
  uint32_t requests_in_flight_max = 16;
  size_t window_bytes_max = 32_MiB;  // of entries of the main log that are read and not final
  // Of records that wait outside of requests; at this no more are made that would wait, too.
  size_t queue_bytes_max = 4_MiB;
  // What memory allows, however large a record the stream takes.
  size_t request_bytes_max = kinesis_format::kPutRecordsBytesMax;
  // The service chooses the shards itself, as far as is known (RecordDistributionStrategy AUTO).
  bool keys_are_ignored = false;
  uint64_t random_seed = 0;  // 0: a random one; else for runs that can be repeated
};

// What a sender works with. All of it outlives it.
struct SenderServices {
  spool::Spool& spool;
  record::Ledger& ledger;
  memory::MemoryBudget& memory;  // each sender is a member
  metrics::Metrics& metrics;
  PutPort& port;
  const Clock& clock;
  std::function<void(std::function<void()>)> post;  // onto the delivery thread, from any
  std::function<void(SteadyTime)> wake_at;          // calls pump() then, or earlier
  // Records went elsewhere than set_shards() said, or were throttled before it said anything.
  // Optional; may be called often; keep it short.
  std::function<void()> shards_changed = {};
};

}  // namespace penstock::delivery
