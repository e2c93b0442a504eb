#include "kinesis_format/oversize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "kinesis_format/read/split_joiner.h"
#include "kinesis_format/split_marker.h"

namespace penstock::kinesis_format {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::string_view kId = "0123456789abcdef0123456789abcdef-17";

std::vector<std::string> parts_of(const std::string& event, size_t part_bytes_max) {
  std::vector<std::string> parts;
  const auto splitter = Splitter::plan(as_bytes(event), part_bytes_max, kId);
  if (!splitter) return parts;
  for (uint32_t i = 0; i < splitter->part_count(); ++i) {
    ByteBuffer part;
    splitter->append_part(part, i);
    EXPECT_LE(part.size(), part_bytes_max);
    parts.emplace_back(as_text(part.view()));
  }
  return parts;
}

struct Joined {
  std::vector<std::string> events;
  std::vector<std::string> notes;
  SplitJoiner joiner;

  explicit Joined(size_t bytes_max = 256_MiB)
      : joiner(
            [this](ByteView event, const std::string& note) {
              events.emplace_back(as_text(event));
              notes.push_back(note);
            },
            bytes_max) {}
  bool add(const std::string& part, const std::string& note = {}) {
    return joiner.add(as_bytes(part), note);
  }
};

std::string joined(const std::vector<std::string>& parts) {
  Joined joined;
  for (const std::string& part : parts) EXPECT_TRUE(joined.add(part));
  EXPECT_THAT(joined.events, SizeIs(1));
  return joined.events.empty() ? "" : joined.events[0];
}

TEST(Split, RepeatsTheOtherFieldsAroundEachPieceOfTheLargestText) {
  const std::string event =
      R"({"message":")" + std::string(3000, 'm') + R"(","kubernetes":{"pod_name":"web-1"}})";
  const std::vector<std::string> parts = parts_of(event, 1500);
  ASSERT_THAT(parts, SizeIs(3));
  std::string message;
  for (size_t i = 0; i < parts.size(); ++i) {
    const json part = json::parse(parts[i]);
    EXPECT_EQ(part["kubernetes"]["pod_name"], "web-1");
    EXPECT_EQ(part["penstock"]["split"]["id"], kId);
    EXPECT_EQ(part["penstock"]["split"]["index"], i);
    EXPECT_EQ(part["penstock"]["split"]["count"], 3);
    EXPECT_EQ(part["penstock"]["split"]["bytes"], event.size());
    message += part["message"];
  }
  EXPECT_EQ(message, std::string(3000, 'm'));
  EXPECT_EQ(joined(parts), event);
}

TEST(Split, CutsTheTextOfTheEventWhereNoFieldIsLargeEnough) {
  std::string event = "{";
  for (int i = 0; i < 300; ++i) event += "\"field \\\" " + std::to_string(i) + "\":[1,\"é\"],";
  event.back() = '}';
  const std::vector<std::string> parts = parts_of(event, 1000);
  ASSERT_GT(parts.size(), 5u);
  std::string text;
  for (const std::string& part : parts) {
    text += json::parse(part)["penstock"]["split"]["text"].get<std::string>();
  }
  EXPECT_EQ(text, event);
  EXPECT_EQ(joined(parts), event);
}

TEST(Split, CutsBetweenCharactersAndEscapesNeverInside) {
  for (const std::string unit : {"é", "日", "🎉", "\\n", "\\\\", "\\u00e9", "\\ud83c\\udf89"}) {
    for (const char* before : {"", "x", "xx", "xxx"}) {
      std::string event = std::string("{\"m\":\"") + before;
      while (event.size() < 4000) event += unit;
      event += "\" }\n";
      const std::vector<std::string> parts = parts_of(event, 1000);
      ASSERT_GT(parts.size(), 3u);
      for (const std::string& part : parts) ASSERT_TRUE(json::accept(part)) << part;
      ASSERT_EQ(joined(parts), event);
    }
  }
}

TEST(Split, GivesNothingWhereAPartCouldHoldNothing) {
  EXPECT_THAT(parts_of(R"({"m":")" + std::string(3000, 'm') + "\"}", 250), SizeIs(0));
}

