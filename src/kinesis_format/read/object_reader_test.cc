#include "kinesis_format/read/object_reader.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "codec/compress.h"
#include "kinesis_format/aggregate.h"
#include "kinesis_format/md5.h"
#include "kinesis_format/read/kpl_reader.h"

namespace penstock::kinesis_format {
namespace {

using codec::Compression;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::SizeIs;

using Strings = std::vector<std::string>;

struct Read {
  Strings records;
  std::optional<ObjectError> error;
};

Read read(std::string_view object, size_t piece_bytes = 64_KiB, size_t record_bytes_max = 1_MiB) {
  Read read;
  ObjectReader reader([&](ByteView record) { read.records.emplace_back(as_text(record)); },
                      record_bytes_max);
  for (size_t at = 0; at < object.size(); at += piece_bytes) {
    const auto added = reader.add(as_bytes(object.substr(at, piece_bytes)));
    if (!added) {
      read.error = added.error();
      return read;
    }
  }
  if (const auto done = reader.finish(); !done) read.error = done.error();
  return read;
}

std::string compressed(Compression compression, std::string_view text) {
  codec::Compressor compressor(compression);
  ByteBuffer out;
  compressor.append(out, as_bytes(text));
  return std::string(as_text(out.view()));
}

std::string kpl(const Strings& events) {
  Aggregator aggregator({.aggregation = Aggregation::kpl, .wrap_single = true});
  aggregator.begin({"key", Uint128{7}});
  for (const std::string& event : events) {
    aggregator.begin_event().append(event);
    EXPECT_EQ(aggregator.end_event("key"), AggregateOutcome::added);
  }
  ByteBuffer out;
  aggregator.close(out);
  return std::string(as_text(out.view()));
}

std::string joined(const Strings& parts, std::string_view between = "") {
  std::string text;
  for (const std::string& part : parts) text.append(text.empty() ? "" : between).append(part);
  return text;
}

const Strings kEvents = {R"({"a":1})", R"({"text":"}{ \" \\","n":[{},[{}]]})", R"({})",
                         R"({"é":"日本","x":-1.5e3,"y":null})"};

// Whatever pieces the bytes come in.
void expect_records(std::string_view object, const Strings& records) {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, object.size() + 1}) {
    const Read found = read(object, piece);
    EXPECT_EQ(found.error, std::nullopt);
    EXPECT_THAT(found.records, ElementsAreArray(records)) << "in pieces of " << piece;
  }
}

TEST(ObjectReader, FindsJsonObjectsWithoutASeparatorBetweenThem) {
  expect_records(joined(kEvents), kEvents);
}

TEST(ObjectReader, FindsJsonObjectsOnLinesOfTheirOwn) {
  expect_records(joined(kEvents, "\n"), kEvents);
  expect_records("\n" + joined(kEvents, "\r\n\n") + "\n", kEvents);
}

TEST(ObjectReader, KeepsAnObjectOverSeveralLinesWhole) {
  expect_records("{\n  \"a\": 1\n}\n{\"b\":\n2}", {"{\n  \"a\": 1\n}", "{\"b\":\n2}"});
}

TEST(ObjectReader, UndoesCompressionOfTheObjectAndOfEachRecord) {
  for (const auto whole : {Compression::none, Compression::gzip, Compression::zstd}) {
    for (const auto each : {Compression::none, Compression::gzip, Compression::zstd}) {
      for (const char* between : {"", "\n"}) {
        Strings records;
        for (const std::string& event : kEvents) {
          records.push_back(each == Compression::none ? event : compressed(each, event));
        }
        std::string object = joined(records, between);
        if (whole != Compression::none) object = compressed(whole, object);
        expect_records(object, kEvents);
      }
    }
  }
}

// As `gzip FILE` writes it: the header has a name, which ends where the piece ends.
TEST(ObjectReader, TakesAHeaderWithANameInAnyPieces) {
  std::string named = compressed(Compression::gzip, joined(kEvents));
  named[3] = 0x08;  // FNAME
  named.insert(10, std::string("projects.json") + '\0');
  expect_records(named, kEvents);
}

TEST(ObjectReader, FindsWhereOneAggregateEndsAndTheNextBegins) {
  Strings aggregates;
  for (size_t count = 1; count < 40; count += 7) {
    Strings events;
    for (size_t i = 0; i < count; ++i) {
      events.push_back("{\"n\":" + std::to_string(count * 100 + i) + "}");
    }
    aggregates.push_back(kpl(events));
  }
  expect_records(joined(aggregates), aggregates);
  expect_records(joined(aggregates, "\n"), aggregates);
  expect_records(compressed(Compression::gzip, joined(aggregates)), aggregates);
  aggregates.insert(aggregates.begin() + 2, R"({"alone":true})");
  expect_records(joined(aggregates), aggregates);
}

