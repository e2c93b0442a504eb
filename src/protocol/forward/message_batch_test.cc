#include "protocol/forward/message_batch.h"

#include <gtest/gtest.h>

namespace penstock::protocol::forward {
namespace {

Message message_of(std::vector<uint8_t> entries) {
  Message message;
  message.tag = "app.web";
  message.storage = ByteBuffer::copy_of(entries);
  message.entries_size = entries.size();
  return message;
}
const std::vector<uint8_t> kTwoEntries{0x92, 0x01, 0x80, 0x92, 0x02, 0x81, 0xa1, 'k', 0x05};

TEST(MessageBatch, HoldsTheEntriesCountedAndUncopied) {
  Message message = message_of(kTwoEntries);
  const uint8_t* const place = message.storage.data();
  const auto made = to_batch(message, {.source = "forward", .received_ns = 5, .lease = {}});
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->batch.event_count, 2u);
  EXPECT_EQ(made->batch.tag, "app.web");
  EXPECT_EQ(made->batch.source, "forward");
  EXPECT_EQ(made->batch.received_ns, 5);
  EXPECT_EQ(made->batch.entries().data(), place);
  EXPECT_FALSE(made->fingerprint.has_value());
}

TEST(MessageBatch, IsRefusedWhenARecordIsNoMap) {
  Message message = message_of({0x92, 0x01, 0x80, 0x92, 0x02, 0x05});
  const auto made = to_batch(message, {.source = "forward", .received_ns = 5, .lease = {}});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error(), record::WalkError::not_a_map);
}

TEST(MessageBatch, ANamedChunkKeepsItsNameForTheAck) {
  Message message = message_of(kTwoEntries);
  message.has_chunk = true;
  message.chunk = "id\n";
  const auto made = to_batch(message, {.source = "forward", .received_ns = 5, .lease = {}});
  EXPECT_TRUE(made->fingerprint.has_value());
  EXPECT_EQ(message.chunk, "id\n");
}

TEST(Fingerprint, ChangesWithEachOfItsParts) {
  Message message = message_of(kTwoEntries);
  message.has_chunk = true;
  message.chunk = "id";
  message.size_hint = 2;
  const Hash128 first = fingerprint_of("forward", message);
  EXPECT_EQ(fingerprint_of("forward", message), first);
  EXPECT_NE(fingerprint_of("forward-2", message), first);

  Message other = message_of(kTwoEntries);
  other.chunk = "id";
  other.size_hint = 3;
  EXPECT_NE(fingerprint_of("forward", other), first);
  other.size_hint = 2;
  EXPECT_EQ(fingerprint_of("forward", other), first);
  other.tag = "app.we";
  other.chunk = "bid";  // the same bytes in a row
  EXPECT_NE(fingerprint_of("forward", other), first);
  other.tag = "app.web";
  other.chunk = "id";
  other.storage.data()[8] = 6;
  EXPECT_NE(fingerprint_of("forward", other), first);
}

}  // namespace
}  // namespace penstock::protocol::forward
