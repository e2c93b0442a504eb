#include "protocol/forward/message_batch.h"

#include "base/big_endian.h"
#include "base/check.h"

namespace penstock::protocol::forward {
namespace {

// Each part with its length before it, so that no two different messages write the same bytes.
void append_part(ByteBuffer& out, std::string_view part) {
  uint8_t size[8];
  store_le<uint64_t>(size, part.size());
  out.append(ByteView(size, sizeof size));
  out.append(part);
}

void append_number(ByteBuffer& out, uint64_t number) {
  uint8_t bytes[8];
  store_le<uint64_t>(bytes, number);
  out.append(ByteView(bytes, sizeof bytes));
}

}  // namespace

Hash128 fingerprint_of(std::string_view source, const Message& message) {
  const Hash128 entries = hash128(message.entries());
  ByteBuffer parts(128 + source.size() + message.tag.size() + message.chunk.size());
  append_part(parts, source);
  append_part(parts, message.tag);
  append_part(parts, message.chunk);
  append_number(parts, message.size_hint);
  append_number(parts, entries.low);
  append_number(parts, entries.high);
  return hash128(parts.view());
}

Result<MessageBatch, record::WalkError> to_batch(Message& message, Arrival arrival) {
  CHECK(message.compression == codec::Compression::none);
  const auto walked = record::walk_entries(message.entries());
  if (!walked) return failure(walked.error());
  MessageBatch made;
  if (message.has_chunk) made.fingerprint = fingerprint_of(arrival.source, message);
  made.batch.source = arrival.source;
  made.batch.tag = std::move(message.tag);
  made.batch.encoding = record::Encoding::msgpack;
  made.batch.event_count = walked->event_count;
  made.batch.received_ns = arrival.received_ns;
  made.batch.storage = std::move(message.storage);
  made.batch.entries_offset = message.entries_offset;
  made.batch.entries_size = message.entries_size;
  made.batch.lease = std::move(arrival.lease);
  return made;
}

}  // namespace penstock::protocol::forward
