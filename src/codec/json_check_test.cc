#include "codec/json_check.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace penstock::codec {
namespace {

struct Outcome {
  JsonFault fault;
  size_t end;
  bool operator==(const Outcome&) const = default;
};
void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << "fault " << static_cast<int>(outcome.fault) << " at " << outcome.end;
}

JsonChecked checked(std::string_view text, size_t* end = nullptr) {
  ByteBuffer buffer = ByteBuffer::copy_of(as_bytes(text));
  terminate(buffer);
  const JsonChecked result = check_json(buffer.data(), buffer.data() + buffer.size());
  if (end != nullptr) *end = static_cast<size_t>(result.end - buffer.data());
  return result;
}
Outcome check(std::string_view text) {
  size_t end = 0;
  const JsonFault fault = checked(text, &end).fault;
  return {fault, end};
}
Outcome whole(std::string_view text) { return {JsonFault::none, text.size()}; }

TEST(JsonCheck, TakesWhatRfc8259Allows) {
  for (const std::string_view text :
       {R"({})", R"([])", R"({"a":1})", R"([1,-2.5,3e7,4E-8,0,-0,0.1e+9])", R"("")", R"(true)",
        R"(false)", R"(null)", R"({"a":{"b":[{},[],"\"\\\/\b\f\n\r\t\u00e9\uD83D"]},"a":2})",
        "{ \"a\" :\t[ 1 ,\r\n2 ] }", R"(123456789012345678901234567890.5e999)",
        R"({"a":"a text that is longer than sixteen bytes, and \"escaped\" too"})",
        "\"\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""}) {
    EXPECT_EQ(check(text), whole(text)) << text;
    EXPECT_FALSE(checked(text).bad_utf8) << text;
  }
}

TEST(JsonCheck, LooksOnlyAtTheFirstValue) {
  EXPECT_EQ(check("{}{"), (Outcome{JsonFault::none, 2}));
  EXPECT_EQ(check("[1] x"), (Outcome{JsonFault::none, 3}));
  EXPECT_EQ(check("12,"), (Outcome{JsonFault::none, 2}));
}

TEST(JsonCheck, SaysWhereItStopsMakingSense) {
  using enum JsonFault;
  EXPECT_EQ(check("{\"a\":tru}"), (Outcome{syntax, 8}));
  EXPECT_EQ(check("{\"a\":1,}"), (Outcome{syntax, 7}));
  EXPECT_EQ(check("[1,]"), (Outcome{syntax, 3}));
  EXPECT_EQ(check("[1 2]"), (Outcome{syntax, 3}));
  EXPECT_EQ(check("{1:2}"), (Outcome{syntax, 1}));
  EXPECT_EQ(check("{\"a\" 1}"), (Outcome{syntax, 5}));
  EXPECT_EQ(check("{\"a\":01}"), (Outcome{syntax, 6}));
  EXPECT_EQ(check("[-]"), (Outcome{syntax, 2}));
  EXPECT_EQ(check("[1.]"), (Outcome{syntax, 3}));
  EXPECT_EQ(check("[.5]"), (Outcome{syntax, 1}));
  EXPECT_EQ(check("[1e]"), (Outcome{syntax, 3}));
  EXPECT_EQ(check("[+1]"), (Outcome{syntax, 1}));
  EXPECT_EQ(check("[NaN]"), (Outcome{syntax, 1}));
  EXPECT_EQ(check("[1}"), (Outcome{syntax, 2}));
  EXPECT_EQ(check("{\"a\":1]"), (Outcome{syntax, 6}));
  EXPECT_EQ(check("'a'"), (Outcome{syntax, 0}));
  EXPECT_EQ(check("\"a\nb\""), (Outcome{syntax, 2}));
  EXPECT_EQ(check("\"a\\x\""), (Outcome{syntax, 3}));
  EXPECT_EQ(check("\"\\u12g4\""), (Outcome{syntax, 5}));
  EXPECT_EQ(check("[\xc3\xa9]"), (Outcome{syntax, 1})) << "no text outside strings";
  EXPECT_EQ(check(std::string_view("[1,\0]", 5)), (Outcome{syntax, 3}));
}

