#include "protocol/http/json_body.h"
#include "base/test_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "record/event.h"

namespace penstock::protocol::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr codec::EventTime kTime{1'718'093'700, 7};

// front: bytes before the body.
Result<JsonBody, JsonBodyError> decode(std::string_view body, size_t bytes_max = 1_MiB,
                                       size_t front = 100) {
  ByteBuffer buffer;
  buffer.resize(front);
  buffer.append(body);
  JsonBodyDecoder decoder(std::move(buffer), front, {kTime, bytes_max});
  for (;;) {
    const auto progress = decoder.decode();
    if (!progress) return failure(progress.error());
    if (*progress == JsonBodyDecoder::Progress::done) return decoder.take();
    EXPECT_LE(decoder.wanted_bytes(), bytes_max);
    decoder.make_room();
  }
}

std::vector<std::string> objects_of(const record::Batch& batch) {
  std::vector<std::string> objects;
  record::EventView event;
  EXPECT_EQ(batch.encoding, record::Encoding::json);
  for (record::EntryReader reader(batch); reader.next(event);) {
    objects.emplace_back(as_text(event.record));
    EXPECT_EQ(event.time, kTime);
  }
  EXPECT_EQ(objects.size(), batch.event_count);
  return objects;
}
std::vector<std::string> events(std::string_view body) {
  const auto decoded = decode(body);
  if (!decoded) return {"error"};
  EXPECT_THAT(objects_of(decoded->malformed), IsEmpty());
  return objects_of(decoded->events);
}
std::vector<std::string> malformed(std::string_view body) {
  const auto decoded = decode(body);
  return decoded ? objects_of(decoded->malformed) : std::vector<std::string>{"error"};
}

TEST(JsonBody, TellsItsFormByTheFirstByte) {
  EXPECT_THAT(events(R"([{"a":1},{"b":2}])"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(events("{\"a\":1}\n{\"b\":2}"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(events("{\"a\":1}\r\n\r\n{\"b\":2}\r\n"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(events(R"({"a":1})"), ElementsAre(R"({"a":1})"));
  EXPECT_THAT(events("{\n  \"a\": 1\n}\n"), ElementsAre("{\n  \"a\": 1\n}"));
  EXPECT_THAT(events(R"({"a":1}{"b":2})"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(events(" \n[ {\"a\":1} ,\n{\"b\":2} ]\n"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(events("[{\"a\":1}]\n[{\"b\":2}]"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(events("\xef\xbb\xbf{\"a\":1}"), ElementsAre(R"({"a":1})"));
}

TEST(JsonBody, NothingInItIsNothingAndNoError) {
  EXPECT_THAT(events(""), IsEmpty());
  EXPECT_THAT(events(" \n"), IsEmpty());
  EXPECT_THAT(events("[]"), IsEmpty());
  EXPECT_THAT(events("[ ]\n"), IsEmpty());
}

TEST(JsonBody, PassesEachObjectOnByteByByte) {
  const std::string object =
      R"({"z":9007199254740993,"y":0.30000000000000004,"x":1e400,"w":1.0,"z":-0,"\u0061\/":"\ud800",)"
      R"("n":123456789012345678901234567890, "e":[ ] })";
  EXPECT_THAT(events("[" + object + "]"), ElementsAre(object));
  EXPECT_THAT(events(object), ElementsAre(object));
}

TEST(JsonBody, RepairsInvalidUtf8) {
  EXPECT_THAT(events("{\"a\":\"x\xff\xe2\x82y\"}"), ElementsAre("{\"a\":\"x\ufffd\ufffdy\"}"));
  EXPECT_THAT(events("[{\"\xc3\":1},{\"b\":2}]"), ElementsAre("{\"\ufffd\":1}", R"({"b":2})"));
}

TEST(JsonBody, ABadLineDoesNotRefuseItsNeighbours) {
  const std::string body =
      "{\"a\":1}\n"
      "{\"a\":tru}\n"
      "{\"cut\":\"off\n"
      "{\"comma\":1,\n"
      "[1,2]\n"
      "42\n"
      "text\n"
      "{\"b\":2} rest\n"
      "\x01\xff\n"
      "{\"c\":3}";
  const auto decoded = decode(body);
  ASSERT_TRUE(decoded);
  EXPECT_THAT(objects_of(decoded->events), ElementsAre(R"({"a":1})", R"({"b":2})", R"({"c":3})"));
  EXPECT_THAT(objects_of(decoded->malformed),
              ElementsAre(R"({"malformed":"{\"a\":tru}"})", R"({"malformed":"{\"cut\":\"off"})",
                          R"({"malformed":"{\"comma\":1,"})", R"({"malformed":"[1,2]"})",
                          R"({"malformed":"42"})", R"({"malformed":"text"})",
                          R"({"malformed":"rest"})", R"({"malformed_base64":"Af8="})"));
}

TEST(JsonBody, ABadElementDoesNotRefuseItsNeighbours) {
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  const auto decoded =
      decode(R"([{"a":1}, 7 ,{"b":tru,"x":"]}\""},[{}],null,{"deep":)" + deep + R"(},{"c":3}])");
  ASSERT_TRUE(decoded);
  EXPECT_THAT(objects_of(decoded->events), ElementsAre(R"({"a":1})", R"({"c":3})"));
  EXPECT_THAT(objects_of(decoded->malformed),
              ElementsAre(R"({"malformed":"7"})", R"({"malformed":"{\"b\":tru,\"x\":\"]}\\\"\"}"})",
                          R"({"malformed":"[{}]"})", R"({"malformed":"null"})",
                          "{\"malformed\":\"{\\\"deep\\\":" + deep + "}\"}"));
}

TEST(JsonBody, NestingIsTakenToSixtyFourLevelsOfTheObject) {
  std::string deepest = "1";
  for (int i = 0; i < 64; ++i) deepest = "{\"a\":" + deepest + "}";
  EXPECT_THAT(events("[" + deepest + "]"), ElementsAre(deepest));
  EXPECT_EQ(malformed("{}\n{\"a\":" + deepest + "}").size(), 1u);
}

TEST(JsonBody, WhatDoesNotParseAtAllIsAnError) {
  for (const std::string_view body :
       {"hello", "hello\nworld\n", "{", "{\"a\":1", "[{\"a\":1}", "[{\"a\":1},", "[",
        "[{\"a\":\"}]", "[{\"a\":1}{\"b\":2}", "\xff\xfe", "\x93\xa1\x61", "a=b&c=d", "}"}) {
    const auto decoded = decode(body);
    ASSERT_FALSE(decoded) << body;
    EXPECT_EQ(decoded.error(), JsonBodyError::not_json);
  }
  EXPECT_THAT(malformed("42"), ElementsAre(R"({"malformed":"42"})")) << "this one is JSON";
}

TEST(JsonBody, EntriesThatPassTheBoundAreRefused) {
  std::string body = "[";
  for (int i = 0; i < 1'000; ++i) body += "{},";
  body += "{}]";
  // The last entry is written while its object and the bracket are still there.
  constexpr size_t kNeeded = 1'001 * 18 + 1;
  EXPECT_TRUE(decode(body, kNeeded));
  for (const std::string& each :
       {body, std::string(2'002, '{'), "[" + std::string(9'000, '1') + "]"}) {
    const auto decoded = decode(each, each.size() + 100);
    ASSERT_FALSE(decoded);
  }
  EXPECT_EQ(decode(body, kNeeded - 1).error(), JsonBodyError::too_large);
}

TEST(JsonBody, ComesOutTheSameWithAnyRoomBeforeIt) {
  std::string lines;
  std::vector<std::string> objects;
  std::vector<std::string> bad;
  for (size_t i = 0; i < 300; ++i) {
    objects.push_back("{\"n\":" + std::to_string(i) + ",\"x\":\"" + std::string(i % 70, 'x') +
                      "\"}");
    lines += objects.back() + "\n";
    if (i % 9 == 0) {
      lines += "\xff{\"n\":" + std::to_string(i) + "\n";
      bad.emplace_back();
    }
    if (i % 7 == 0) {
      lines += "{\"a\":\"" + std::string(i % 20, '\xff') + "\"}\r\n";
      std::string repaired;
      for (size_t j = 0; j < i % 20; ++j) repaired += "\ufffd";
      objects.push_back("{\"a\":\"" + repaired + "\"}");
    }
  }
  for (const size_t front : {0, 1, 15, 16, 17, 500, 1'000, 20'000}) {
    const auto decoded = decode(lines, 1_MiB, front);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(objects_of(decoded->events), objects) << front;
    EXPECT_EQ(objects_of(decoded->malformed).size(), bad.size()) << front;
  }
}

TEST(JsonBody, KeepsNoMoreThanItsEntriesNeedForLong) {
  const auto decoded = decode(std::string(100'000, ' ') + "{\"a\":1}", 1_MiB, 10'000);
  ASSERT_TRUE(decoded);
  EXPECT_LE(decoded->events.storage.capacity(), 8_KiB);
}

TEST(JsonBody, EverySampleOfTheHttpOutputsComesThroughUnchanged) {
  for (const std::string folder : {"5.9-vector", "6.6-http"}) {
    for (const std::string kind : {"app", "infra", "journal", "events", "audit-k8s", "audit-linux",
                                   "audit-openshift", "audit-ovn"}) {
      std::ifstream file(test_data() + "/openshift/" + folder + "/" + kind + ".jsonl");
      std::vector<std::string> lines;
      std::string ndjson;
      std::string array;
      for (std::string line; std::getline(file, line);) {
        ndjson += line + "\n";
        array += (lines.empty() ? "[" : ",") + line;
        lines.push_back(line);
      }
      ASSERT_GE(lines.size(), 10u);
      EXPECT_EQ(events(ndjson), lines) << folder << " " << kind;
      EXPECT_EQ(events(array + "]"), lines) << folder << " " << kind;
    }
  }
}

}  // namespace
}  // namespace penstock::protocol::http
