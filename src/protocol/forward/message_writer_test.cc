#include "protocol/forward/message_writer.h"

#include <gtest/gtest.h>

#include "protocol/forward/ack.h"
#include "protocol/forward/decoder.h"
#include "record/event.h"

namespace penstock::protocol::forward {
namespace {

using codec::Compression;

class WrittenMessage : public ::testing::TestWithParam<Compression> {};

TEST_P(WrittenMessage, IsDecodedToWhatItWasMadeOf) {
  ByteBuffer entries;
  for (int i = 0; i < 1000; ++i) entries.append(ByteView(std::vector<uint8_t>{0x92, 0x01, 0x80}));
  const ByteBuffer bytes = write_packed_forward({.tag = "a.tag",
                                                 .entries = entries.view(),
                                                 .event_count = 1000,
                                                 .chunk = "chunk-1",
                                                 .compression = GetParam()});
  Decoder decoder({});
  decoder.grow(bytes.size());
  std::copy(bytes.view().begin(), bytes.view().end(), decoder.free_space().begin());
  decoder.commit(bytes.size());
  auto decoded = decoder.next();
  ASSERT_TRUE(decoded.has_value() && decoded->has_value());
  Message& message = **decoded;
  EXPECT_EQ(message.compression, GetParam());
  EXPECT_EQ(message.chunk, "chunk-1");
  EXPECT_EQ(message.size_hint, 1000u);
  if (message.compression != Compression::none) {
    ByteBuffer inflated;
    ASSERT_TRUE(codec::inflate_whole({message.compression, 1_MiB}, message.entries(), inflated));
    message.set_inflated(std::move(inflated));
  }
  const auto walked = record::walk_entries(message.entries());
  ASSERT_TRUE(walked.has_value());
  EXPECT_EQ(walked->event_count, 1000u);
  EXPECT_EQ(walked->malformed_count, 0u);
}

INSTANTIATE_TEST_SUITE_P(Compressions, WrittenMessage,
                         ::testing::Values(Compression::none, Compression::gzip,
                                           Compression::zstd));

TEST(Ack, EchoesTheChunkIdByteForByte) {
  ByteBuffer out;
  append_ack(out, "YjM0\n", false);
  EXPECT_EQ(as_text(out.view()),
            "\x81\xa3"
            "ack\xa5YjM0\n");
  out.clear();
  append_ack(out, "\xff", true);
  EXPECT_EQ(as_text(out.view()),
            "\x81\xa3"
            "ack\xc4\x01\xff");
}

TEST(Ack, IsReadBackWhenItHasComeWhole) {
  ByteBuffer out;
  append_ack(out, "first", false);
  const size_t first_size = out.size();
  append_ack(out, "second", true);
  for (size_t size = 0; size < first_size; ++size) {
    const auto none = read_ack(out.view().first(size));
    ASSERT_TRUE(none.has_value());
    EXPECT_FALSE(none->has_value());
  }
  const auto first = read_ack(out.view());
  ASSERT_TRUE(first->has_value());
  EXPECT_EQ((*first)->chunk, "first");
  EXPECT_EQ((*first)->size, first_size);
  EXPECT_EQ((*read_ack(out.view().subspan(first_size)))->chunk, "second");
  EXPECT_FALSE(read_ack(std::vector<uint8_t>{0x93, 0, 0, 0}).has_value());
  EXPECT_FALSE(read_ack(std::vector<uint8_t>{0xc1}).has_value());
}

}  // namespace
}  // namespace penstock::protocol::forward
