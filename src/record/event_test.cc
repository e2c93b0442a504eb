#include "record/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "codec/msgpack_cursor.h"
#include "codec/msgpack_writer.h"

namespace penstock::record {
namespace {

using nlohmann::json;

constexpr int64_t kReceived = 1'700'000'000'123'456'789;

class Entries : public ::testing::Test {
 protected:
  // Appends [time, {"n": n}], the time as given in hexadecimal bytes.
  void entry(std::vector<uint8_t> time, int n = 0) {
    writer.array(2);
    writer.raw(time);
    writer.map(1);
    writer.str("n");
    writer.integer(n);
  }
  Batch batch() {
    Batch made;
    made.received_ns = kReceived;
    made.storage = ByteBuffer::copy_of(bytes.view());
    made.entries_size = bytes.size();
    return made;
  }
  codec::EventTime time_of_only_entry() {
    EXPECT_EQ(walk_entries(bytes.view())->event_count, 1u);
    const Batch made = batch();
    EntryReader reader(made);
    EventView event;
    EXPECT_TRUE(reader.next(event));
    EXPECT_EQ(event.entry.size(), bytes.size());
    EXPECT_FALSE(EventView(event).record.empty());
    EventView none;
    EXPECT_FALSE(reader.next(none));
    return event.time;
  }
  WalkError refusal() {
    const auto walked = walk_entries(bytes.view());
    EXPECT_FALSE(walked.has_value());
    return walked.has_value() ? WalkError{} : walked.error();
  }

  ByteBuffer bytes;
  codec::MsgpackWriter writer{bytes};
};

TEST_F(Entries, AreCountedAndReadBackInOrder) {
  for (int i = 0; i < 100; ++i)
    entry({0xd7, 0x00, 0, 0, 0, 1, 0, 0, 0, static_cast<uint8_t>(i)}, i);
  EXPECT_EQ(walk_entries(bytes.view())->event_count, 100u);

  const Batch made = batch();
  EntryReader reader(made);
  EventView event;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(reader.next(event));
    EXPECT_EQ(event.time, (codec::EventTime{1, static_cast<uint32_t>(i)}));
    EXPECT_EQ(json::from_msgpack(event.record.begin(), event.record.end()), json({{"n", i}}));
  }
  EXPECT_FALSE(reader.next(event));
  EXPECT_EQ(reader.position(), bytes.size());
}

TEST_F(Entries, CanBeReadByWhoStepsOverTheRecordsThemselves) {
  entry({0x01}, 1);
  entry({0x02}, 2);
  const Batch made = batch();
  EntryReader reader(made);
  for (int i = 1; i <= 2; ++i) {
    const auto opened = reader.open();
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->time.seconds, i);
    reader.close(codec::MsgpackCursor(opened->record_and_rest).skip()->size());
  }
  EXPECT_FALSE(reader.open().has_value());
}

TEST_F(Entries, NoneAreNoEvents) { EXPECT_EQ(walk_entries({})->event_count, 0u); }

TEST_F(Entries, KnowEventTimeAsFixext8) {
  entry({0xd7, 0x00, 0x66, 0x68, 0x05, 0x24, 0x0e, 0x65, 0x9a, 0x80});
  EXPECT_EQ(time_of_only_entry(), (codec::EventTime{0x66680524, 0x0e659a80}));
}
TEST_F(Entries, KnowEventTimeAsExt8) {
  entry({0xc7, 0x08, 0x00, 0x66, 0x68, 0x05, 0x24, 0, 0, 0, 5});
  EXPECT_EQ(time_of_only_entry(), (codec::EventTime{0x66680524, 5}));
}
TEST_F(Entries, KnowIntegerSeconds) {
  entry({0xce, 0x66, 0x68, 0x05, 0x24});
  EXPECT_EQ(time_of_only_entry(), (codec::EventTime{0x66680524, 0}));
}
TEST_F(Entries, KnowSecondsBefore1970) {
  entry({0xff});
  EXPECT_EQ(time_of_only_entry(), (codec::EventTime{-1, 0}));
}
TEST_F(Entries, KnowFloatSeconds) {
  codec::MsgpackWriter(bytes).array(2);
  writer.float64(-1.25);
  writer.map(0);
  EXPECT_EQ(time_of_only_entry(), (codec::EventTime{-2, 750'000'000}));
}
TEST_F(Entries, KnowTimeWithMetadata) {
  entry({0x92, 0xd7, 0x00, 0, 0, 0, 9, 0, 0, 0, 8, 0x81, 0xa1, 'k', 0x91, 0xa1, 'v'});
  EXPECT_EQ(time_of_only_entry(), (codec::EventTime{9, 8}));
}
TEST_F(Entries, WithoutATimeHappenedWhenTheyWereReceived) {
  const codec::EventTime received = codec::event_time_of(kReceived);
  const std::vector<std::vector<uint8_t>> none = {
      {0x00},
      {0xc0},
      {0xd7, 0x00, 0, 0, 0, 0, 0, 0, 0, 0},
      {0xcb, 0, 0, 0, 0, 0, 0, 0, 0},
      {0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0},              // NaN
      {0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0},  // far beyond the year 9999
      {0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0},
      {0x92, 0xc0, 0x80},
  };
  for (const auto& time : none) {
    bytes.clear();
    entry(time);
    EXPECT_EQ(time_of_only_entry(), received);
  }
}
TEST_F(Entries, HaveNanosecondsBelowOneSecond) {
  entry({0xd7, 0x00, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff});
  EXPECT_EQ(time_of_only_entry(), (codec::EventTime{1, 999'999'999}));
}

