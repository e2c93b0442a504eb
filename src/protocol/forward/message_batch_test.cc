#include "protocol/forward/message_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::protocol::forward {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

Message message_of(std::vector<uint8_t> entries) {
  Message message;
  message.tag = "app.web";
  message.storage = ByteBuffer::copy_of(entries);
  message.entries_size = entries.size();
  return message;
}
const std::vector<uint8_t> kTwoEntries{0x92, 0x01, 0x80, 0x92, 0x02, 0x81, 0xa1, 'k', 0x05};

MessageBatch batch_of(Message& message) {
  const auto walked = record::walk_entries(message.entries());
  return to_batch(message, walked.value(),
                  {.source = "forward",
                   .sender = {},
                   .received_ns = 5'000'000'000,
                   .lease = {},
                   .malformed_lease = {}});
}
std::vector<uint8_t> bytes_of(const record::Batch& batch) {
  return {batch.entries().begin(), batch.entries().end()};
}

TEST(MessageBatch, HoldsTheEntriesCountedAndUncopied) {
  Message message = message_of(kTwoEntries);
  const uint8_t* const place = message.storage.data();
  const auto made = batch_of(message);
  EXPECT_EQ(made.batch.event_count, 2u);
  EXPECT_EQ(made.batch.tag, "app.web");
  EXPECT_EQ(made.batch.source, "forward");
  EXPECT_EQ(made.batch.received_ns, 5'000'000'000);
  EXPECT_EQ(made.batch.entries().data(), place);
  EXPECT_FALSE(made.fingerprint.has_value());
  EXPECT_FALSE(made.malformed.has_value());
}

TEST(MessageBatch, SetsMalformedEntriesApartAndKeepsTheOrderOfTheOthers) {
  Message message =
      message_of({0x92, 0x01, 0x80,                                                        // 1
                  0xc0,                                                                    // nil
                  0x92, 0x02, 0x81, 0xa1, 'k', 0x05,                                       // 2
                  0x92, 0x03, 0xa2, 'h',  'i', 0x92, 0xa1, 't', 0x80, 0x92, 0x04, 0x80});  // 4
  const auto made = batch_of(message);
  EXPECT_EQ(made.batch.event_count, 3u);
  EXPECT_THAT(bytes_of(made.batch),
              ElementsAre(0x92, 0x01, 0x80, 0x92, 0x02, 0x81, 0xa1, 'k', 0x05, 0x92, 0x04, 0x80));
  ASSERT_TRUE(made.malformed.has_value());
  EXPECT_EQ(made.malformed->event_count, 3u);
  EXPECT_EQ(made.malformed->tag, "app.web");
  EXPECT_EQ(made.malformed->source, "forward");
  const std::vector<std::vector<uint8_t>> entries{
      {0xc0}, {0x92, 0x03, 0xa2, 'h', 'i'}, {0x92, 0xa1, 't', 0x80}};
  record::EntryReader reader(*made.malformed);
  record::EventView event;
  for (const auto& entry : entries) {
    ASSERT_TRUE(reader.next(event));
    EXPECT_EQ(event.time, (codec::EventTime{5, 0})) << "when it was received";
    std::vector<uint8_t> expected{0x81, 0xa9, 'm', 'a', 'l', 'f', 'o', 'r', 'm', 'e', 'd'};
    expected.insert(expected.end(), entry.begin(), entry.end());
    EXPECT_THAT(event.record, ElementsAreArray(expected));
  }
  EXPECT_FALSE(reader.next(event));
}

TEST(MessageBatch, KeepsWhatIsTooDeepAsBytes) {
  for (const uint32_t depth : {62u, 63u, 64u, 65u, 10'000u}) {
    std::vector<uint8_t> entry(depth - 1, 0x91);  // [[…nil]], within the entry's own array
    entry.insert(entry.begin(), 0x91);
    entry.push_back(0xc0);
    std::vector<uint8_t> bytes = entry;
    bytes.insert(bytes.end(), kTwoEntries.begin(), kTwoEntries.end());
    Message message = message_of(bytes);
    const auto made = batch_of(message);
    EXPECT_EQ(bytes_of(made.batch), kTwoEntries);
    ASSERT_TRUE(made.malformed.has_value());
    const auto walked = record::walk_entries(made.malformed->entries());
    ASSERT_TRUE(walked.has_value());
    EXPECT_EQ(walked->event_count, 1u) << depth;
    const std::string text(as_text(made.malformed->entries()));
    EXPECT_EQ(text.find("malformed_base64") != std::string::npos, depth > 63) << depth;
  }
}

// What is leased for them beforehand suffices for any.
TEST(MessageBatch, MalformedEntriesCostNoMoreThanSaid) {
  std::vector<uint8_t> nils(1000, 0xc0);
  std::vector<uint8_t> deep;
  for (int i = 0; i < 100; ++i) {
    deep.insert(deep.end(), 70, 0x91);
    deep.push_back(0xc0);
  }
  for (const auto& bytes : {nils, deep, std::vector<uint8_t>{0xc0}}) {
    Message message = message_of(bytes);
    const auto walked = record::walk_entries(message.entries());
    const size_t cost = malformed_cost(*walked);
    const auto made = batch_of(message);
    EXPECT_LE(made.malformed->storage.size(), cost);
    EXPECT_EQ(made.malformed->storage.capacity(), cost);
    EXPECT_EQ(made.batch.event_count, 0u);
  }
}

TEST(MessageBatch, LeavesGroupMarkersOut) {
  Message message = message_of({0x92, 0x92, 0xd7, 0,    0xff, 0xff, 0xff, 0xff, 0,    0, 0,
                                0,    0x80, 0x80, 0x92, 0x01, 0x80, 0x92, 0x92, 0xd7, 0, 0xff,
                                0xff, 0xff, 0xfe, 0,    0,    0,    0,    0x80, 0x80});
  const auto made = batch_of(message);
  EXPECT_THAT(bytes_of(made.batch), ElementsAre(0x92, 0x01, 0x80));
  EXPECT_EQ(made.batch.event_count, 1u);
  EXPECT_FALSE(made.malformed.has_value());
}

TEST(MessageBatch, ANamedChunkKeepsItsNameForTheAck) {
  Message message = message_of(kTwoEntries);
  message.has_chunk = true;
  message.chunk = "id\n";
  const auto made = batch_of(message);
  EXPECT_TRUE(made.fingerprint.has_value());
  EXPECT_EQ(message.chunk, "id\n");
}

TEST(Fingerprint, ChangesWithEachOfItsParts) {
  Message message = message_of(kTwoEntries);
  message.has_chunk = true;
  message.chunk = "id";
  message.size_hint = 2;
  const Sender sender{"10.0.0.1", "node-1"};
  const Hash128 first = fingerprint_of("forward", sender, message);
  EXPECT_EQ(fingerprint_of("forward", sender, message), first);
  EXPECT_NE(fingerprint_of("forward-2", sender, message), first);
  EXPECT_NE(fingerprint_of("forward", {"10.0.0.2", "node-1"}, message), first);
  EXPECT_NE(fingerprint_of("forward", {"10.0.0.1", "node-2"}, message), first);
  EXPECT_NE(fingerprint_of("forward", {"10.0.0.1", ""}, message), first);
  EXPECT_NE(fingerprint_of("forward", {"10.0.0.1n", "ode-1"}, message), first)
      << "the same bytes in a row";

  Message other = message_of(kTwoEntries);
  other.chunk = "id";
  other.size_hint = 3;
  EXPECT_NE(fingerprint_of("forward", sender, other), first);
  other.size_hint = 2;
  EXPECT_EQ(fingerprint_of("forward", sender, other), first);
  other.tag = "app.we";
  other.chunk = "bid";  // the same bytes in a row
  EXPECT_NE(fingerprint_of("forward", sender, other), first);
  other.tag = "app.web";
  other.chunk = "id";
  other.storage.data()[8] = 6;
  EXPECT_NE(fingerprint_of("forward", sender, other), first);
}

}  // namespace
}  // namespace penstock::protocol::forward
