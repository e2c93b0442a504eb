#include "kinesis_format/event_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "kinesis_format/openshift_samples.h"

namespace penstock::kinesis_format {
namespace {

using namespace std::string_literals;

ByteView bytes_of(const std::vector<uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

std::string hex(std::string_view text) {  // "82 a1 61" to bytes
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    while (text[i] == ' ') ++i;
    out += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return out;
}

std::string json_of(ByteView msgpack) {
  ByteBuffer out;
  size_t consumed = 0;
  const EncodeOutcome outcome = append_event_json(out, msgpack, kNoLimit, &consumed);
  if (outcome != EncodeOutcome::done) {
    EXPECT_TRUE(out.empty());
    return outcome == EncodeOutcome::malformed ? "malformed" : "too_large";
  }
  EXPECT_EQ(consumed, msgpack.size());
  return std::string(as_text(out.view()));
}
std::string json_of(const std::string& msgpack) { return json_of(as_bytes(msgpack)); }

TEST(EventJson, WritesEachScalarTheWayTheContractSays) {
  EXPECT_EQ(json_of(hex("80")), "{}");
  EXPECT_EQ(json_of(hex("82 a1 62 01 a1 61 02")), R"({"b":1,"a":2})");
  EXPECT_EQ(json_of(hex("82 a1 61 01 a1 61 02")), R"({"a":1,"a":2})");
  EXPECT_EQ(json_of(hex("83 a1 61 c0 a1 62 c2 a1 63 c3")), R"({"a":null,"b":false,"c":true})");
  EXPECT_EQ(json_of(hex("82 a1 61 cf ffffffffffffffff a1 62 d3 8000000000000000")),
            R"({"a":18446744073709551615,"b":-9223372036854775808})");
  EXPECT_EQ(json_of(hex("83 a1 61 e0 a1 62 d0 80 a1 63 d1 8000")),
            R"({"a":-32,"b":-128,"c":-32768})");
  EXPECT_EQ(json_of(hex("82 a1 61 cb 3ff0000000000000 a1 62 ca 3f800000")), R"({"a":1.0,"b":1.0})");
  EXPECT_EQ(json_of(hex("82 a1 61 cb 7ff8000000000000 a1 62 ca ff800000")),
            R"({"a":null,"b":null})");
}

TEST(EventJson, NestsMapsAndArrays) {
  EXPECT_EQ(json_of(hex("82 a1 61 93 01 90 80 a1 62 81 a1 63 92 c0 91 c3")),
            R"({"a":[1,[],{}],"b":{"c":[null,[true]]}})");
  EXPECT_EQ(json_of(hex("de0001 a1 61 dc0001 df00000001 a1 62 dd00000000")), R"({"a":[{"b":[]}]})");
}

TEST(EventJson, WritesBinAsTextWhenItIsTextElseAsBase64) {
  EXPECT_EQ(json_of(hex("81 a1 61 c4 03 e282ac")), R"({"a":"€"})");
  EXPECT_EQ(json_of(hex("81 a1 61 c4 03 220a5c")), R"({"a":"\"\n\\"})");
  EXPECT_EQ(json_of(hex("81 a1 61 c4 04 e282 0aff")), R"({"a":"4oIK/w=="})");
  EXPECT_EQ(json_of(hex("81 a1 61 c4 00")), R"({"a":""})");
  const std::string long_text(70000, 'x');
  EXPECT_EQ(json_of(hex("81 a1 61 c6 00011170") + long_text), "{\"a\":\"" + long_text + "\"}");
}

TEST(EventJson, WritesTimesAsRfc3339AndOtherExtensionsAsObjects) {
  EXPECT_EQ(json_of(hex("81 a1 61 d7 00 666806a4 10accc9f")),
            R"({"a":"2024-06-11T08:11:16.279760031Z"})");
  EXPECT_EQ(json_of(hex("81 a1 61 d6 ff 666806a4")), R"({"a":"2024-06-11T08:11:16.000000000Z"})");
  EXPECT_EQ(json_of(hex("81 a1 61 d7 ff 00000004 666806a4")),
            R"({"a":"2024-06-11T08:11:16.000000001Z"})");
  EXPECT_EQ(json_of(hex("81 a1 61 c7 0c ff 3b9ac9ff ffffffffffffffff")),
            R"({"a":"1969-12-31T23:59:59.999999999Z"})");
  EXPECT_EQ(json_of(hex("81 a1 61 d4 05 00")), R"({"a":{"ext":5,"base64":"AA=="}})");
  EXPECT_EQ(json_of(hex("81 a1 61 c7 00 80")), R"({"a":{"ext":-128,"base64":""}})");
  // A second of 10^9 nanoseconds, and the year 292277026596: no time, but nothing is lost.
  EXPECT_EQ(json_of(hex("81 a1 61 d7 00 00000000 3b9aca00")),
            R"({"a":{"ext":0,"base64":"AAAAADuaygA="}})");
  EXPECT_EQ(json_of(hex("81 a1 61 c7 0c ff 00000000 7fffffffffffffff")),
            R"({"a":{"ext":-1,"base64":"AAAAAH//////////"}})");
}

TEST(EventJson, WritesOtherKeysAsTheirJsonText) {
  EXPECT_EQ(json_of(hex("85 01 00 c0 00 c3 00 ff 00 cb 3ff8000000000000 00")),
            R"({"1":0,"null":0,"true":0,"-1":0,"1.5":0})");
  EXPECT_EQ(json_of(hex("82 c4 01 6b 00 c4 01 ff 00")), R"({"k":0,"/w==":0})");
  EXPECT_EQ(json_of(hex("81 d6 ff 00000000 00")), R"({"1970-01-01T00:00:00.000000000Z":0})");
  EXPECT_EQ(json_of(hex("81 82 a1 61 91 a1 22 01 02 00")), R"({"{\"a\":[\"\\\"\"],\"1\":2}":0})");
}

TEST(EventJson, BoundsWhatMapsAsKeysOfMapsCanAskFor) {
  std::string nested;
  for (int i = 0; i < 60; ++i) nested += hex("81");
  nested += hex("a1 22 00");
  for (int i = 0; i < 59; ++i) nested += hex("00");
  const std::string json = json_of(nested);
  EXPECT_LT(json.size(), 1000u);
  EXPECT_TRUE(nlohmann::json::accept(json)) << json;
}

TEST(EventJson, RefusesWhatIsNotAWholeMapAndLeavesTheBufferAlone) {
  const std::string whole =
      hex("86 a1 61 93 01 90 80 a1 62 81 a1 63 92 c0 91 c3 a1 64 c4 02 ffff a1 65 d7 00 00000000"
          "00000000 a1 66 cb 3ff0000000000000 01 d9 03 616263");
  ASSERT_NE(json_of(whole), "malformed");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(json_of(whole.substr(0, size)), "malformed") << size;
  }
  EXPECT_EQ(json_of(hex("90")), "malformed");
  EXPECT_EQ(json_of(hex("81 a1 61 c1")), "malformed");
  EXPECT_EQ(json_of(hex("81 c1 00")), "malformed");
  EXPECT_EQ(json_of(hex("81 a1 61 dd ffffffff 00")), "malformed");
  EXPECT_EQ(json_of(hex("81 a1 61") + std::string(200, '\x91') + hex("c0")), "malformed");
  EXPECT_EQ(json_of(hex("81 a1 61") + std::string(63, '\x91') + hex("c0")),
            "{\"a\":" + std::string(63, '[') + "null" + std::string(63, ']') + "}");
}

TEST(EventJson, StopsAtTheLimitAndLeavesTheBufferAlone) {
  for (const OrderedJson& record :
       {OrderedJson::parse(R"({"message":"a\nb\u0001 and some more text","n":[1,2.5,{"a":[]}]})"),
        OrderedJson::parse(R"({"1":[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]})")}) {
    const std::vector<uint8_t> msgpack = OrderedJson::to_msgpack(record);
    const std::string text = record.dump();
    for (size_t limit = 0; limit < text.size() + 10; ++limit) {
      ByteBuffer out = ByteBuffer::copy_of(as_bytes("kept"));
      const EncodeOutcome outcome = append_event_json(out, bytes_of(msgpack), limit);
      ByteBuffer tight(limit);
      ASSERT_EQ(append_event_json(tight, bytes_of(msgpack), limit), outcome) << limit;
      if (limit < text.size()) {
        ASSERT_EQ(outcome, EncodeOutcome::too_large) << limit;
        ASSERT_EQ(as_text(out.view()), "kept");
      } else {
        ASSERT_EQ(outcome, EncodeOutcome::done) << limit;
        ASSERT_EQ(as_text(out.view()), "kept" + text);
      }
    }
  }
}

TEST(EventJson, GivesEverySampleRecordBackAsItWas) {
  const std::vector<OrderedJson> samples = read_all_samples();
  ASSERT_GT(samples.size(), 300u);
  for (const OrderedJson& record : samples) {
    const std::vector<uint8_t> msgpack = OrderedJson::to_msgpack(record);
    ASSERT_EQ(json_of(bytes_of(msgpack)), record.dump());
  }
}

// Random records, held against another implementation's reading of the same msgpack.
class RandomRecord {
 public:
  explicit RandomRecord(uint32_t seed) : random_(seed) {}

