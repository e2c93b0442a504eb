// Batch: the unit that is received, stored and acknowledged: the events of one message that go to
// one place. The only vocabulary every stage shares.
//
// The events are entries, one after the other, in one of two encodings:
//
//   msgpack   [time, map]        as Forward sends it: time is codec::EventTime (ext 0), an integer,
//   a float,
//                                nil, or [time, metadata]; the map is the record
//   json      [codec::EventTime, bin32] the same frame around the bytes of one JSON object (UTF-8),
//                                always written as 0x92 0xd7 0x00 sec:u32 nsec:u32 0xc6 size:u32
//                                bytes
//
// Every batch that reaches the router has been walked: entries are whole, their number is
// event_count, nothing is nested deeper than 64. Later stages rely on it.
//
// Thread: none of its own; a batch is owned by one place at a time and moved on. The spool shares
// it as shared_ptr<const Batch>: memory cache, delivery and retries read the same bytes.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"
#include "memory/memory_budget.h"

namespace penstock::record {

enum class Encoding : uint8_t { msgpack = 0, json = 1 };

struct Batch {
  std::string source;  // configuration name of the source it came in by
  std::string tag;     // Fluentd tag; "http", "otlp", "syslog" from the other sources
  Encoding encoding = Encoding::msgpack;
  uint32_t event_count = 0;
  int64_t received_ns = 0;  // wall clock, nanoseconds since 1970

  // Event i of this batch has the id (id, first_index + i): the same over retries, restarts and
  // re-sends of the chunk. Derived from the chunk's fingerprint and the stream when the sender
  // named the chunk, else drawn at random.
  Hash128 id;
  uint32_t first_index = 0;

  // The entries are storage[entries_offset, entries_offset + entries_size). What lies around them
  // (the rest of a Forward message) is carried along so that nothing is copied, and means nothing.
  ByteBuffer storage;
  size_t entries_offset = 0;
  size_t entries_size = 0;

  memory::MemoryLease lease;  // what the storage costs; goes back to the budget with the batch

  [[nodiscard]] ByteView entries() const {
    return storage.view().subspan(entries_offset, entries_size);
  }
};

}  // namespace penstock::record
