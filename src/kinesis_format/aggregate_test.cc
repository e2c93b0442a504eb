#include "kinesis_format/aggregate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kinesis_format/md5.h"

namespace penstock::kinesis_format {
namespace {

using codec::Compression;
using testing::ElementsAre;

std::string to_hex(ByteView bytes) {
  std::string out;
  for (const uint8_t byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

AggregateOutcome add(Aggregator& aggregator, std::string_view event, std::string_view key = "a") {
  aggregator.begin_event().append(event);
  return aggregator.end_event(key);
}
std::string closed(Aggregator& aggregator) {
  ByteBuffer out;
  aggregator.close(out);
  EXPECT_TRUE(aggregator.empty());
  return std::string(as_text(out.view()));
}
std::string inflated(codec::Compression compression, std::string_view text) {
  ByteBuffer out;
  EXPECT_TRUE(codec::inflate_whole({.compression = compression}, as_bytes(text), out));
  return std::string(as_text(out.view()));
}

// A second reading of the format, as plain as can be.
struct SubRecord {
  std::string key, hash_key, data;
};
std::vector<SubRecord> read_kpl(const std::string& bytes) {
  EXPECT_EQ(bytes.substr(0, 4), "\xf3\x89\x9a\xc2");
  const std::string proto = bytes.substr(4, bytes.size() - 20);
  const Md5Digest digest = md5(as_bytes(proto));
  EXPECT_EQ(bytes.substr(bytes.size() - 16),
            std::string(reinterpret_cast<const char*>(digest.data()), 16));
  size_t at = 0;
  const auto varint = [&](const std::string& from) {
    size_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(from.at(at++));
      value |= size_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
  };
  std::vector<std::string> keys, hash_keys;
  std::vector<SubRecord> records;
  while (at < proto.size()) {
    const char tag = proto[at++];
    const size_t size = varint(proto);
    const std::string field = proto.substr(at, size);
    const size_t next = at + size;
    if (tag == 0x0a) keys.push_back(field);
    if (tag == 0x12) hash_keys.push_back(field);
    if (tag == 0x1a) {
      SubRecord record;
      at = 0;
      EXPECT_EQ(field.at(at++), 0x08);
      record.key = keys.at(varint(field));
      EXPECT_EQ(field.at(at++), 0x10);
      record.hash_key = hash_keys.at(varint(field));
      EXPECT_EQ(field.at(at++), 0x1a);
      const size_t data_size = varint(field);
      record.data = field.substr(at, data_size);
      EXPECT_EQ(at + data_size, field.size());
      records.push_back(record);
    }
    at = next;
  }
  return records;
}

TEST(KplAggregate, IsByteForByteTheWorkedExample) {
  Aggregator aggregator({.wrap_single = true});
  aggregator.begin({"a", Uint128{1} << 127});
  ASSERT_EQ(add(aggregator, "hi"), AggregateOutcome::added);
  EXPECT_EQ(aggregator.counted_bytes(), 74u + 1 + 39);
  const std::string bytes = closed(aggregator);
  EXPECT_EQ(
      to_hex(as_bytes(bytes)),
      "f3899ac20a016112273137303134313138333436303436393233313733313638373330333731353838343130"
      "353732381a08080010001a02686930dd04e8279943b64e28becb2ed424d1");
}

TEST(KplAggregate, KeepsEachEventsOwnKeyAndGivesAllTheHashKeyAround) {
  Aggregator aggregator({});
  aggregator.begin({"outer", Uint128{12345}});
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(add(aggregator, "event " + std::to_string(i), "key " + std::to_string(i % 150)),
              AggregateOutcome::added);
  }
  const size_t counted = aggregator.counted_bytes();
  const std::string bytes = closed(aggregator);
  EXPECT_EQ(bytes.size() + 5 + 5, counted);
  const std::vector<SubRecord> records = read_kpl(bytes);
  ASSERT_EQ(records.size(), 300u);
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].key, "key " + std::to_string(i % 150));
    EXPECT_EQ(records[i].hash_key, "12345");
    EXPECT_EQ(records[i].data, "event " + std::to_string(i));
  }
}