  OrderedJson map(int depth) {
    OrderedJson record = OrderedJson::object();
    for (size_t i = pick(9); i > 0; --i) record[text()] = value(depth);
    return record;
  }

 private:
  size_t pick(size_t below) { return random_() % below; }
  OrderedJson value(int depth) {
    switch (pick(depth > 0 ? 9 : 7)) {
      case 0:
        return nullptr;
      case 1:
        return pick(2) == 0;
      case 2:
        return static_cast<uint64_t>(random_()) >> pick(64);
      case 3:
        return static_cast<int64_t>(random_()) >> pick(64);
      case 4:
        return static_cast<double>(static_cast<int64_t>(random_())) / 1e9;
      case 5:
      case 6:
        return text();
      case 7:
        return map(depth - 1);
      default: {
        OrderedJson array = OrderedJson::array();
        for (size_t i = pick(20); i > 0; --i) array.push_back(value(depth - 1));
        return array;
      }
    }
  }
  std::string text() {
    static const char* const kPieces[] = {
        "kubernetes", "\"", "\\",
        "\n",         "é",  "🎉",
        "\x02",       "/",  "a considerably longer piece of plain text, "};
    std::string out;
    const size_t pieces = pick(50) == 0 ? 900 : pick(6);
    for (size_t i = 0; i < pieces; ++i) out += kPieces[pick(std::size(kPieces))];
    return out;
  }

