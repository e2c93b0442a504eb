// From a Forward message to the batch that is routed and stored: its entries walked, counted and,
// when the sender named the chunk, fingerprinted so that a repeat is recognised.
//
// Pure; thread: none of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/hash.h"
#include "base/result.h"
#include "protocol/forward/decoder.h"
#include "record/batch.h"
#include "record/event.h"

namespace penstock::protocol::forward {

struct Arrival {
  std::string_view source;    // configuration name
  int64_t received_ns = 0;    // wall clock
  memory::MemoryLease lease;  // what message.storage costs
};

struct MessageBatch {
  record::Batch batch;  // its id is not set
  // Of a message with a chunk id: a hash over source, tag, chunk id, size and a 128-bit hash of the
  // entries as they are when not compressed. Chunk ids alone are content hashes in some senders.
  std::optional<Hash128> fingerprint;
};

// message: not compressed, or inflated (Message::set_inflated). Takes what it needs of it; chunk
// and chunk_is_bin stay, for the ack.
[[nodiscard]] Result<MessageBatch, record::WalkError> to_batch(Message& message, Arrival arrival);

[[nodiscard]] Hash128 fingerprint_of(std::string_view source, const Message& message);

}  // namespace penstock::protocol::forward