std::string random_event(std::mt19937& random) {
  const char* const pieces[] = {"plain text ", "é", "🎉", "\n", "\"", "\\", "\x01", "0123456789"};
  json event = json::object();
  for (size_t i = random() % 6; i > 0; --i) {
    std::string text;
    const size_t count = random() % 4 == 0 ? 2000 : random() % 20;
    for (size_t k = count; k > 0; --k) text += pieces[random() % std::size(pieces)];
    json value = text;
    if (random() % 3 == 0) value = json{{"nested", json::array({1, text, nullptr})}};
    event["field" + std::to_string(random() % 50) + (random() % 2 == 0 ? "\"" : "")] = value;
  }
  return event.dump(random() % 2 == 0 ? 2 : -1);
}

TEST(Split, ComesTogetherAgainByteForByteWhateverTheOrder) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    const std::string event = random_event(random);
    std::vector<std::string> parts = parts_of(event, 500 + random() % 3000);
    ASSERT_GE(parts.size(), 2u);
    for (const std::string& part : parts) ASSERT_TRUE(json::accept(part));
    std::shuffle(parts.begin(), parts.end(), random);
    parts.insert(parts.begin(), parts.back());  // and one of them twice
    ASSERT_EQ(joined(parts), event) << "seed " << seed;
  }
}

TEST(Truncate, CutsTheLongestTextsToTheSameLengthAndSaysSo) {
  const std::string event = R"({"a":")" + std::string(5000, 'a') + R"(","b":")" +
                            std::string(3000, 'b') + R"(","c":"short","n":1})";
  ByteBuffer out;
  ASSERT_TRUE(append_truncated(out, as_bytes(event), 1000));
  EXPECT_LE(out.size(), 1000u);
  EXPECT_GT(out.size(), 970u);
  const json read = json::parse(as_text(out.view()));
  EXPECT_EQ(read["a"].get<std::string>().size(), read["b"].get<std::string>().size());
  EXPECT_EQ(read["c"], "short");
  EXPECT_EQ(read["n"], 1);
  EXPECT_EQ(read["penstock"]["truncated"]["bytes"], 8000 - 2 * read["a"].get<std::string>().size());
}

TEST(Truncate, LeavesWholeCharactersAndFitsWhateverTheEvent) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    const std::string event = random_event(random);
    ByteBuffer out = ByteBuffer::copy_of(as_bytes("kept"));
    const size_t limit = random() % 4000;
    const bool done = append_truncated(out, as_bytes(event), limit);
    if (!done) {
      ASSERT_EQ(as_text(out.view()), "kept");
      continue;
    }
    ASSERT_LE(out.size() - 4, limit);
    ASSERT_TRUE(json::accept(as_text(out.view().subspan(4)))) << as_text(out.view());
  }
}

TEST(Truncate, RefusesAnEventWhoseStructureAloneIsTooLarge) {
  std::string event = "{";
  for (int i = 0; i < 300; ++i) event += "\"field " + std::to_string(i) + "\":1,";
  event.back() = '}';
  ByteBuffer out;
  EXPECT_FALSE(append_truncated(out, as_bytes(event), 1000));
}

struct JoinerTest : testing::Test {
  std::string event = R"({"message":")" + std::string(3000, 'm') + R"("})";
  std::vector<std::string> parts = parts_of(event, 1500);
};

