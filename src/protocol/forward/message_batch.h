// From a Forward message, whose entries have been walked (record::walk_entries), to the batch that
// is routed and stored: fingerprinted, when the sender named the chunk, so that a repeat is
// recognized, and without the entries that are no events. Of those, group markers are left out, and
// malformed ones become events of a batch of their own:
//
//   {"malformed": <the entry>}           whatever it is: nil, an array, [time, "text"], …
//   {"malformed_base64": "<its bytes>"}  nested deeper than an event may be
//
// Pure; thread: none of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/hash.h"
#include "protocol/forward/decoder.h"
#include "record/batch.h"
#include "record/event.h"

namespace penstock::protocol::forward {

// Who sent it: the same for every connection of one sender.
struct Sender {
  std::string_view address;  // without the port
  std::string_view name;     // of its handshake; empty: there was none
};

struct Arrival {
  std::string_view source;  // configuration name
  Sender sender;
  int64_t received_ns = 0;              // wall clock
  memory::MemoryLease lease;            // what message.storage costs
  memory::MemoryLease malformed_lease;  // malformed_cost(), when there are any
};

struct MessageBatch {
  record::Batch batch;  // its id is not set
  std::optional<record::Batch> malformed;
  // Of a message with a chunk id: a hash over source, sender, tag, chunk id, size and a 128-bit
  // hash of the entries as they are when not compressed. Chunk ids alone are content hashes in some
  // senders, and two of them may send the same line in the same second.
  std::optional<Hash128> fingerprint;
};

// What the batch of the malformed entries takes at most.
[[nodiscard]] size_t malformed_cost(const record::Walked& walked);

// message: not compressed, or inflated (Message::set_inflated). Takes what it needs of it; chunk
// and chunk_is_bin stay, for the ack.
[[nodiscard]] MessageBatch to_batch(Message& message, const record::Walked& walked,
                                    Arrival arrival);

[[nodiscard]] Hash128 fingerprint_of(std::string_view source, const Sender& sender,
                                     const Message& message);

}  // namespace penstock::protocol::forward
