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

// One slip costs nothing around it.
class MalformedEntries : public Entries {
 protected:
  // Between two events, the bytes are one entry set apart.
  void expect_set_apart(const std::vector<uint8_t>& entry_bytes) {
    bytes.clear();
    entry({0x01}, 1);
    bytes.append(entry_bytes);
    entry({0xd7, 0x00, 0, 0, 0, 1, 0, 0, 0, 1}, 2);
    const auto walked = walk_entries(bytes.view());
    ASSERT_TRUE(walked.has_value());
    EXPECT_EQ(walked->event_count, 2u);
    EXPECT_EQ(walked->malformed_count, 1u);
    EXPECT_EQ(walked->malformed_size, entry_bytes.size());
    EntryWalker walker(bytes.view());
    std::vector<EntryKind> kinds;
    EntryKind kind;
    for (ByteView found; walker.next(kind, found);) {
      kinds.push_back(kind);
      if (kind == EntryKind::malformed) {
        EXPECT_THAT(found, ::testing::ElementsAreArray(entry_bytes));
      }
    }
    EXPECT_THAT(kinds,
                ::testing::ElementsAre(EntryKind::event, EntryKind::malformed, EntryKind::event));
  }
};

TEST_F(MalformedEntries, OfOtherThanTwoParts) {
  expect_set_apart({0xc0});  // nil
  expect_set_apart({0x05});
  expect_set_apart({0xa2, 'h', 'i'});
  expect_set_apart({0x90});
  expect_set_apart({0x91, 0x01});
  expect_set_apart({0x93, 0x01, 0x80, 0x80});
  expect_set_apart({0x81, 0x01, 0x80});
  expect_set_apart({0xdd, 0x00, 0x00, 0x00, 0x01, 0x80});
}
TEST_F(MalformedEntries, WithATimeThatIsNone) {
  const std::vector<std::vector<uint8_t>> bad = {
      {0xa1, '1'},                           // a string
      {0xd7, 0x01, 0, 0, 0, 0, 0, 0, 0, 0},  // ext of another type
      {0xd6, 0x00, 0, 0, 0, 0},              // EventTime of another size
      {0x91, 0x01},                          // metadata is missing
      {0x92, 0x01, 0x90},                    // metadata is no map
      {0x92, 0x92, 0x01, 0x80, 0x80},        // a pair in a pair
      {0x93, 0x01, 0x80, 0x80},
      {0x80},
      {0xc3}};
  for (const auto& time : bad) {
    bytes.clear();
    entry(time);
    const std::vector<uint8_t> made(bytes.data(), bytes.data() + bytes.size());
    expect_set_apart(made);
  }
}
TEST_F(MalformedEntries, WhoseRecordIsNoMap) {
  for (const uint8_t record : std::vector<uint8_t>{0x90, 0xc0, 0x01, 0xa0}) {
    expect_set_apart({0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 1, record});
    expect_set_apart({0x92, 0x01, record});
    expect_set_apart({0x92, 0x92, 0x01, 0x80, record});
  }
}
TEST_F(MalformedEntries, NestedDeeperThanTheLimit) {
  const auto nested = [](uint32_t depth, std::vector<uint8_t> time) {
    std::vector<uint8_t> made{0x92};
    made.insert(made.end(), time.begin(), time.end());
    for (uint32_t i = 0; i < depth; ++i) made.insert(made.end(), {0x81, 0xa1, 'k'});
    made.push_back(0xc0);
    return made;
  };
  const std::vector<uint8_t> event_time{0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 1};
  for (const auto& time : {std::vector<uint8_t>{0x01}, event_time}) {
    EXPECT_EQ(walk_entries(nested(codec::kNestingMax, time))->event_count, 1u);
    expect_set_apart(nested(codec::kNestingMax + 1, time));
    expect_set_apart(nested(100'000, time));
  }
  std::vector<uint8_t> wide{0x92, 0x01};  // deep, with values behind the deepest on each level
  for (int i = 0; i < 80; ++i) wide.insert(wide.end(), {0x82, 0xa1, 'k'});
  wide.push_back(0xc0);
  for (int i = 0; i < 80; ++i) wide.insert(wide.end(), {0xa1, 'l', 0x93, 1, 2, 3});
  expect_set_apart(wide);
  std::vector<uint8_t> metadata{0x92, 0x92, 0x01};
  for (int i = 0; i < 70; ++i) metadata.insert(metadata.end(), {0x81, 0xa1, 'k'});
  metadata.insert(metadata.end(), {0xc0, 0x80});
  expect_set_apart(metadata);
}

// Fluent Bit since 5.0.5: [[-1, group's metadata], group's attributes], events, [[-2, {}], {}].
TEST_F(Entries, OfFluentBitsGroupsAreNoEvents) {
  const std::vector<uint8_t> open{0xd7, 0x00, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
  const std::vector<uint8_t> close{0xd7, 0x00, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0};
  const auto with_metadata = [](std::vector<uint8_t> time) {
    time.insert(time.begin(), 0x92);
    time.insert(time.end(), {0x81, 0xa1, 'k', 0xa1, 'v'});
    return time;
  };
  entry(with_metadata(open));
  entry(with_metadata({0xd7, 0x00, 0, 0, 0, 1, 0, 0, 0, 1}));
  entry(with_metadata(close));
  entry(open);
  entry(close);
  entry(with_metadata({0xff}));
  entry(with_metadata({0xfe}));
  const auto walked = walk_entries(bytes.view());
  ASSERT_TRUE(walked.has_value());
  EXPECT_EQ(walked->event_count, 1u);
  EXPECT_EQ(walked->marker_count, 6u);
  EXPECT_EQ(walked->malformed_count, 0u);
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
