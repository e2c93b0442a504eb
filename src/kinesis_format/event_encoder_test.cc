#include "kinesis_format/event_encoder.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::kinesis_format {
namespace {

std::string hex(std::string_view text) {  // "82 a1 61" to bytes
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    while (text[i] == ' ') ++i;
    out += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return out;
}

struct EncoderTest : testing::Test {
  std::string encoded(const Inject& inject, const std::string& json_text, uint32_t index = 0) {
    batch.encoding = record::Encoding::json;
    const record::EventView event{.time = time, .record = as_bytes(json_text), .entry = {}};
    return run(inject, event, index);
  }
  std::string encoded_msgpack(const Inject& inject, const std::string& msgpack) {
    batch.encoding = record::Encoding::msgpack;
    const record::EventView event{.time = time, .record = as_bytes(msgpack), .entry = {}};
    return run(inject, event, 0);
  }
  std::string run(const Inject& inject, const record::EventView& event, uint32_t index) {
    const EventEncoder encoder(inject, form);
    ByteBuffer out = ByteBuffer::copy_of(as_bytes("{}"));
    EXPECT_EQ(encoder.append(out, batch, event, index), EncodeOutcome::done);
    const size_t size = out.size() - 2;
    EXPECT_EQ(encoder.append(out, batch, event, index, size), EncodeOutcome::done);
    EXPECT_EQ(encoder.append(out, batch, event, index, size - 1), EncodeOutcome::too_large);
    EXPECT_EQ(out.size(), 2 + 2 * size);
    return std::string(as_text(out.view().subspan(2, size)));
  }
  PayloadForm form;
  codec::EventTime time{1718093700, 279757487};
  record::Batch batch = [] {
    record::Batch made;
    made.tag = "app \"1\"";
    made.id = {.low = 0xff, .high = 0x0123456789abcdef};
    made.first_index = 4294967295;
    return made;
  }();
};

TEST_F(EncoderTest, AddsNothingUnlessAsked) {
  EXPECT_EQ(encoded({}, R"({"a":1} )"), R"({"a":1} )");
  EXPECT_EQ(encoded_msgpack({}, hex("81 a1 61 01")), R"({"a":1})");
}

TEST_F(EncoderTest, AddsTimeTagAndIdBehindTheLastField) {
  const Inject inject{.time = "@time", .tag = "@\"tag", .id = "@id"};
  const std::string fields = R"("@time":"2024-06-11T08:15:00.279757487Z","@\"tag":"app \"1\"",)"
                             R"("@id":"0123456789abcdef00000000000000ff-4294967296"})";
  EXPECT_EQ(encoded(inject, R"({"a":{}})", 1), R"({"a":{},)" + fields);
  EXPECT_EQ(encoded(inject, " \n{ \n} \n", 1), " \n{" + fields);
}

TEST_F(EncoderTest, PutsTheInjectedFieldLastBesideOneOfThatName) {
  EXPECT_EQ(encoded_msgpack({.time = "", .tag = "a", .id = ""}, hex("81 a1 61 01")),
            R"({"a":1,"a":"app \"1\""})");
  EXPECT_EQ(encoded_msgpack({.time = "", .tag = "a", .id = ""}, hex("80")), R"({"a":"app \"1\""})");
}

TEST_F(EncoderTest, AddsFixedFieldsToRecordsThatHaveNoneOfTheirOwn) {
  Inject inject{.time = "", .tag = "t", .id = ""};
  inject.fields = {{"cluster", "prod-1"}, {"a \"b\"", "c\n"}};
  const std::string both = R"("cluster":"prod-1","a \"b\"":"c\n","t":"app \"1\""})";
  EXPECT_EQ(encoded(inject, R"({"x":{"cluster":1}})"), R"({"x":{"cluster":1},)" + both);
  EXPECT_EQ(encoded_msgpack(inject, hex("80")), "{" + both);
  EXPECT_EQ(encoded(inject, R"({"cluster":null,"a \u0022b\"":2})"),
            R"({"cluster":null,"a \u0022b\"":2,"t":"app \"1\""})");
  inject.tag.clear();
  inject.fields.resize(1);
  const std::string own = "{\"cluster\":\"mine\"}";
  EXPECT_EQ(encoded(inject, own), own);
  EXPECT_EQ(encoded_msgpack(inject, hex("81 a7 636c7573746572 a1 6d")), R"({"cluster":"m"})");
}

