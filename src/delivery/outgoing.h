// The records on their way: in a request (Flight), or waiting for one (Waiting).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "delivery/event_tracker.h"
#include "kinesis/put_records.h"
#include "kinesis_format/request_builder.h"
#include "memory/memory_budget.h"

namespace penstock::delivery {

// What is remembered of a record beside its bytes.
struct RecordNote {
  EventSpan span;               // what it carries, when that is one run of one entry's events
  std::vector<EventSpan> more;  // an aggregate's further spans
  uint64_t split = 0;           // the split event it is a part of; 0: none
  uint64_t lane = 0;            // order: per_key: its lane; 0: none
  uint32_t tries = 0;           // answers it was refused in
  uint32_t shard = kinesis::kNoShard;  // predicted
  bool anywhere = false;               // its key is ours to choose: it may go to any shard
  bool unsealed = false;               // a kpl aggregate whose digest is not in yet
  bool is_final = false;               // accepted, and so are all its events

  [[nodiscard]] uint64_t events() const {
    uint64_t all = span.count;
    for (const EventSpan& also : more) all += also.count;
    return all;
  }
};

// A record outside a request: why, see record_queue.h.
struct Waiting {
  ByteBuffer data;
  std::string partition_key;
  std::optional<kinesis_format::Uint128> hash_key;
  RecordNote note;
  SteadyTime due{};  // not before
};

// A request that was sent or is to be sent again as it is.
struct Flight {
  kinesis_format::Request request;
  std::vector<RecordNote> notes;  // by the slot's cookie
  memory::MemoryLease lease;
  uint32_t tries = 0;
  SteadyTime due{};
  bool is_probe = false;  // part of the search for a bad record: never mixed with others
};

}  // namespace penstock::delivery