TEST(KplAggregate, HasTheHashOfTheOuterKeyWhereNoneIsGiven) {
  Aggregator aggregator({.wrap_single = true});
  aggregator.begin({"b", {}});
  ASSERT_EQ(add(aggregator, "x", "another"), AggregateOutcome::added);
  const std::vector<SubRecord> records = read_kpl(closed(aggregator));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].hash_key, "195289424170611159128911017612795795343");
}

TEST(KplAggregate, OfOneEventIsTheBareEvent) {
  Aggregator aggregator({});
  aggregator.begin({"a", {}});
  ASSERT_EQ(add(aggregator, "{\"m\":1}"), AggregateOutcome::added);
  EXPECT_EQ(closed(aggregator), "{\"m\":1}");
}

TEST(KplAggregate, FillsToTheTargetAndNotBeyond) {
  for (const size_t event_size : {1u, 119u, 126u, 127u, 128u, 700u, 3000u}) {
    Aggregator aggregator({.bytes_target = 25'600});
    aggregator.begin({"partition key", {}});
    const std::string event(event_size, 'x');
    while (add(aggregator, event) == AggregateOutcome::added) {
    }
    const std::string bytes = closed(aggregator);
    EXPECT_LE(bytes.size() + 13, 25'600u);
    EXPECT_GT(bytes.size() + 13 + event_size + 10, 25'600u);
  }
}

TEST(KplAggregate, CompressesEachEventForItself) {
  Aggregator aggregator({.compression = codec::Compression::gzip});
  aggregator.begin({"a", {}});
  const std::string event = "{\"message\":\"" + std::string(500, 'x') + "\"}";
  ASSERT_EQ(add(aggregator, event), AggregateOutcome::added);
  ASSERT_EQ(add(aggregator, event), AggregateOutcome::added);
  const std::vector<SubRecord> records = read_kpl(closed(aggregator));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_LT(records[0].data.size(), 100u);
  EXPECT_EQ(inflated(codec::Compression::gzip, records[1].data), event);
}

TEST(LinesAggregate, JoinsEventsByLineFeedsAndHasNoneInside) {
  Aggregator aggregator({.aggregation = Aggregation::lines});
  aggregator.begin({"a", {}});
  ASSERT_EQ(add(aggregator, "{\"a\":1}"), AggregateOutcome::added);
  ASSERT_EQ(add(aggregator, "{\n\"b\":\"x\\ny\"\n\n}"), AggregateOutcome::added);
  aggregator.begin_event().append("never");
  aggregator.cancel_event();
  ASSERT_EQ(add(aggregator, "{\"c\":3}"), AggregateOutcome::added);
  EXPECT_EQ(aggregator.event_count(), 3u);
  EXPECT_EQ(closed(aggregator), "{\"a\":1}\n{ \"b\":\"x\\ny\"  }\n{\"c\":3}");
}

TEST(LinesAggregate, FillsToTheTargetAndNotBeyond) {
  Aggregator aggregator({.aggregation = Aggregation::lines, .bytes_target = 1000});
  aggregator.begin({"0123456789", {}});
  const std::string event(99, 'x');  // 99 + 9 * 100 = 999 bytes would be too many with the key
  for (int i = 0; i < 9; ++i) ASSERT_EQ(add(aggregator, event), AggregateOutcome::added);
  EXPECT_EQ(add(aggregator, event), AggregateOutcome::full);
  EXPECT_EQ(add(aggregator, std::string(90, 'y')), AggregateOutcome::added);
  EXPECT_EQ(aggregator.counted_bytes(), 1000u);
  EXPECT_EQ(closed(aggregator).size(), 990u);
}

TEST(LinesAggregate, LearnsHowFarCompressionGoes) {
  for (const codec::Compression compression :
       {codec::Compression::gzip, codec::Compression::zstd}) {
    Aggregator aggregator({.aggregation = Aggregation::lines,
                           .compression = compression,
                           .bytes_target = 25'600,
                           .bytes_max = 1_MiB});
    std::mt19937 random(5);
    size_t last = 0;
    for (int round = 0; round < 12; ++round) {
      std::string expected;
      aggregator.begin({"a", {}});
      for (;;) {
        std::string event = "{\"kubernetes\":{\"namespace_name\":\"shop\"},\"message\":\"";
        for (int i = 0; i < 20; ++i) event += std::to_string(random()) + " words words words ";
        event += "\"}";
        if (add(aggregator, event) != AggregateOutcome::added) break;
        expected += (expected.empty() ? "" : "\n") + event;
      }
      const std::string bytes = closed(aggregator);
      last = bytes.size();
      ASSERT_EQ(inflated(compression, bytes), expected);
    }
    EXPECT_GT(last, 23'000u);
    EXPECT_LT(last, 28'000u);
  }
}

TEST(NoAggregate, CompressesOneEvent) {
  Aggregator aggregator(
      {.aggregation = Aggregation::none, .compression = codec::Compression::zstd});
  aggregator.begin({"a", {}});
  ASSERT_EQ(add(aggregator, "{\"m\":1}"), AggregateOutcome::added);
  EXPECT_EQ(add(aggregator, "{\"m\":2}"), AggregateOutcome::full);
  EXPECT_EQ(inflated(codec::Compression::zstd, closed(aggregator)), "{\"m\":1}");
}

struct EveryMode : testing::TestWithParam<std::tuple<Aggregation, codec::Compression>> {};

TEST_P(EveryMode, SendsALargeEventAloneAndRefusesOneThatFitsNoRecord) {
  const auto [aggregation, compression] = GetParam();
  Aggregator aggregator({.aggregation = aggregation,
                         .compression = compression,
                         .bytes_target = 5'000,
                         .bytes_max = 20'000});
  std::mt19937 random(1);
  const auto noise = [&random](size_t size) {  // does not compress
    std::string text;
    for (size_t i = 0; i < size; ++i) text += static_cast<char>(11 + random() % 245);
    return text;
  };
  aggregator.begin({"a", {}});
  ASSERT_EQ(add(aggregator, noise(19'000)), AggregateOutcome::added);
  // Lines that are still to be compressed may have room.
  const bool open = aggregation == Aggregation::lines && compression != codec::Compression::none;
  EXPECT_EQ(add(aggregator, "{}"), open ? AggregateOutcome::added : AggregateOutcome::full);
  EXPECT_LE(aggregator.counted_bytes(), 20'000u);
  EXPECT_LE(closed(aggregator).size() + 1, 20'000u);
  aggregator.begin({"a", {}});
  EXPECT_EQ(add(aggregator, noise(40'000)), AggregateOutcome::too_large);
  ASSERT_EQ(add(aggregator, "small"), AggregateOutcome::added);
  const AggregateOutcome beside = add(aggregator, noise(40'000));
  EXPECT_NE(beside, AggregateOutcome::added);

  // As many bytes, but they compress: fits alone.
  if (compression != codec::Compression::none) {
    (void)closed(aggregator);
    aggregator.begin({"a", {}});
    ASSERT_EQ(add(aggregator, std::string(40'000, 'x')), AggregateOutcome::added);
    EXPECT_EQ(inflated(compression, closed(aggregator)), std::string(40'000, 'x'));
  }
}

TEST_P(EveryMode, NeverPassesItsLimitWhateverComes) {
  const auto [aggregation, compression] = GetParam();
  for (uint32_t seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    Aggregator aggregator({.aggregation = aggregation,
                           .compression = compression,
                           .bytes_target = 200 + random() % 5000,
                           .bytes_max = 3000 + random() % 5000});
    bool open = false;
    for (int i = 0; i < 200; ++i) {
      if (!open) aggregator.begin({"key", Uint128{random()}});
      open = true;
      std::string event(random() % 4000, 'x');
      for (size_t at = 0; at < event.size(); at += 1 + random() % 40) {
        event[at] = static_cast<char>('a' + random() % 26);
      }
      const AggregateOutcome outcome = add(aggregator, event, std::to_string(random() % 9));
      if (outcome == AggregateOutcome::full || random() % 20 == 0) {
        if (aggregator.empty()) continue;
        ByteBuffer out;
        const size_t key_size = key_bytes(aggregator.key());
        aggregator.close(out);
        ASSERT_LE(out.size() + key_size, 8000u) << seed;
        open = false;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    , EveryMode,
    testing::Combine(testing::Values(Aggregation::none, Aggregation::kpl, Aggregation::lines),
                     testing::Values(codec::Compression::none, codec::Compression::gzip,
                                     codec::Compression::zstd)));

TEST(Compressor, GivesBackWhatWentIn) {
  std::mt19937 random(3);
  for (const codec::Compression compression :
       {codec::Compression::none, codec::Compression::gzip, codec::Compression::zstd}) {
    codec::Compressor compressor(compression);
    for (const size_t size : {0u, 1u, 100u, 1200u, 65535u, 70000u, 3000000u}) {
      for (const bool noise : {false, true}) {
        std::string payload(size, 'x');
        if (noise) {
          for (char& byte : payload) byte = static_cast<char>(random());
        }
        ByteBuffer out = ByteBuffer::copy_of(as_bytes("before"));
        compressor.append(out, as_bytes(payload));
        const std::string_view written = as_text(out.view()).substr(6);
        EXPECT_LE(written.size(), codec::Compressor::bytes_max(compression, size));
        if (compression == codec::Compression::none) {
          EXPECT_EQ(written, payload);
        } else {
          EXPECT_EQ(inflated(compression, written), payload);
        }
      }
    }
  }
}

TEST(Lines, OfEventsThatBringTheirLineFeedAlongHaveOneBehindTheLast) {
  for (const Compression compression : {Compression::none, Compression::gzip}) {
    Aggregator aggregator(
        {.aggregation = Aggregation::lines, .compression = compression, .events_end_lines = true});
    aggregator.begin({"k", {}});
    EXPECT_EQ(add(aggregator, "{\n\"a\":1}\n"), AggregateOutcome::added);
    EXPECT_EQ(add(aggregator, "{}\n"), AggregateOutcome::added);
    const std::string data = closed(aggregator);
    EXPECT_EQ(compression == Compression::none ? data : inflated(compression, data),
              "{ \"a\":1}\n{}\n");
  }
}

TEST(Lines, OfTextKeepItsLineFeeds) {
  Aggregator aggregator({.aggregation = Aggregation::lines, .events_are_text = true});
  aggregator.begin({"k", {}});
  EXPECT_EQ(add(aggregator, "a\nb"), AggregateOutcome::added);
  EXPECT_EQ(add(aggregator, ""), AggregateOutcome::added);
  EXPECT_EQ(add(aggregator, "c"), AggregateOutcome::added);
  EXPECT_EQ(closed(aggregator), "a\nb\n\nc");
}

TEST(Lines, WithTheirLineFeedsFillTheRecordToTheByte) {
  Aggregator aggregator({.aggregation = Aggregation::lines,
                         .bytes_target = 11,
                         .bytes_max = 11,
                         .events_end_lines = true});
  aggregator.begin({"k", {}});
  EXPECT_EQ(add(aggregator, "{\"abcdefgh\n"), AggregateOutcome::too_large);
  EXPECT_EQ(add(aggregator, "{123}\n"), AggregateOutcome::added);
  EXPECT_EQ(add(aggregator, "{45}\n"), AggregateOutcome::full);
  EXPECT_EQ(add(aggregator, "{4}\n"), AggregateOutcome::added);
  EXPECT_EQ(aggregator.counted_bytes(), 11u);
  EXPECT_EQ(closed(aggregator), "{123}\n{4}\n");
}

}  // namespace
}  // namespace penstock::kinesis_format
