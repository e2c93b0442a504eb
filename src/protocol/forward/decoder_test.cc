#include "protocol/forward/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "codec/msgpack_writer.h"

namespace penstock::protocol::forward {
namespace {

using codec::Compression;
using codec::MsgpackWriter;
using nlohmann::json;
using Bytes = std::vector<uint8_t>;

// [EventTime(1, n), {"n": n}] as they stand in a chunk.
ByteBuffer entries(int count) {
  ByteBuffer out;
  MsgpackWriter writer(out);
  for (int n = 0; n < count; ++n) {
    writer.array(2);
    writer.event_time({1, static_cast<uint32_t>(n)});
    writer.map(1);
    writer.str("n");
    writer.integer(n);
  }
  return out;
}

Bytes bytes_of(const ByteBuffer& buffer) { return {buffer.data(), buffer.data() + buffer.size()}; }
Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Bytes text(std::string_view from) { return {from.begin(), from.end()}; }

// As Fluentd's out_forward sends it: 0x93, tag, str32 with the chunk, option.
Bytes fluentd_message(std::string_view tag, const ByteBuffer& chunk, const json& option) {
  ByteBuffer out;
  MsgpackWriter writer(out);
  writer.array(3);
  writer.str(tag);
  const auto size = static_cast<uint32_t>(chunk.size());
  writer.raw(Bytes{0xdb, static_cast<uint8_t>(size >> 24), static_cast<uint8_t>(size >> 16),
                   static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)});
  writer.raw(chunk.view());
  writer.raw(json::to_msgpack(option));
  return bytes_of(out);
}

struct Taken {
  std::vector<Message> messages;
  std::optional<DecodeError> error;
};

// Plays the session: grows when told to, reads at most `piece` bytes at a time.
Taken decode(Decoder& decoder, ByteView input, size_t piece) {
  Taken taken;
  while (!input.empty()) {
    if (decoder.wanted_capacity() > decoder.capacity()) decoder.grow(decoder.wanted_capacity());
    const size_t size = std::min({piece, input.size(), decoder.free_space().size()});
    EXPECT_GT(size, 0u);
    if (size == 0) return taken;
    std::copy_n(input.begin(), size, decoder.free_space().begin());
    decoder.commit(size);
    input = input.subspan(size);
    while (true) {
      auto next = decoder.next();
      if (!next) {
        taken.error = next.error();
        return taken;
      }
      if (!next->has_value()) break;
      taken.messages.push_back(std::move(**next));
    }
  }
  return taken;
}

Taken decode(const Bytes& input, size_t piece = SIZE_MAX, size_t max = 64_MiB) {
  Decoder decoder({.message_bytes_max = max});
  Taken taken = decode(decoder, input, piece);
  EXPECT_LE(decoder.capacity(), decoder.capacity_max());
  return taken;
}

Message only_message(const Bytes& input) {
  Taken taken = decode(input);
  EXPECT_EQ(taken.messages.size(), 1u);
  EXPECT_FALSE(taken.error.has_value());
  return taken.messages.empty() ? Message{} : std::move(taken.messages[0]);
}

DecodeError refusal(const Bytes& input, size_t max = 64_MiB) {
  const Taken taken = decode(input, SIZE_MAX, max);
  EXPECT_TRUE(taken.error.has_value());
  EXPECT_TRUE(taken.messages.empty());
  return taken.error.value_or(DecodeError{});
}

TEST(Decoder, TakesAChunkAsFluentdSendsIt) {
  const ByteBuffer chunk = entries(3);
  const Message message = only_message(
      fluentd_message("kubernetes.var.log.pods.x", chunk,
                      {{"size", 3}, {"compressed", "text"}, {"chunk", "YjM0ZWY2N2Q=\n"}}));
  EXPECT_EQ(message.mode, Mode::packed_forward);
  EXPECT_EQ(message.tag, "kubernetes.var.log.pods.x");
  EXPECT_EQ(bytes_of(chunk), Bytes(message.entries().begin(), message.entries().end()));
  EXPECT_EQ(message.compression, Compression::none);
  EXPECT_TRUE(message.has_chunk);
  EXPECT_EQ(message.chunk, "YjM0ZWY2N2Q=\n");
  EXPECT_FALSE(message.chunk_is_bin);
  EXPECT_EQ(message.size_hint, 3u);
}

TEST(Decoder, TakesAChunkWithoutOption) {
  const Message message = only_message(Bytes{0x92, 0xa1, 't', 0xc4, 0x01, 0x80});
  EXPECT_EQ(message.tag, "t");
  EXPECT_EQ(message.entries_size, 1u);
  EXPECT_FALSE(message.has_chunk);
}

TEST(Decoder, TakesNilAsOptionAndABinaryChunkId) {
  EXPECT_FALSE(only_message(Bytes{0x93, 0xa1, 't', 0xa0, 0xc0}).has_chunk);
  const Message message = only_message(
      Bytes{0x93, 0xa1, 't', 0xa0, 0x81, 0xa5, 'c', 'h', 'u', 'n', 'k', 0xc4, 0x02, 0xff, 0x00});
  EXPECT_TRUE(message.has_chunk);
  EXPECT_TRUE(message.chunk_is_bin);
  EXPECT_EQ(message.chunk, std::string("\xff\0", 2));
}

TEST(Decoder, KnowsCompressedChunks) {
  for (const auto& [name, compression] : std::vector<std::pair<std::string, Compression>>{
           {"gzip", Compression::gzip}, {"zstd", Compression::zstd}, {"text", Compression::none}}) {
    const Message message = only_message(fluentd_message("t", entries(1), {{"compressed", name}}));
    EXPECT_EQ(message.compression, compression);
  }
  EXPECT_EQ(refusal(fluentd_message("t", entries(1), {{"compressed", "snappy"}})),
            DecodeError::unknown_compression);
  EXPECT_EQ(refusal(fluentd_message("t", entries(1), {{"compressed", 1}})),
            DecodeError::unknown_compression);
}

TEST(Decoder, TakesTheElementsOfForwardModeAsTheyStand) {
  for (const uint32_t count : {0u, 1u, 2u, 3u, 20u, 70'000u}) {
    const ByteBuffer chunk = entries(static_cast<int>(count));
    ByteBuffer out;
    MsgpackWriter writer(out);
    writer.array(3);
    writer.str("forward.tag");
    writer.array(count);
    writer.raw(chunk.view());
    writer.raw(json::to_msgpack({{"chunk", "id"}}));
    for (const size_t piece : {SIZE_MAX, size_t{4096}, size_t{7}}) {
      const Taken taken = decode(bytes_of(out), piece);
      ASSERT_EQ(taken.messages.size(), 1u) << count;
      const Message& message = taken.messages[0];
      EXPECT_EQ(message.mode, Mode::forward);
      EXPECT_EQ(message.chunk, "id");
      EXPECT_TRUE(std::ranges::equal(message.entries(), chunk.view()));
    }
  }
}

TEST(Decoder, MakesAnEntryOfMessageMode) {
  const Bytes record = json::to_msgpack({{"message", "hello"}});
  const Bytes tag{0xa3, 'a', '.', 'b'};
  const std::vector<Bytes> times = {
      {0xd7, 0x00, 0, 0, 0, 1, 0, 0, 0, 2}, {0xce, 1, 2, 3, 4}, {0xc0}, {0x92, 0x05, 0x80}};
  for (const Bytes& time : times) {
    const Message bare = only_message(Bytes{0x93} + tag + time + record);
    EXPECT_EQ(bare.mode, Mode::message);
    EXPECT_EQ(bare.tag, "a.b");
    EXPECT_EQ(Bytes(bare.entries().begin(), bare.entries().end()), Bytes{0x92} + time + record);

    const Message with_option =
        only_message(Bytes{0x94} + tag + time + record + json::to_msgpack({{"chunk", "c"}}));
    EXPECT_EQ(with_option.chunk, "c");
    EXPECT_TRUE(std::ranges::equal(with_option.entries(), bare.entries()));
  }
}

TEST(Decoder, MakesAnEntryOfMessageModeWithAnEmptyTag) {
  const Message message = only_message(Bytes{0x93, 0xa0, 0x01, 0x80});
  EXPECT_EQ(message.tag, "");
  EXPECT_THAT(message.entries(), ::testing::ElementsAre(0x92, 0x01, 0x80));
}

TEST(Decoder, IgnoresHeartbeats) {
  const Taken taken = decode(Bytes{0xc0, 0xc0} + Bytes{0x92, 0xa1, 't', 0xa0} + Bytes{0xc0});
  EXPECT_EQ(taken.messages.size(), 1u);
  EXPECT_FALSE(taken.error.has_value());
}

TEST(Decoder, GivesTheSameMessagesHoweverTheBytesArrive) {
  Bytes stream;
  for (const int count : {1, 10, 100, 3000, 2, 0, 40}) {
    stream = stream + fluentd_message("tag" + std::to_string(count), entries(count),
                                      {{"chunk", std::to_string(count)}, {"size", count}});
    stream = stream + Bytes{0xc0} + Bytes{0x93, 0xa1, 'm', 0x01, 0x80};
  }
  const Taken whole = decode(stream);
  ASSERT_EQ(whole.messages.size(), 14u);
  std::mt19937 random(5);
  for (const size_t piece : {1u, 2u, 3u, 17u, 1000u, 16384u, 65536u}) {
    const Taken taken = decode(stream, piece);
    ASSERT_EQ(taken.messages.size(), whole.messages.size());
    for (size_t i = 0; i < taken.messages.size(); ++i) {
      EXPECT_EQ(taken.messages[i].tag, whole.messages[i].tag);
      EXPECT_EQ(taken.messages[i].chunk, whole.messages[i].chunk);
      EXPECT_TRUE(std::ranges::equal(taken.messages[i].entries(), whole.messages[i].entries()));
    }
  }
}

TEST(Decoder, AsksForExactlyTheDeclaredMessage) {
  const Bytes message = fluentd_message("t", entries(100'000), {{"size", 100'000}});
  Decoder decoder({});
  EXPECT_EQ(decoder.wanted_capacity(), 64_KiB);
  decoder.grow(64_KiB);
  std::copy_n(message.begin(), 64_KiB, decoder.free_space().begin());
  decoder.commit(64_KiB);
  EXPECT_FALSE(decoder.next()->has_value());
  EXPECT_GT(decoder.wanted_capacity(), message.size());
  EXPECT_LT(decoder.wanted_capacity(), message.size() + 300);
}

TEST(Decoder, KnowsHowMuchOfADeclaredMessageIsMissing) {
  const ByteBuffer chunk = entries(1000);
  const Bytes message = fluentd_message("t", chunk, {{"chunk", "abc"}});
  const size_t head = 1 + 2 + 5;
  for (const size_t here : {head + 10, head + chunk.size() - 1}) {
    Decoder decoder({});
    decoder.grow(message.size());
    std::copy_n(message.begin(), here, decoder.free_space().begin());
    decoder.commit(here);
    ASSERT_FALSE(*decoder.next());
    EXPECT_EQ(decoder.missing(), head + chunk.size() - here + 1) << "and the option begins";
  }
  Decoder decoder({});
  decoder.grow(message.size());
  EXPECT_EQ(decoder.missing(), std::nullopt);
  const Bytes elements = text("\x92\xa1t\xdd") + Bytes{0, 0, 0, 9};
  std::copy(elements.begin(), elements.end(), decoder.free_space().begin());
  decoder.commit(elements.size());
  ASSERT_FALSE(*decoder.next());
  EXPECT_EQ(decoder.missing(), std::nullopt) << "a number of entries is no size";
}

TEST(Decoder, HandsALargeMessageOverWithoutCopyingIt) {
  const Bytes message = fluentd_message("t", entries(5000), {{"size", 5000}});
  Decoder decoder({});
  decoder.grow(message.size() + 10);
  const uint8_t* const place = decoder.free_space().data();
  const Bytes stream = message + Bytes{0x92, 0xa1};
  std::copy(stream.begin(), stream.end(), decoder.free_space().begin());
  decoder.commit(stream.size());
  const auto taken = decoder.next();
  ASSERT_TRUE(taken->has_value());
  EXPECT_EQ((*taken)->storage.data(), place);
  EXPECT_TRUE((*taken)->storage_was_buffer);
  EXPECT_EQ(decoder.buffered(), 2u);
  EXPECT_EQ(decoder.capacity(), 2u);
}

TEST(Decoder, CopiesASmallMessageOutOfALargeBuffer) {
  const Bytes message = fluentd_message("t", entries(3), {{"size", 3}});
  const Taken taken = decode(message + message + message);
  ASSERT_EQ(taken.messages.size(), 3u);
  for (const Message& each : taken.messages) {
    EXPECT_FALSE(each.storage_was_buffer);
    EXPECT_EQ(each.storage.capacity(), each.entries_size);
  }
}

TEST(Decoder, HoldsNoMemoryBetweenMessages) {
  Decoder decoder({});
  decode(decoder, fluentd_message("t", entries(3), {}), 10);
  EXPECT_EQ(decoder.buffered(), 0u);
  decoder.release_buffer();
  EXPECT_EQ(decoder.capacity(), 0u);
  EXPECT_EQ(decode(decoder, fluentd_message("t", entries(3), {}), 10).messages.size(), 1u);
}

TEST(Decoder, RefusesWhatIsNoForwardMessageAtItsFirstBytes) {
  EXPECT_EQ(refusal(text("GET / HTTP/1.1\r\n")), DecodeError::http_on_this_port);
  EXPECT_EQ(refusal(text("GET it\r\n")), DecodeError::wrong_shape);
  EXPECT_EQ(refusal(text("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")), DecodeError::proxy_protocol);
  EXPECT_EQ(refusal(text("\r\n\r\n") + Bytes{0} + text("\r\nQUIT\n")), DecodeError::proxy_protocol);
  EXPECT_EQ(refusal(text("<13>hello\n")), DecodeError::wrong_shape);
  EXPECT_EQ(refusal(text("{\"a\":1}")), DecodeError::json_not_supported);
  EXPECT_EQ(refusal(text("[\"tag\",1,{}]")), DecodeError::json_not_supported);
  EXPECT_EQ(refusal(Bytes{0x16, 0x03, 0x01}), DecodeError::tls_on_plain_port);
  EXPECT_EQ(refusal(Bytes{0xc1}), DecodeError::not_msgpack);
  EXPECT_EQ(refusal(Bytes{0x81}), DecodeError::wrong_shape);
  EXPECT_EQ(refusal(Bytes{0x91}), DecodeError::wrong_shape);
  EXPECT_EQ(refusal(Bytes{0x95}), DecodeError::wrong_shape);
  EXPECT_EQ(refusal(Bytes{0xdd, 0xff, 0xff, 0xff, 0xff}), DecodeError::wrong_shape);
  EXPECT_EQ(refusal(Bytes{0x92, 0x01}), DecodeError::wrong_shape);                   // tag
  EXPECT_EQ(refusal(Bytes{0x92, 0xa1, 't', 0x01}), DecodeError::wrong_shape);        // two parts
  EXPECT_EQ(refusal(Bytes{0x94, 0xa1, 't', 0xa0}), DecodeError::wrong_shape);        // four parts
  EXPECT_EQ(refusal(Bytes{0x94, 0xa1, 't', 0x90}), DecodeError::wrong_shape);        // four parts
  EXPECT_EQ(refusal(Bytes{0x93, 0xa1, 't', 0xa0, 0x01}), DecodeError::wrong_shape);  // option
  EXPECT_EQ(refusal(Bytes{0x93, 0xa1, 't', 0x01, 0xc1}), DecodeError::not_msgpack);
}

TEST(Decoder, RefusesFourGigabytesAtOnce) {
  EXPECT_EQ(refusal(Bytes{0x92, 0xa1, 't', 0xdb, 0xff, 0xff, 0xff, 0xff}),
            DecodeError::message_too_large);
  EXPECT_EQ(refusal(Bytes{0x92, 0xdb, 0xff, 0xff, 0xff, 0xff}), DecodeError::tag_too_long);
  EXPECT_EQ(refusal(Bytes{0x93, 0xa1, 't', 0x01, 0xdb, 0xff, 0xff, 0xff, 0xff}),
            DecodeError::message_too_large);
  EXPECT_EQ(refusal(Bytes{0x93, 0xa1, 't', 0xa0, 0xc6, 0x01, 0xff, 0xff, 0xff}),
            DecodeError::option_too_large);
}

TEST(Decoder, RefusesMoreItemsThanAMessageCanHoldAtOnce) {
  EXPECT_EQ(refusal(Bytes{0x92, 0xa1, 't', 0xdd, 0xff, 0xff, 0xff, 0xff, 0x92}),
            DecodeError::message_too_large);
  EXPECT_EQ(refusal(Bytes{0x93, 0xa1, 't', 0x01, 0xdf, 0xff, 0xff, 0xff, 0xff}),
            DecodeError::message_too_large);
}

TEST(Decoder, FindsTheEndOfRecordsHoweverDeepButRefusesSuchAnOption) {
  const auto record = [](uint32_t depth) {
    Bytes bytes;
    for (uint32_t i = 0; i < depth; ++i) bytes = bytes + Bytes{0x81, 0xa1, 'k'};
    return bytes + Bytes{0xc0};
  };
  const Bytes next{0x92, 0xa1, 'n', 0xa0};
  for (const uint32_t depth : {codec::kNestingMax, codec::kNestingMax + 1, 10'000u}) {
    const Bytes entry = Bytes{0x92, 0x01} + record(depth);
    for (const size_t piece : {size_t{1}, SIZE_MAX}) {
      EXPECT_EQ(decode(Bytes{0x92, 0xa1, 't', 0x91} + entry + next, piece).messages.size(), 2u);
      EXPECT_EQ(decode(Bytes{0x93, 0xa1, 't', 0x01} + record(depth) + next, piece).messages.size(),
                2u);
    }
  }
  EXPECT_EQ(refusal(Bytes{0x93, 0xa1, 't', 0xa0} + record(codec::kNestingMax + 1)),
            DecodeError::too_deep);
  EXPECT_EQ(refusal(Bytes{0x93, 0xa1, 't', 0xa0} + Bytes(10'000, 0x81)), DecodeError::too_deep);
}

// An entry that is none is told from a time with metadata, and the other way round.
TEST(Decoder, TellsEntriesFromATimeWithMetadata) {
  const auto mode = [](const Bytes& body) {
    const Message message = only_message(Bytes{0x92, 0xa1, 't'} + body);
    return std::pair(message.mode, Bytes(message.entries().begin(), message.entries().end()));
  };
  const auto mode_with = [](const Bytes& body, const Bytes& third) {
    const Message message = only_message(Bytes{0x93, 0xa1, 't'} + body + third);
    return std::pair(message.mode, Bytes(message.entries().begin(), message.entries().end()));
  };
  const Bytes entry{0x92, 0x01, 0x81, 0xa1, 'n', 0x01};
  const Bytes event_time{0xd7, 0x00, 0, 0, 0, 1, 0, 0, 0, 1};
  const Bytes option{0x81, 0xa4, 's', 'i', 'z', 'e', 0x02};
  const Bytes record{0x81, 0xa1, 'k', 0x01};
  for (const Bytes& bad : {Bytes{0xc0}, Bytes{0x05}, Bytes{0xa2, 'h', 'i'}, Bytes{0x81, 1, 2},
                           Bytes{0xc3}, event_time, Bytes{0x91, 0x01}}) {
    EXPECT_EQ(mode(Bytes{0x92} + bad + entry), std::pair(Mode::forward, bad + entry));
    EXPECT_EQ(mode(Bytes{0x92} + entry + bad), std::pair(Mode::forward, entry + bad));
    EXPECT_EQ(mode_with(Bytes{0x92} + bad + entry, option), std::pair(Mode::forward, bad + entry));
    EXPECT_EQ(mode_with(Bytes{0x92} + entry + bad, option), std::pair(Mode::forward, entry + bad));
    EXPECT_EQ(mode(Bytes{0x91} + bad), std::pair(Mode::forward, bad));
    EXPECT_EQ(mode(Bytes{0x93} + bad + bad + entry), std::pair(Mode::forward, bad + bad + entry));
  }
  for (const Bytes& time : {Bytes{0x01}, event_time, Bytes{0xc0}}) {
    const Bytes pair = Bytes{0x92} + time + Bytes{0x81, 0xa1, 'm', 0x02};
    EXPECT_EQ(mode_with(pair, record), std::pair(Mode::message, Bytes{0x92} + pair + record));
  }
  // A time that is none, and a record that is no option: nothing of it is lost.
  for (const Bytes& time : {Bytes{0xa3, 'n', 'o', 'w'}, Bytes{0x93, 1, 2, 3}, Bytes{0x92, 1, 0xc0},
                            Bytes{0x80}, Bytes{0xc3}}) {
    EXPECT_EQ(mode_with(time, record), std::pair(Mode::message, Bytes{0x92} + time + record));
  }
}

TEST(Decoder, RefusesAMessageThatGrowsBeyondTheLimit) {
  const Bytes message = fluentd_message("t", entries(10'000), {});
  EXPECT_TRUE(decode(message, 1000, message.size()).messages.size() == 1);
  EXPECT_EQ(refusal(message, 100_KiB), DecodeError::message_too_large);
  ByteBuffer forward;
  MsgpackWriter writer(forward);
  writer.array(2);
  writer.str("t");
  writer.array(10'000);
  writer.raw(entries(10'000).view());
  EXPECT_EQ(refusal(bytes_of(forward), 100_KiB), DecodeError::message_too_large);
  EXPECT_EQ(decode(bytes_of(forward), 1000, forward.size()).messages.size(), 1u);
}

TEST(Decoder, RefusesMetricsAndTraces) {
  EXPECT_EQ(refusal(fluentd_message("t", entries(1), {{"fluent_signal", 1}})),
            DecodeError::metrics_or_traces);
  EXPECT_EQ(refusal(fluentd_message("t", entries(1), {{"fluent_signal", 2}})),
            DecodeError::metrics_or_traces);
  only_message(fluentd_message("t", entries(1), {{"fluent_signal", 0}, {"unknown", {1, 2}}}));
}

}  // namespace
}  // namespace penstock::protocol::forward
