// What `penstock send` sends: events one by one from a source, gathered into chunks, given to a
// sender for the protocol.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "codec/event_time.h"

namespace penstock::cli {

struct OutgoingEvent {
  codec::EventTime time;
  std::string id;      // by which `penstock verify` finds it; doc/ledger.md
  ByteBuffer json;     // the record as one JSON object
  ByteBuffer msgpack;  // the same as a msgpack map
  std::string line;    // the line of stdin that it was, when that was not JSON
};

struct Chunk {
  uint64_t first_sequence = 0;   // number of its first event, from 0
  std::vector<std::string> ids;  // one an event
  ByteBuffer bytes;              // the events as the protocol has them, one after the other

  [[nodiscard]] uint32_t event_count() const { return static_cast<uint32_t>(ids.size()); }
};

class EventSource {
 public:
  virtual ~EventSource() = default;
  enum class Outcome : uint8_t { event, nothing_yet, end };
  // Waits at most until `until` for the next event. Errors: stdin cannot be read.
  virtual Result<Outcome, Error> next(OutgoingEvent& event, SteadyTime until) = 0;
};

class ChunkSender {
 public:
  virtual ~ChunkSender() = default;
  virtual void append(ByteBuffer& chunk, const OutgoingEvent& event) = 0;
  virtual Result<void, Error> send(Chunk chunk) = 0;
  // Waits for what is still to be acked, and closes.
  virtual Result<void, Error> finish() = 0;
};

}  // namespace penstock::cli
