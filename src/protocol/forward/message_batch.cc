#include "protocol/forward/message_batch.h"

#include <cstring>

#include "base/big_endian.h"
#include "base/check.h"
#include "codec/base64.h"
#include "codec/msgpack_cursor.h"
#include "codec/msgpack_writer.h"

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

constexpr std::string_view kMalformed = "malformed";
constexpr std::string_view kMalformedBase64 = "malformed_base64";
// [EventTime, {key: …}]: their heads, and the head of the text in base64.
constexpr size_t kMalformedHead = 11 + 1 + 1 + kMalformedBase64.size() + 5;

void append_malformed(ByteBuffer& out, codec::EventTime received, ByteView entry) {
  codec::MsgpackWriter writer(out);
  writer.array(2);
  writer.event_time(received);
  writer.map(1);
  if (codec::MsgpackCursor(entry).skip(1)) {
    writer.str(kMalformed);
    writer.raw(entry);
    return;
  }
  writer.str(kMalformedBase64);
  writer.bin_head(static_cast<uint32_t>((entry.size() + 2) / 3 * 4));
  codec::append_base64(out, entry);
}

// Moves the malformed entries over, and the events together, in their order.
void set_apart(record::Batch& batch, record::Batch& malformed) {
  const codec::EventTime received = codec::event_time_of(batch.received_ns);
  uint8_t* to = batch.storage.data() + batch.entries_offset;
  const uint8_t* const begin = to;
  record::EntryWalker walker(batch.entries());
  record::EntryKind kind;
  for (ByteView entry; walker.next(kind, entry);) {
    if (kind == record::EntryKind::malformed) append_malformed(malformed.storage, received, entry);
    if (kind != record::EntryKind::event) continue;
    if (entry.data() != to) std::memmove(to, entry.data(), entry.size());
    to += entry.size();
  }
  batch.entries_size = static_cast<size_t>(to - begin);
  malformed.entries_size = malformed.storage.size();
}

}  // namespace

Hash128 fingerprint_of(std::string_view source, const Sender& sender, const Message& message) {
  const Hash128 entries = hash128(message.entries());
  ByteBuffer parts(256 + source.size() + message.tag.size() + message.chunk.size());
  append_part(parts, source);
  append_part(parts, sender.address);
  append_part(parts, sender.name);
  append_part(parts, message.tag);
  append_part(parts, message.chunk);
  append_number(parts, message.size_hint);
  append_number(parts, entries.low);
  append_number(parts, entries.high);
  return hash128(parts.view());
}

size_t malformed_cost(const record::Walked& walked) {
  const size_t text = walked.malformed_size / 3 * 4 + size_t{4} * walked.malformed_count;
  return walked.malformed_count == 0 ? 0 : text + walked.malformed_count * kMalformedHead;
}

MessageBatch to_batch(Message& message, const record::Walked& walked, Arrival arrival) {
  CHECK(message.compression == codec::Compression::none);
  MessageBatch made;
  if (message.has_chunk) {
    made.fingerprint = fingerprint_of(arrival.source, arrival.sender, message);
  }
  made.batch.source = arrival.source;
  made.batch.tag = std::move(message.tag);
  made.batch.encoding = record::Encoding::msgpack;
  made.batch.event_count = walked.event_count;
  made.batch.received_ns = arrival.received_ns;
  made.batch.storage = std::move(message.storage);
  made.batch.entries_offset = message.entries_offset;
  made.batch.entries_size = message.entries_size;
  made.batch.lease = std::move(arrival.lease);
  if (walked.malformed_count + walked.marker_count == 0) return made;
  record::Batch malformed;
  malformed.source = made.batch.source;
  malformed.tag = made.batch.tag;
  malformed.encoding = record::Encoding::msgpack;
  malformed.event_count = walked.malformed_count;
  malformed.received_ns = arrival.received_ns;
  malformed.storage.reserve(malformed_cost(walked));
  malformed.lease = std::move(arrival.malformed_lease);
  set_apart(made.batch, malformed);
  if (malformed.event_count > 0) made.malformed = std::move(malformed);
  return made;
}

}  // namespace penstock::protocol::forward
