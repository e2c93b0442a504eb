#include "kinesis_format/read/unpack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kinesis_format/aggregate.h"
#include "kinesis_format/md5.h"
#include "kinesis_format/oversize.h"
#include "kinesis_format/read/kpl_reader.h"

namespace penstock::kinesis_format {
namespace {

using codec::Compression;
using testing::ElementsAre;
using testing::ElementsAreArray;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    if (hex[i] == ' ') ++i;
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// The worked example of three records with two keys and no hash keys.
const std::string kThreeRecords = from_hex(
    "f3899ac20a01610a01621a1008001a0c7b226d223a226f6e65227d0a1a1008011a0c7b226d223a2274776f227d0a"
    "1a1208001a0e7b226d223a227468726565227d0a8ed9855bfaa66ca83af6b4e58b97b3b9");

std::vector<std::string> unpacked(const std::vector<std::string>& records,
                                  const UnpackOptions& options = {}) {
  std::vector<std::string> events;
  Unpacker unpacker(
      [&events](ByteView event, const std::string&) { events.emplace_back(as_text(event)); },
      options);
  for (const std::string& record : records) unpacker.add(as_bytes(record));
  unpacker.finish();
  return events;
}
std::string compressed(codec::Compression compression, std::string_view text) {
  codec::Compressor compressor(compression);
  ByteBuffer out;
  compressor.append(out, as_bytes(text));
  return std::string(as_text(out.view()));
}

TEST(KplReader, ReadsTheWorkedExample) {
  std::vector<std::string> read;
  ASSERT_TRUE(read_kpl(as_bytes(kThreeRecords), [&read](const KplRecord& record) {
    read.push_back(std::string(record.partition_key) + " " + std::string(as_text(record.data)));
    EXPECT_EQ(record.explicit_hash_key, "");
  }));
  EXPECT_THAT(read,
              ElementsAre("a {\"m\":\"one\"}\n", "b {\"m\":\"two\"}\n", "a {\"m\":\"three\"}\n"));
}

TEST(KplReader, TakesNothingFromWhatIsNotWhole) {
  for (size_t size = 0; size < kThreeRecords.size(); ++size) {
    EXPECT_FALSE(
        read_kpl(as_bytes(kThreeRecords.substr(0, size)), [](const KplRecord&) { FAIL(); }));
  }
  for (size_t i = 0; i < kThreeRecords.size(); ++i) {
    std::string broken = kThreeRecords;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    EXPECT_FALSE(read_kpl(as_bytes(broken), [](const KplRecord&) { FAIL(); })) << i;
  }
}

TEST(KplReader, TakesNothingWhenAnyRecordIsBrokenThoughTheChecksumFits) {
  for (const std::string& proto : {
           from_hex("0a0161 1a0408001a00 1a0408011a00"),  // key 1 of 1
           from_hex("0a0161 1a0408001a00 1a021a00"),      // no key
           from_hex("0a0161 1a0408001a00 1a020800"),      // no data
           from_hex("0a0161 1a0408001a00 1a0608001a05ff"), from_hex("0a0161 1a0408001a00 1aff"),
           from_hex("0a0161 1a0408001a00 1b"),  // a group
       }) {
    const Md5Digest digest = md5(as_bytes(proto));
    const std::string bytes = from_hex("f3899ac2") + proto +
                              std::string(reinterpret_cast<const char*>(digest.data()), 16);
    EXPECT_FALSE(read_kpl(as_bytes(bytes), [](const KplRecord&) { FAIL(); }));
  }
}

TEST(Unpack, GivesPlainRecordsOutAsTheyAre) {
  const std::vector<std::string> records = {"{\"a\":1}",
                                            "",
                                            "text",
                                            "two\nlines",
                                            std::string("\x1f\x8b\x08 no gzip", 11),
                                            "\xf3\x89\x9a\xc2 no aggregate at all",
                                            "{\n \"a\": 1\n}",
                                            "{\"a\":1}\n[2]",
                                            "{}\n\n{}"};
  EXPECT_THAT(unpacked(records), ElementsAreArray(records));
}

TEST(Unpack, UndoesLinesOnlyWhereEachIsAnObject) {
  EXPECT_THAT(unpacked({"{\"a\":1}\n{\"b\":2}\n"}), ElementsAre("{\"a\":1}", "{\"b\":2}"));
  EXPECT_THAT(unpacked({"{\"a\":12345678901234567890123}\n {\"b\":2} "}),
              ElementsAre("{\"a\":12345678901234567890123}", " {\"b\":2} "));
}

TEST(Unpack, TakesTheLineFeedBehindAnObjectOff) {
  EXPECT_THAT(unpacked({"{\"a\":1}\n", "text\n", "{}\n\n"}),
              ElementsAre("{\"a\":1}", "text\n", "{}\n\n"));
  const std::string event = "{\"m\":\"" + std::string(3000, 'x') + "\",\"n\":1}";
  const auto plan = Splitter::plan(as_bytes(event), 1500, "0-0");
  ASSERT_TRUE(plan);
  std::vector<std::string> parts;
  for (uint32_t i = 0; i < plan->part_count(); ++i) {
    ByteBuffer part;
    plan->append_part(part, i);
    part.push_back('\n');
    parts.emplace_back(as_text(part.view()));
  }
  EXPECT_THAT(unpacked(parts), ElementsAre(event));
}

TEST(Unpack, UndoesWhatAnAggregatorDid) {
  std::vector<std::string> events;
  for (int i = 0; i < 100; ++i)
    events.push_back("{\"message\":\"event " + std::to_string(i) + "\"}");
  for (const Aggregation aggregation : {Aggregation::none, Aggregation::kpl, Aggregation::lines}) {
    for (const codec::Compression compression :
         {codec::Compression::none, codec::Compression::gzip, codec::Compression::zstd}) {
      Aggregator aggregator(
          {.aggregation = aggregation, .compression = compression, .bytes_target = 1000});
      std::vector<std::string> records;
      const auto close = [&] {
        ByteBuffer record;
        aggregator.close(record);
        records.emplace_back(as_text(record.view()));
      };
      aggregator.begin({"key", {}});
      for (const std::string& event : events) {
        aggregator.begin_event().append(event);
        while (aggregator.end_event("key") == AggregateOutcome::full) {
          close();
          aggregator.begin({"key", {}});
          aggregator.begin_event().append(event);
        }
      }
      close();
      EXPECT_THAT(unpacked(records), ElementsAreArray(events));
    }
  }
}

TEST(Unpack, JoinsSplitEventsThroughEverythingElse) {
  const std::string event = R"({"message":")" + std::string(3000, 'm') + R"("})";
  const auto splitter = Splitter::plan(as_bytes(event), 1500, "ab-1");
  ASSERT_TRUE(splitter.has_value());
  std::vector<std::string> records;
  for (uint32_t i = 0; i < splitter->part_count(); ++i) {
    ByteBuffer part;
    splitter->append_part(part, i);
    records.push_back(compressed(codec::Compression::gzip, as_text(part.view())));
    records.push_back("{\"between\":1}");
  }
  records.pop_back();
  EXPECT_THAT(unpacked(records), ElementsAre("{\"between\":1}", "{\"between\":1}", event));
}

TEST(Unpack, BoundsWhatCompressionCanGrowTo) {
  const std::string bomb = compressed(codec::Compression::zstd, std::string(10'000'000, ' '));
  ASSERT_LT(bomb.size(), 10'000u);
  EXPECT_THAT(unpacked({bomb, "{}"}, {.inflated_bytes_max = 1_MiB}), ElementsAre(bomb, "{}"));

  // Many in one aggregate share one allowance.
  Aggregator aggregator({.bytes_target = 100'000, .bytes_max = 1_MiB});
  aggregator.begin({"key", {}});
  for (int i = 0; i < 3; ++i) {
    aggregator.begin_event().append(bomb);
    ASSERT_EQ(aggregator.end_event("key"), AggregateOutcome::added);
  }
  ByteBuffer record;
  aggregator.close(record);
  const auto events =
      unpacked({std::string(as_text(record.view()))}, {.inflated_bytes_max = 25'000'000});
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1].size(), 10'000'000u);
  EXPECT_EQ(events[2], bomb);
}

TEST(Unpack, TellsObjectsFromOtherJson) {
  EXPECT_TRUE(is_json_object(as_bytes(" {\"a\":[1,{}]} \n")));
  for (const char* text : {"", "{", "[]", "1", "{}{}", "{\"a\"}", "{} x"}) {
    EXPECT_FALSE(is_json_object(as_bytes(text))) << text;
  }
}

}  // namespace
}  // namespace penstock::kinesis_format