TEST_F(JoinerTest, LeavesRecordsAloneThatAreNoParts) {
  Joined joined;
  for (const std::string& record : std::initializer_list<std::string>{
           "", "{}", "not json", R"({"penstock":{"split":{"id":"ab","index":0}}})",
           R"({"a":1,"penstock":{"split":{"id":"ab","index":0,"count":2,"bytes":9,"hash":"0",)"
           R"("prefix":900,"suffix":0}}})",
           R"({"a":1,"penstock":{"split":{"id":"AB","index":0,"count":2,"bytes":9,"hash":"0",)"
           R"("prefix":1,"suffix":0}}})",
           parts[0] + "x", parts[0].substr(1)}) {
    if (record == parts[0].substr(1)) continue;  // has the layout; only its checksum will tell
    EXPECT_FALSE(joined.add(record)) << record;
  }
  EXPECT_THAT(joined.events, SizeIs(0));
}

TEST_F(JoinerTest, GivesIncompleteEventsOutAsTheyCame) {
  Joined joined;
  EXPECT_TRUE(joined.add(parts[0], "first"));
  EXPECT_TRUE(joined.add(parts[2], "third"));
  EXPECT_EQ(joined.joiner.incomplete_count(), 1u);
  joined.joiner.flush();
  EXPECT_THAT(joined.events, ElementsAre(parts[0], parts[2]));
  EXPECT_THAT(joined.notes, ElementsAre("first", "third"));
}

TEST_F(JoinerTest, GivesPartsOutThatDoNotMakeTheWholeTheyPromise) {
  std::string forged = parts[1];
  forged[forged.find("mmm")] = 'X';
  Joined joined;
  EXPECT_TRUE(joined.add(parts[0]));
  EXPECT_TRUE(joined.add(forged));
  EXPECT_TRUE(joined.add(parts[2]));
  EXPECT_THAT(joined.events, ElementsAre(parts[0], forged, parts[2]));
  EXPECT_EQ(joined.joiner.incomplete_count(), 0u);
}

// The limit changed in between, and the number of parts is the same.
TEST_F(JoinerTest, JoinsTheRightPartsOfAnEventThatWasCutTwice) {
  const std::vector<std::string> cut_before = parts_of(event, 1600);
  ASSERT_THAT(cut_before, SizeIs(parts.size()));
  ASSERT_NE(cut_before[0], parts[0]);
  for (size_t before = 1; before < parts.size(); ++before) {
    Joined joined;
    for (size_t i = 0; i < before; ++i) EXPECT_TRUE(joined.add(cut_before[i]));
    for (const std::string& part : parts) EXPECT_TRUE(joined.add(part));
    EXPECT_THAT(joined.events, ElementsAre(event)) << before;
    EXPECT_EQ(joined.joiner.incomplete_count(), 0u);
  }
  Joined late;
  for (const std::string& part : {parts[0], cut_before[0], parts[1], parts[2]}) {
    EXPECT_TRUE(late.add(part));
  }
  EXPECT_THAT(late.events, ElementsAre(event));
  Joined never;
  for (const std::string& part : {parts[0], cut_before[0], parts[2]}) EXPECT_TRUE(never.add(part));
  never.joiner.flush();
  EXPECT_THAT(never.events, ElementsAre(parts[0], cut_before[0], parts[2]));
}

TEST_F(JoinerTest, JoinsAnEventAgainThatWasSentAgain) {
  Joined joined;
  for (int round = 0; round < 2; ++round) {
    for (const std::string& part : parts) EXPECT_TRUE(joined.add(part, std::to_string(round)));
  }
  EXPECT_THAT(joined.events, ElementsAre(event, event));
  EXPECT_THAT(joined.notes, ElementsAre("0", "1"));
}

TEST_F(JoinerTest, KeepsItsMemoryByGivingUpTheOldest) {
  Joined joined(4000);
  const auto other = Splitter::plan(as_bytes(event), 1500, "ff-1");
  EXPECT_TRUE(joined.add(parts[0]));
  for (uint32_t i = 0; i < other->part_count(); ++i) {
    ByteBuffer part;
    other->append_part(part, i);
    EXPECT_TRUE(joined.add(std::string(as_text(part.view()))));
  }
  EXPECT_THAT(joined.events, ElementsAre(parts[0], event));
}

}  // namespace
}  // namespace penstock::kinesis_format