TEST(JsonCheck, EveryPrefixOfAValueIsTruncated) {
  const std::string text =
      R"({"key":[true,false,null,-1.5e+3,"a\u00e9\n","0123456789abcdefghij"],"b":{"c":{}}})";
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(check(text.substr(0, size)), (Outcome{JsonFault::truncated, size}));
  }
}

TEST(JsonCheck, NestingEndsAtTheLimit) {
  const std::string deepest = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(check(deepest), whole(deepest));
  EXPECT_EQ(check("[" + deepest + "]"), (Outcome{JsonFault::too_deep, 64}));
  EXPECT_EQ(check(std::string(100'000, '[')).fault, JsonFault::too_deep);
  std::string objects = "1";
  for (int i = 0; i < 65; ++i) objects = "{\"a\":" + objects + "}";
  EXPECT_EQ(check(objects).fault, JsonFault::too_deep);
}

TEST(JsonCheck, InvalidUtf8InAStringIsNotedAndCanBeRepaired) {
  const auto repaired = [](std::string_view text) {
    ByteBuffer out;
    append_repaired_utf8(out, as_bytes(text));
    return std::string(as_text(out.view()));
  };
  EXPECT_TRUE(checked("{\"a\":\"\xff\"}").bad_utf8);
  EXPECT_TRUE(checked("{\"\xc3\":\"x\"}").bad_utf8);
  EXPECT_TRUE(checked("\"0123456789abcdef\xed\xa0\x80\"").bad_utf8);
  EXPECT_EQ(repaired("{\"a\":\"x\xffy\xe2\x82\"}"), "{\"a\":\"x\ufffdy\ufffd\"}");
  EXPECT_EQ(repaired("\xf0\x9f\x98\x80\xc3\xa9"), "\U0001f600\u00e9");
  EXPECT_EQ(repaired("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");
}

// Random damage to a record: the same verdict as nlohmann's parser.
TEST(JsonCheck, AgreesWithAnotherParserOnDamagedText) {
  const std::string good =
      R"({"a":[1,2.5e-3,{"b":null}],"message":"some text \"quoted\" \u0041, long enough","t":true})";
  constexpr std::string_view kBytes = "{}[]:,\"\\u0e.-+ tfn\n\x01x";
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (int changes = 0; changes < 2; ++changes) {
      const size_t at = random() % text.size();
      if (random() % 2 == 0) {
        text[at] = kBytes[random() % kBytes.size()];
      } else {
        text.erase(at, 1 + random() % 3);
      }
    }
    const bool ours = check(text) == whole(text);
    EXPECT_EQ(ours, nlohmann::json::accept(text)) << text;
    accepted += ours ? 1 : 0;
  }
  EXPECT_GT(accepted, 100);
}

TEST(JsonIndex, SaysOfEachContainerHowLongItIsAndHowManyItHolds) {
  ByteBuffer text = ByteBuffer::copy_of(as_bytes(R"({"a":[1,{}],"{":{"b":"]"}} [])"));
  terminate(text);
  JsonIndex index(5);
  const uint8_t* const end = text.data() + text.size();
  EXPECT_EQ(check_json(text.data(), end, index).end, end - 3);
  const JsonContainer* const first = index.first();
  ASSERT_NE(first, nullptr);
  const auto is = [&](size_t i, uint32_t size, uint32_t count) {
    return first[i].size == size && first[i].count == count;
  };
  EXPECT_TRUE(is(0, 26, 4));
  EXPECT_TRUE(is(1, 6, 2));
  EXPECT_TRUE(is(2, 2, 1));
  EXPECT_TRUE(is(3, 9, 1));
}

TEST(JsonIndex, ThereIsNoneOfTooManyContainersOrOfWhatIsNoJson) {
  for (const std::string_view json : {"[[],[],[]]", "[[[{}]]]", "[{}", "[{}}", "1", ""}) {
    ByteBuffer text = ByteBuffer::copy_of(as_bytes(json));
    terminate(text);
    JsonIndex index(3);
    const auto checked = check_json(text.data(), text.data() + text.size(), index);
    EXPECT_EQ(checked.fault, check(json).fault) << json;
    EXPECT_EQ(index.first(), nullptr) << json;
  }
}

}  // namespace
}  // namespace penstock::codec