TEST_F(Entries, OfOtherThanTwoPartsAreRefused) {
  writer.array(3);
  writer.integer(1);
  writer.map(0);
  writer.map(0);
  EXPECT_EQ(refusal(), WalkError::not_an_entry);
  bytes.clear();
  writer.map(1);
  writer.integer(1);
  writer.map(0);
  EXPECT_EQ(refusal(), WalkError::not_an_entry);
}
TEST_F(Entries, WithAnUnknownTimeAreRefused) {
  const std::vector<std::vector<uint8_t>> bad = {
      {0xa1, '1'},                           // a string
      {0xd7, 0x01, 0, 0, 0, 0, 0, 0, 0, 0},  // ext of another type
      {0xd6, 0x00, 0, 0, 0, 0},              // codec::EventTime of another size
      {0x91, 0x01},                          // metadata is missing
      {0x92, 0x01, 0x90},                    // metadata is no map
      {0x92, 0x92, 0x01, 0x80, 0x80},        // a pair in a pair
      {0xc3}};
  for (const auto& time : bad) {
    bytes.clear();
    entry(time);
    EXPECT_EQ(refusal(), WalkError::bad_time);
  }
}
TEST_F(Entries, WhoseRecordIsNoMapAreRefused) {
  for (const uint8_t record : std::vector<uint8_t>{0x90, 0xc0, 0x01, 0xa0, 0xc4}) {
    bytes.clear();
    bytes.append(ByteView(std::vector<uint8_t>{0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 1, record, 0}));
    EXPECT_EQ(refusal(), WalkError::not_a_map);
  }
}
TEST_F(Entries, NestedToTheLimitPassAndBelowItAreRefused) {
  const auto nested = [this](uint32_t depth) {
    bytes.clear();
    writer.array(2);
    writer.integer(1);
    for (uint32_t i = 0; i < depth; ++i) {
      writer.map(1);
      writer.str("k");
    }
    writer.nil();
  };
  nested(codec::kNestingMax);
  EXPECT_TRUE(walk_entries(bytes.view()).has_value());
  nested(codec::kNestingMax + 1);
  EXPECT_EQ(refusal(), WalkError::too_deep);
  nested(10'000);
  EXPECT_EQ(refusal(), WalkError::too_deep);
}
TEST_F(Entries, CutShortAnywhereAreRefusedAsTruncated) {
  entry({0xd7, 0x00, 0, 0, 0, 1, 0, 0, 0, 1});
  for (size_t size = 1; size < bytes.size(); ++size) {
    const std::vector<uint8_t> cut(bytes.data(), bytes.data() + size);
    const auto walked = walk_entries(cut);
    ASSERT_FALSE(walked.has_value());
    EXPECT_EQ(walked.error(), WalkError::truncated) << size;
  }
}
TEST_F(Entries, WithBytesThatStartNothingAreRefused) {
  writer.array(2);
  writer.integer(1);
  writer.map(1);
  writer.str("k");
  bytes.push_back(0xc1);
  EXPECT_EQ(refusal(), WalkError::not_msgpack);
}

TEST(JsonEntries, AreReadBackAsTheyWereAppended) {
  Batch batch;
  batch.encoding = Encoding::json;
  batch.received_ns = kReceived;
  append_json_entry(batch.storage, {7, 8}, as_bytes("{}"));
  const std::string big = "{\"a\":\"" + std::string(100'000, 'x') + "\"}";
  append_json_entry(batch.storage, {0, 0}, as_bytes(big));
  append_json_entry(batch.storage, {-5, 0}, as_bytes("{\"b\":1}"));
  batch.entries_size = batch.storage.size();
  EXPECT_EQ(batch.entries_size,
            json_entry_size(2) + json_entry_size(big.size()) + json_entry_size(7));

  EntryReader reader(batch);
  EventView event;
  ASSERT_TRUE(reader.next(event));
  EXPECT_EQ(event.time, (codec::EventTime{7, 8}));
  EXPECT_EQ(as_text(event.record), "{}");
  ASSERT_TRUE(reader.next(event));
  EXPECT_EQ(event.time, codec::event_time_of(kReceived));
  EXPECT_EQ(as_text(event.record), big);
  EXPECT_EQ(event.entry.size(), json_entry_size(big.size()));
  ASSERT_TRUE(reader.next(event));
  EXPECT_EQ(as_text(event.record), "{\"b\":1}");
  EXPECT_FALSE(reader.next(event));
}

}  // namespace
}  // namespace penstock::record