// One in a hundred digests begins like a field of the protobuf, and may even be whole.
TEST(ObjectReader, IsNotMisledByADigestThatLooksLikeAField) {
  Strings aggregates;
  size_t misleading = 0;
  for (int i = 0; misleading < 20; ++i) {
    const std::string aggregate = kpl({"{\"n\":" + std::to_string(i) + "}"});
    const auto first = static_cast<uint8_t>(aggregate[aggregate.size() - 16]);
    if (first != 0x0a && first != 0x12 && first != 0x1a) continue;
    ++misleading;
    aggregates.push_back(aggregate);
  }
  expect_records(joined(aggregates), aggregates);
}

// RFC 8878: a frame with its size in one byte and one raw block.
std::string stored_zstd(std::string_view text) {
  const auto size = static_cast<char>(text.size());
  const auto header = static_cast<uint32_t>(text.size() << 3 | 1);
  return std::string("\x28\xb5\x2f\xfd\x20", 5) + size + static_cast<char>(header & 0xff) +
         static_cast<char>(header >> 8) + '\0' + std::string(text);
}

TEST(ObjectReader, AMemberMayGoOnInTheNextOneAroundIt) {
  const std::string inner = stored_zstd("four\nfive\n");
  const size_t cut = inner.size() - 5;
  expect_records(stored_zstd(inner.substr(0, cut)) + "between\n" + stored_zstd(inner.substr(cut)),
                 {"four", "between", "five"});
}

TEST(ObjectReader, CutsOtherTextIntoLines) {
  expect_records("one\ntwo words\n\n{\"a\":1}three", {"one", "two words", R"({"a":1})", "three"});
  expect_records("{no json}\n{\"a\":1}\n{\"b\":", {"{no json}", R"({"a":1})", R"({"b":)"});
  expect_records("[1,2]\n\"text\"\n7", {"[1,2]", "\"text\"", "7"});
}

TEST(ObjectReader, GivesABrokenAggregateOutAsItIs) {
  std::string broken = kpl({R"({"a":1})", R"({"b":2})"});
  broken[broken.size() - 1] = static_cast<char>(broken.back() ^ 1);
  const Read found = read(broken + "\n{\"c\":3}");
  EXPECT_EQ(found.error, std::nullopt);
  ASSERT_FALSE(found.records.empty());
  EXPECT_EQ(found.records.back(), R"({"c":3})");
}

TEST(ObjectReader, SaysThatCompressedDataIsDamagedOrCutOff) {
  const std::string text = joined(kEvents, "\n");
  for (const auto compression : {Compression::gzip, Compression::zstd}) {
    const std::string whole = compressed(compression, text);
    for (size_t size = 4; size < whole.size(); ++size) {
      EXPECT_EQ(read(whole.substr(0, size)).error, ObjectError::truncated) << size;
    }
  }
  // Our zstd frames carry no checksum; every gzip member does.
  const std::string damaged = compressed(Compression::gzip, text);
  // Not the last bytes: there are unused bits and a size that nobody checks.
  for (size_t i = 12; i + 16 < damaged.size(); ++i) {
    std::string one = damaged;
    one[i] = static_cast<char>(one[i] ^ 0x10);
    EXPECT_NE(read(one).error, std::nullopt) << i;
  }
  std::string nested = R"({"a":1})";
  for (int i = 0; i < 3; ++i) nested = compressed(Compression::gzip, nested);
  EXPECT_EQ(read(nested).error, ObjectError::too_deep);
}

TEST(ObjectReader, GivesOutWhatCameBeforeTheDamage) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "{\"n\":" + std::to_string(i * 7919) + "}\n";
  const std::string whole = compressed(Compression::gzip, text);
  const Read found = read(whole.substr(0, whole.size() / 2));
  EXPECT_EQ(found.error, ObjectError::truncated);
  EXPECT_GT(found.records.size(), 1'000u);
  EXPECT_EQ(found.records[1], R"({"n":7919})");
}

TEST(ObjectReader, ARecordOverTheLimitComesInPiecesAndTheNextIsFound) {
  const std::string large = "{\"a\":\"" + std::string(5'000, 'x') + "\"}";
  const Read found = read(large + "\n{\"b\":2}", 100, 1'000);
  EXPECT_EQ(found.error, std::nullopt);
  EXPECT_THAT(found.records, SizeIs(testing::Gt(1u)));
  EXPECT_EQ(found.records.back(), R"({"b":2})");
  size_t bytes = 0;
  for (const std::string& record : found.records) bytes += record.size();
  EXPECT_EQ(bytes, large.size() + 7);
}

TEST(ObjectReader, NothingIsInAnEmptyObject) {
  EXPECT_THAT(read("").records, IsEmpty());
  EXPECT_THAT(read("\n \n").records, IsEmpty());
  EXPECT_THAT(read(compressed(Compression::gzip, "")).records, IsEmpty());
}

}  // namespace
}  // namespace penstock::kinesis_format