  std::mt19937_64 random_;
};

TEST(EventJson, AgreesWithAnotherImplementationOnRandomRecords) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    const OrderedJson record = RandomRecord(seed).map(5);
    const std::vector<uint8_t> msgpack = OrderedJson::to_msgpack(record);
    const std::string json = json_of(bytes_of(msgpack));
    ASSERT_EQ(OrderedJson::parse(json), OrderedJson::from_msgpack(msgpack)) << "seed " << seed;
  }
}

// ---- JSON objects passed on ----

std::string passed_on(const std::string& json) {
  ByteBuffer out = ByteBuffer::copy_of(as_bytes(">"));
  EXPECT_EQ(append_json_object(out, as_bytes(json)), EncodeOutcome::done);
  return std::string(as_text(out.view().subspan(1)));
}

TEST(JsonObject, IsPassedOnByteForByte) {
  for (const std::string& json : {"{}"s, R"({ "a" : 1.10, "a":1e5, "b":"\/\u00e9é" })"s,
                                  "{\"a\":\n\t\"" + std::string(500, 'x') + "日本\"}"}) {
    EXPECT_EQ(passed_on(json), json);
  }
}

TEST(JsonObject, GetsReplacementsForInvalidUtf8) {
  EXPECT_EQ(passed_on("{\"a\":\"\xff\xe2\x82 ok \xc3\xa9\"}"),
            "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd ok \xc3\xa9\"}");
  ByteBuffer out = ByteBuffer::copy_of(as_bytes("kept"));
  EXPECT_EQ(append_json_object(out, as_bytes("{\"a\":\"\xff\xff\xff\"}"), 12),
            EncodeOutcome::too_large);
  EXPECT_EQ(as_text(out.view()), "kept");
}

}  // namespace
}  // namespace penstock::kinesis_format
