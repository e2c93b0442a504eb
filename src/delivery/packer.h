// Packer: from the events of an entry to the records that carry them. An event goes straight into
// the body of the request being built; only what is aggregated, compressed or split takes a buffer
// of its own on the way and comes out as Waiting.
//
// Thread: the sender's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "delivery/outgoing.h"
#include "encode/event_json.h"
#include "encode/request_builder.h"

#include "record/event.h"
#include "route/partition_key.h"
#include "spool/spool.h"

namespace penstock::delivery {

enum class Oversized : uint8_t { split, truncate, dead_letter };

struct PackerOptions {
  encode::Inject inject;
  route::PartitionKey partition_key = route::PartitionKey::random();
  bool keys_are_random = true;  // so that a record may go to any shard
  Oversized oversized = Oversized::split;
};

class Packer {
 public:
  explicit Packer(PackerOptions options);

  // The entry whose events come next; its predecessor is done.
  void begin(uint64_t ticket, const spool::Entry& entry);
  [[nodiscard]] bool has_entry() const { return reader_.has_value(); }

  enum class Outcome : uint8_t {
    added,         // the event is in the request (or in an aggregate)
    aside,         // its records were put aside: they go out before anything newer
    request_full,  // it waits for the next request
    oversized,     // it fits into no record and shall not be split: refused()
    entry_done,    // there was no further event
  };
  // The next event of the entry.
  [[nodiscard]] Outcome pack(encode::RequestBuilder& builder, std::vector<RecordNote>& notes,
                             std::deque<Waiting>& aside);

  // The event that the last pack() called oversized.
  [[nodiscard]] EventSpan refused() const { return refused_; }

  // One event as a record of its own, plainly, whatever the packing: for an aggregate that was
  // refused and is taken apart.
  [[nodiscard]] Waiting pack_alone(const EventSpan& span, const spool::Entry& entry);

  void reconfigure(PackerOptions options);

 private:
  void step_over();
  void advance(size_t record_size);
  Outcome put_aside_oversized(encode::RequestBuilder& builder, std::deque<Waiting>& aside);
  [[nodiscard]] encode::RecordKey key_of(const record::EventView& event, uint32_t index);

  PackerOptions options_;
  encode::EventEncoder encoder_;

  uint64_t ticket_ = 0;
  std::shared_ptr<const record::Batch> batch_;
  std::optional<record::EntryReader> reader_;
  std::optional<record::EntryReader::Open> open_;  // the event that comes next
  uint32_t index_ = 0;                             // of that event in the batch
  EventSpan refused_;
  std::string key_scratch_;
  ByteBuffer scratch_;
  uint64_t splits_ = 0;
};

}  // namespace penstock::delivery