TEST_F(EncoderTest, WritesTheTimeAsAsked) {
  Inject inject{.time = "t", .tag = "", .id = ""};
  const auto with = [&](std::string_view format) {
    inject.time_format = *codec::TimeFormat::parse(format);
    return encoded(inject, "{}");
  };
  EXPECT_EQ(with("unix"), R"({"t":1718093700})");
  EXPECT_EQ(with("unix_ms"), R"({"t":1718093700279})");
  EXPECT_EQ(with("%H \"%M\""), R"({"t":"08 \"15\""})");
}

TEST_F(EncoderTest, EndsWithALineFeedWhenAsked) {
  form.line_feed = true;
  EXPECT_EQ(encoded({}, R"({"a":1})"), "{\"a\":1}\n");
  EXPECT_EQ(encoded_msgpack({.time = "", .tag = "t", .id = ""}, hex("80")),
            "{\"t\":\"app \\\"1\\\"\"}\n");
}

TEST_F(EncoderTest, SendsTheTextOfOneField) {
  form.data_key = {"a", "b.c"};
  EXPECT_EQ(encoded({}, R"({"x":1,"a":{"b.c":"caf\u00e9\n\"!"}})"), "caf\u00e9\n\"!");
  EXPECT_EQ(encoded({}, R"({"a":{"b.c":1.50}})"), "1.50");
  EXPECT_EQ(encoded({}, R"({"a":{"b.c":false}})"), "false");
  EXPECT_EQ(encoded_msgpack({}, hex("81 a1 61 81 a3 622e63 a2 ff0a")), "\xff\n");
  EXPECT_EQ(encoded_msgpack({}, hex("81 a1 61 81 a3 622e63 cb 3ff0000000000000")), "1.0");
  EXPECT_EQ(encoded_msgpack({}, hex("81 a1 61 81 a3 622e63 cf ffffffffffffffff")),
            "18446744073709551615");
  EXPECT_EQ(encoded_msgpack({}, hex("81 a1 61 81 a3 622e63 c3")), "true");
  form.line_feed = true;
  EXPECT_EQ(encoded({}, R"({"a":{"b.c":"text"}})"), "text\n");
}

TEST_F(EncoderTest, TakesTheWholeRecordOfMsgpackForOneField) {
  form.data_key = {"a"};
  const std::string records = hex("82 a1 61 a1 62 a1 63 01 80");
  batch.encoding = record::Encoding::msgpack;
  const record::EventView event{.time = time, .record = as_bytes(records), .entry = {}};
  ByteBuffer out;
  size_t consumed = 0;
  EXPECT_EQ(EventEncoder({}, form).append(out, batch, event, 0, kNoLimit, &consumed),
            EncodeOutcome::done);
  EXPECT_EQ(consumed, records.size() - 1);
}

TEST_F(EncoderTest, SaysWhereThereIsNoTextToSend) {
  form.data_key = {"a"};
  const EventEncoder encoder({}, form);
  const auto has = [&](const std::string& json) {
    batch.encoding = record::Encoding::json;
    const record::EventView event{.time = time, .record = as_bytes(json), .entry = {}};
    ByteBuffer out;
    const bool done = encoder.append(out, batch, event, 0) == EncodeOutcome::done;
    EXPECT_EQ(done, encoder.has_payload(batch, event)) << json;
    EXPECT_TRUE(done || out.empty()) << json;
    return done;
  };
  EXPECT_TRUE(has(R"({"a":""})"));
  for (const std::string json :
       {"{}", R"({"b":"a"})", R"({"a":null})", R"({"a":["x"]})", R"({"a":{"a":"x"}})"}) {
    EXPECT_FALSE(has(json)) << json;
  }
}

TEST_F(EncoderTest, ShortensATextBetweenCharacters) {
  form = {.data_key = {"a"}, .line_feed = true};
  const EventEncoder encoder({}, form);
  const auto shortened = [&](std::string_view text, size_t bytes_max) {
    ByteBuffer out;
    const bool done = encoder.append_shortened(out, as_bytes(text), bytes_max);
    EXPECT_EQ(done, !out.empty());
    return std::string(as_text(out.view()));
  };
  EXPECT_EQ(shortened("abcdef", 4), "abc\n");
  EXPECT_EQ(shortened("ab\u00e9", 4), "ab\n");
  EXPECT_EQ(shortened("ab\u00e9", 5), "ab\u00e9\n");
  EXPECT_EQ(shortened("\u00e9", 2), "");
  EXPECT_EQ(shortened("a", 0), "");
}

}  // namespace
}  // namespace penstock::kinesis_format
