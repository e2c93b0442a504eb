// What travels between the parts of delivery: events of an entry, records that wait, requests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "kinesis/put_records.h"
#include "kinesis_format/request_builder.h"
#include "memory/memory_budget.h"

namespace penstock::delivery {

// Some events of one entry, one after the other.
struct EventSpan {
  uint64_t ticket = 0;  // the entry's, from EntryWindow::open()
  uint32_t first = 0;   // place in the entry's batch
  uint32_t count = 0;
};

// What is known of a record beside its bytes.
struct RecordMetadata {
  EventSpan span;               // its events, when they are one run of one entry
  std::vector<EventSpan> more;  // further runs of an aggregate
  uint64_t split = 0;           // EntryWindow's id of the split event it is a part of; 0: none
  uint64_t order_key = 0;       // its key queue (retry_queue.h); 0: order does not matter
  uint32_t attempts = 0;        // answers in which it was not accepted
  uint32_t shard = kinesis::kNoShard;  // predicted
  bool any_shard = false;              // the key is ours to choose
  bool is_kpl = false;                 // a kpl aggregate, unless it has one event only
  bool unsealed = false;               // a kpl aggregate without its digest
  bool is_final = false;               // accepted, and with it all its events

  [[nodiscard]] uint64_t events() const {
    uint64_t all = span.count;
    for (const EventSpan& run : more) all += run.count;
    return all;
  }
  template <class Visit>
  void for_each_span(Visit visit) const {
    visit(span);
    for (const EventSpan& run : more) visit(run);
  }
};

// A record outside of a request.
struct QueuedRecord {
  ByteBuffer data;
  std::string partition_key;
  std::optional<kinesis_format::Uint128> hash_key;
  RecordMetadata meta;
  SteadyTime due{};  // not before

  [[nodiscard]] kinesis_format::RecordKey key() const { return {partition_key, hash_key}; }
};

// A request that was sent, or is to be sent again as it is.
struct RequestAttempt {
  kinesis_format::Request request;
  std::vector<RecordMetadata> records;  // by the slot's cookie
  memory::MemoryLease lease;
  uint32_t attempts = 0;
  SteadyTime due{};
  bool is_probe = false;  // part of the search for a rejected record
  uint64_t number = 0;    // in the order in which requests were filled

  [[nodiscard]] RecordMetadata& record(size_t slot) {
    return records[request.slots()[slot].cookie];
  }
  [[nodiscard]] const RecordMetadata& record(size_t slot) const {
    return records[request.slots()[slot].cookie];
  }
};

}  // namespace penstock::delivery
