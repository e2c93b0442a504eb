#include "kinesis_format/request_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "codec/base64.h"

namespace penstock::kinesis_format {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<uint8_t> from_hex(std::string_view hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}
std::string to_hex(ByteView bytes) {
  std::string out;
  for (const uint8_t byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

// What a server makes of the body, data as text.
json read_body(const Request& request) {
  const ByteView body = request.body();
  if (request.protocol() == Protocol::cbor) {
    json read = json::from_cbor(body.begin(), body.end());
    for (json& record : read["Records"]) {
      const auto& data = record["Data"].get_binary();
      record["Data"] = std::string(data.begin(), data.end());
    }
    return read;
  }
  json read = json::parse(as_text(body));
  for (json& record : read["Records"]) {
    ByteBuffer data;
    EXPECT_TRUE(codec::decode_base64(data, as_bytes(record["Data"].get_ref<const std::string&>())));
    record["Data"] = std::string(as_text(data.view()));
  }
  return read;
}

RequestBuilder::Options named(Protocol protocol) {
  RequestBuilder::Options options;
  options.protocol = protocol;
  options.stream_name = "logs";
  return options;
}

AddOutcome add(RequestBuilder& builder, std::string_view data, const RecordKey& key = {"a", {}},
               uint64_t cookie = 0) {
  return builder.add_record(as_bytes(data), key, cookie);
}

TEST(RequestBuilder, SaysInCborWhatTheWorkedExampleSays) {
  RequestBuilder builder(named(Protocol::cbor));
  ASSERT_EQ(add(builder, "{\"m\":\"one\"}\n"), AddOutcome::added);
  const Request request = builder.take();

  EXPECT_EQ(to_hex(request.body()),
            "a26a53747265616d4e616d65646c6f6773675265636f7264739a00000001a264446174615a0000000c"
            "7b226d223a226f6e65227d0a6c506172746974696f6e4b65796161");
  // The AWS SDK's shortest and indefinite forms of the same request.
  const ByteView body = request.body();
  const json ours = json::from_cbor(body.begin(), body.end());
  EXPECT_EQ(ours,
            json::from_cbor(from_hex(
                "a26a53747265616d4e616d65646c6f6773675265636f72647381a264446174614c7b226d223a226f6e"
                "65227d0a6c506172746974696f6e4b65796161")));
  EXPECT_EQ(ours,
            json::from_cbor(from_hex(
                "bf6a53747265616d4e616d65646c6f6773675265636f7264739fbf64446174614c7b226d223a226f6e"
                "65227d0a6c506172746974696f6e4b65796161ffffff")));
  EXPECT_EQ(request.content_type(), "application/x-amz-cbor-1.1");
  EXPECT_EQ(request.target(), "Kinesis_20131202.PutRecords");
}

TEST(RequestBuilder, SaysInJsonWhatTheWorkedExampleSays) {
  RequestBuilder builder(named(Protocol::json));
  ASSERT_EQ(add(builder, "{\"m\":\"one\"}\n"), AddOutcome::added);
  ASSERT_EQ(add(builder, "{\"m\":\"two\"}\n", {"b", Uint128{0}}), AddOutcome::added);
  const Request request = builder.take();

  EXPECT_EQ(as_text(request.body()),
            R"({"StreamName":"logs","Records":[{"Data":"eyJtIjoib25lIn0K","PartitionKey":"a"},)"
            R"({"Data":"eyJtIjoidHdvIn0K","PartitionKey":"b","ExplicitHashKey":"0"}]})");
  EXPECT_EQ(request.content_type(), "application/x-amz-json-1.1");
}

TEST(RequestBuilder, NamesTheStreamByNameOrArnOrBoth) {
  for (const Protocol protocol : {Protocol::cbor, Protocol::json}) {
    RequestBuilder::Options options = named(protocol);
    options.stream_arn = "arn:aws:kinesis:us-east-1:111111111111:stream/logs";
    RequestBuilder both(options);
    ASSERT_EQ(add(both, "{}"), AddOutcome::added);
    json read = read_body(both.take());
    EXPECT_EQ(read["StreamName"], "logs");
    EXPECT_EQ(read["StreamARN"], options.stream_arn);

    options.stream_name.clear();
    RequestBuilder arn(options);
    ASSERT_EQ(add(arn, "{}"), AddOutcome::added);
    read = read_body(arn.take());
    EXPECT_FALSE(read.contains("StreamName"));
    EXPECT_EQ(read["StreamARN"], options.stream_arn);
  }
}

TEST(RequestBuilder, FillsAFirehoseRequestWithLines) {
  RequestBuilder::Options options;
  options.service = Service::firehose;
  options.stream_name = "delivery";
  options.line_feed = true;
  RequestBuilder builder(options);
  ASSERT_EQ(add(builder, R"({"m":"one"})"), AddOutcome::added);
  ASSERT_EQ(add(builder, "{\"m\":\"two\"}\n"), AddOutcome::added);
  const Request request = builder.take();
  EXPECT_EQ(as_text(request.body()),
            R"({"DeliveryStreamName":"delivery","Records":[{"Data":"eyJtIjoib25lIn0K"},)"
            R"({"Data":"eyJtIjoidHdvIn0K"}]})");
  EXPECT_EQ(request.target(), "Firehose_20150804.PutRecordBatch");
  EXPECT_EQ(request.counted_bytes(), 24u);
  EXPECT_EQ(builder.data_bytes_max({}), 1'024'000u - 1);
}

TEST(RequestBuilder, EncodesStraightIntoTheBodyAndForgetsWhatWasCancelled) {
  for (const Protocol protocol : {Protocol::cbor, Protocol::json}) {
    RequestBuilder builder(named(protocol));
    builder.begin_record().append("one");
    ASSERT_EQ(builder.end_record({"a", {}}, 1), AddOutcome::added);
    builder.begin_record().append("never");
    builder.cancel_record();
    builder.begin_record().append("two");
    ASSERT_EQ(builder.end_record({"b", Uint128{7}}, 2), AddOutcome::added);
    EXPECT_EQ(builder.record_count(), 2u);
    EXPECT_EQ(builder.counted_bytes(), 3u + 1 + 3 + 1 + 1);

    const Request request = builder.take();
    EXPECT_EQ(read_body(request),
              json::parse(R"({"StreamName":"logs","Records":[{"Data":"one","PartitionKey":"a"},
                              {"Data":"two","PartitionKey":"b","ExplicitHashKey":"7"}]})"));
    EXPECT_TRUE(builder.empty());
  }
}

TEST(RequestBuilder, GivesAFailedRecordBackForAnotherRequest) {
  for (const Protocol from : {Protocol::cbor, Protocol::json}) {
    for (const Protocol to : {Protocol::cbor, Protocol::json}) {
      RequestBuilder first(named(from));
      ASSERT_EQ(add(first, "one", {"key-one", {}}, 11), AddOutcome::added);
      ASSERT_EQ(add(first, std::string("t\0wo", 4), {"key-two", ~Uint128{0}}, 12),
                AddOutcome::added);
      const Request refused = first.take();
      EXPECT_EQ(refused.slots()[0].cookie, 11u);

      RequestBuilder second(named(to));
      ByteBuffer scratch;
      ASSERT_EQ(
          second.add_record(refused.data(1, scratch), refused.key(1), refused.slots()[1].cookie),
          AddOutcome::added);
      const Request again = second.take();
      EXPECT_EQ(as_text(again.data(0, scratch)), std::string_view("t\0wo", 4));
      EXPECT_EQ(again.key(0).partition_key, "key-two");
      EXPECT_EQ(again.key(0).explicit_hash_key, ~Uint128{0});
      EXPECT_EQ(again.slots()[0].cookie, 12u);
      EXPECT_EQ(read_body(again)["Records"][0]["ExplicitHashKey"],
                "340282366920938463463374607431768211455");
    }
  }
}

TEST(RequestBuilder, TakesKeysOfEveryLengthAndScript) {
  for (const Protocol protocol : {Protocol::cbor, Protocol::json}) {
    RequestBuilder builder(named(protocol));
    std::vector<std::string> keys = {"a",
                                     std::string(23, 'b'),
                                     std::string(24, 'c'),
                                     std::string(255, 'd'),
                                     std::string(256, 'e'),
                                     "\"\\\n"};
    std::string wide;
    for (int i = 0; i < 256; ++i) wide += "🎉";
    keys.push_back(wide);
    for (const std::string& key : keys) ASSERT_EQ(add(builder, "x", {key, {}}), AddOutcome::added);
    const json read = read_body(builder.take());
    for (size_t i = 0; i < keys.size(); ++i) {
      EXPECT_EQ(read["Records"][i]["PartitionKey"], keys[i]);
    }
  }
}

TEST(RequestBuilder, IsFullAtTheLargestNumberOfRecords) {
  RequestBuilder::Options options = named(Protocol::cbor);
  options.records_max = 100000;  // more than the service takes
  RequestBuilder builder(options);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(add(builder, "x"), AddOutcome::added);
  EXPECT_TRUE(builder.full());
  EXPECT_EQ(add(builder, "x"), AddOutcome::request_full);
  EXPECT_EQ(read_body(builder.take())["Records"].size(), 500u);
}

TEST(RequestBuilder, CutsARecordOffThatNoLongerFits) {
  for (const Protocol protocol : {Protocol::cbor, Protocol::json}) {
    RequestBuilder::Options options = named(protocol);
    options.request_bytes_max = 10_KiB;
    RequestBuilder builder(options);
    const std::string data(3000, 'x');
    for (int i = 0; i < 3; ++i) ASSERT_EQ(add(builder, data), AddOutcome::added);
    EXPECT_EQ(add(builder, data), AddOutcome::request_full);
    EXPECT_FALSE(builder.full());
    // 9 KiB may be counted: one KiB of margin. 213 bytes and the key's one are left.
    EXPECT_EQ(add(builder, std::string(213, 'y')), AddOutcome::request_full);
    EXPECT_EQ(add(builder, std::string(212, 'z')), AddOutcome::added);
    EXPECT_TRUE(builder.full());
    const Request request = builder.take();
    EXPECT_EQ(request.counted_bytes(), 9216u);
    EXPECT_EQ(read_body(request)["Records"].size(), 4u);
  }
}

TEST(RequestBuilder, CutsARecordOffThatIsTooLargeForAnyRequest) {
  for (const Protocol protocol : {Protocol::cbor, Protocol::json}) {
    RequestBuilder::Options options = named(protocol);
    options.record_bytes_max = 2000;
    RequestBuilder builder(options);
    ASSERT_EQ(add(builder, "before"), AddOutcome::added);
    EXPECT_EQ(builder.data_bytes_max({"key", Uint128{10}}), 1995u);
    EXPECT_EQ(add(builder, std::string(1996, 'x'), {"key", Uint128{10}}),
              AddOutcome::record_too_large);
    EXPECT_EQ(add(builder, std::string(1995, 'x'), {"key", Uint128{10}}), AddOutcome::added);
    EXPECT_EQ(read_body(builder.take())["Records"].size(), 2u);
  }
}

TEST(RequestBuilder, BoundsTheBodyItself) {
  RequestBuilder::Options options = named(Protocol::json);
  options.body_bytes_max = 4000;  // base64 of 3000 bytes is 4000
  RequestBuilder builder(options);
  EXPECT_EQ(add(builder, std::string(3000, 'x')), AddOutcome::record_too_large);
  ASSERT_EQ(add(builder, std::string(2000, 'x')), AddOutcome::added);
  EXPECT_EQ(add(builder, std::string(2000, 'x')), AddOutcome::request_full);
  EXPECT_LE(builder.take().body().size(), 4000u);
}

TEST(RequestBuilder, ReusesTheMemoryOfASpentRequest) {
  RequestBuilder builder(named(Protocol::cbor));
  ASSERT_EQ(add(builder, std::string(100000, 'x')), AddOutcome::added);
  Request spent = builder.take();
  const uint8_t* const memory = spent.body().data();
  builder.reuse(std::move(spent));
  ASSERT_EQ(add(builder, std::string(100000, 'y')), AddOutcome::added);
  const Request next = builder.take();
  EXPECT_EQ(next.body().data(), memory);
  EXPECT_EQ(read_body(next)["Records"][0]["Data"], std::string(100000, 'y'));
}

TEST(RequestBuilder, HoldsWhatWasAddedWhateverTheOrderOfThings) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    RequestBuilder::Options options = named(seed % 2 == 0 ? Protocol::cbor : Protocol::json);
    options.records_max = 1 + static_cast<uint32_t>(random() % 40);
    options.request_bytes_max = 3000 + random() % 20000;
    options.record_bytes_max = 100 + random() % 4000;
    RequestBuilder builder(options);
    json expected = json::array();
    for (int i = 0; i < 60; ++i) {
      const std::string data(random() % 5000, static_cast<char>('a' + i % 26));
      RecordKey key{"key", {}};
      if (random() % 2 == 0) key.explicit_hash_key = Uint128{random()} << (random() % 96);
      const size_t counted = data.size() + key_bytes(key);
      const size_t counted_before = builder.counted_bytes();
      const AddOutcome outcome = add(builder, data, key, static_cast<uint64_t>(i));
      const size_t request_max = options.request_bytes_max - 1024;
      if (counted > std::min(options.record_bytes_max, request_max)) {
        ASSERT_EQ(outcome, AddOutcome::record_too_large);
      } else if (expected.size() == options.records_max || counted_before + counted > request_max) {
        ASSERT_EQ(outcome, AddOutcome::request_full);
      } else {
        ASSERT_EQ(outcome, AddOutcome::added);
        json record = {{"Data", data}, {"PartitionKey", "key"}};
        if (key.explicit_hash_key) record["ExplicitHashKey"] = to_decimal(*key.explicit_hash_key);
        expected.push_back(record);
      }
    }
    if (builder.empty()) continue;
    const Request request = builder.take();
    ASSERT_LE(request.counted_bytes(), options.request_bytes_max - 1024);
    ASSERT_EQ(read_body(request)["Records"], expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace penstock::kinesis_format
