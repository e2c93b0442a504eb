#include "protocol/otlp/logs.h"
#include "base/test_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "protocol/otlp/logs_response.h"
#include "protocol/otlp/protobuf_writer.h"
#include "record/event.h"

namespace penstock::protocol::otlp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

const LogsOptions kOptions{{1'700'000'000, 1}, 16_MiB};

struct Decoded {
  std::vector<std::string> events;
  std::vector<codec::EventTime> times;
  std::vector<std::string> malformed;
  std::optional<LogsError> error;
};

std::vector<std::string> objects_of(const record::Batch& batch,
                                    std::vector<codec::EventTime>* times = nullptr) {
  std::vector<std::string> objects;
  record::EventView event;
  for (record::EntryReader reader(batch); reader.next(event);) {
    objects.emplace_back(as_text(event.record));
    if (times != nullptr) times->push_back(event.time);
  }
  EXPECT_EQ(objects.size(), batch.event_count);
  return objects;
}

Decoded decoded(const Result<Logs, LogsError>& logs) {
  Decoded result;
  if (!logs) {
    result.error = logs.error();
    return result;
  }
  result.events = objects_of(logs->events, &result.times);
  result.malformed = objects_of(logs->malformed);
  return result;
}
Decoded from_json(std::string_view body, const LogsOptions& options = kOptions) {
  ByteBuffer buffer = ByteBuffer::copy_of(as_bytes(body));
  Decoded result = decoded(decode_logs_json(buffer, options));
  // A bound that leaves no room for an index of the body makes no difference.
  const Decoded unindexed = decoded(decode_logs_json(buffer, {options.received, body.size()}));
  if (unindexed.error != LogsError::too_large) {
    EXPECT_EQ(unindexed.events, result.events);
    EXPECT_EQ(unindexed.malformed, result.malformed);
    EXPECT_EQ(unindexed.error, result.error);
  }
  return result;
}
Decoded from_protobuf(std::string_view body, const LogsOptions& options = kOptions) {
  return decoded(decode_logs_protobuf(as_bytes(body), options));
}

// A body around one log record.
std::string around(const std::string& record, const std::string& resource = "{}") {
  return R"({"resourceLogs":[{"resource":)" + resource + R"(,"scopeLogs":[{"logRecords":[)" +
         record + "]}]}]}";
}

TEST(OtlpLogs, ARecordIsOneObjectWithItsResourceAndScope) {
  const Decoded decoded = from_json(R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{
      "timeUnixNano":"1718093987667056511","observedTimeUnixNano":1718093989367056526,
      "severityNumber":17,"severityText":"ERROR","eventName":"e","body":{"stringValue":"a\nb"},
      "attributes":[{"key":"log.iostream","value":{"stringValue":"stderr"}}],
      "droppedAttributesCount":2,"flags":1,"traceId":"5b8efff798038103d269b633813fc60c",
      "spanId":"eee19b7ec3c1b174"}],
      "scope":{"name":"lib","version":"1","attributes":[{"key":"x","value":{"boolValue":true}}]},
      "schemaUrl":"s2"}],
      "schemaUrl":"s1",
      "resource":{"attributes":[{"key":"k8s.pod.name","value":{"stringValue":"web"}}],
                  "droppedAttributesCount":3}}]})");
  EXPECT_THAT(
      decoded.events,
      ElementsAre(
          R"({"resource":{"k8s.pod.name":"web"},"resource_dropped_attributes_count":3,)"
          R"("resource_schema_url":"s1",)"
          R"("scope":{"name":"lib","version":"1","attributes":{"x":true},"schema_url":"s2"},)"
          R"("timestamp":"2024-06-11T08:19:47.667056511Z",)"
          R"("observed_timestamp":"2024-06-11T08:19:49.367056526Z",)"
          R"("severity_number":17,"severity_text":"ERROR","event_name":"e",)"
          R"("trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174",)"
          R"("flags":1,"attributes":{"log.iostream":"stderr"},"dropped_attributes_count":2,)"
          R"("body":"a\nb"})"));
  EXPECT_THAT(decoded.times, ElementsAre(codec::EventTime{1'718'093'987, 667'056'511}));
}

TEST(OtlpLogs, TheSameFromProtobufInAnyOrderOfFields) {
  using Writer = ProtobufWriter;
  Writer record;
  record.bytes(6, Writer().bytes(1, "a").bytes(2, Writer().bytes(1, "x").str()).str());
  record.fixed64(11, 1'718'093'989'367'056'526).bytes(5, Writer().varint(3, 5).str());
  record.bytes(9, "\x5b\x8e").bytes(10, "\xee").fixed32(8, 1).varint(7, 2).bytes(12, "e");
  record.bytes(3, "ERROR").varint(2, 17).varint(99, 1);
  record.bytes(6, Writer().bytes(1, "b").str());
  Writer scope;
  scope.varint(4, 4).bytes(1, "lib").bytes(2, "1");
  Writer resource_logs;
  resource_logs.bytes(3, "s1");
  resource_logs.bytes(2,
                      Writer().bytes(2, record.str()).bytes(3, "s2").bytes(1, scope.str()).str());
  resource_logs.bytes(1, Writer().attributes(1, Json::parse(R"([{"key":"k","value":{}}])")).str());
  const Decoded decoded = from_protobuf(Writer().bytes(1, resource_logs.str()).str());
  EXPECT_THAT(decoded.events,
              ElementsAre(R"({"resource":{"k":null},"resource_schema_url":"s1",)"
                          R"("scope":{"name":"lib","version":"1","dropped_attributes_count":4,)"
                          R"("schema_url":"s2"},)"
                          R"("observed_timestamp":"2024-06-11T08:19:49.367056526Z",)"
                          R"("severity_number":17,"severity_text":"ERROR","event_name":"e",)"
                          R"("trace_id":"5b8e","span_id":"ee","flags":1,)"
                          R"("attributes":{"a":"x","b":null},"dropped_attributes_count":2,)"
                          R"("body":5})"));
  EXPECT_THAT(decoded.times, ElementsAre(codec::EventTime{1'718'093'989, 367'056'526}));
}

TEST(OtlpLogs, AnEmptyScopeIsNone) {
  for (const char* scope :
       {"{}", "null", R"({"name":"","version":"","attributes":[]})", R"({"unknown":1})"}) {
    const std::string body = std::string(R"({"resourceLogs":[{"scopeLogs":[{"scope":)") + scope +
                             R"(,"logRecords":[{"severityText":"INFO"}]}]}]})";
    EXPECT_THAT(from_json(body).events, ElementsAre(R"({"severity_text":"INFO"})")) << scope;
  }
  const std::string unknown = ProtobufWriter().varint(99, 1).str();
  const std::string record = ProtobufWriter().bytes(3, "INFO").str();
  const std::string scope_logs = ProtobufWriter().bytes(1, unknown).bytes(2, record).str();
  const std::string body =
      ProtobufWriter().bytes(1, ProtobufWriter().bytes(2, scope_logs).str()).str();
  EXPECT_THAT(from_protobuf(body).events, ElementsAre(R"({"severity_text":"INFO"})"));
}

TEST(OtlpLogs, ValuesKeepTheirTypes) {
  const std::string values =
      R"({"body":{"kvlistValue":{"values":[)"
      R"({"key":"s","value":{"stringValue":"1"}},{"key":"t","value":{"boolValue":false}},)"
      R"({"key":"i","value":{"intValue":"-9007199254740993"}},{"key":"j","value":{"intValue":7}},)"
      R"({"key":"d","value":{"doubleValue":2.5}},)"
      R"({"key":"a","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":1},{}]}}},)"
      R"({"key":"e","value":{"arrayValue":{"values":[]}}},)"
      R"({"key":"m","value":{"kvlistValue":{"values":[{"key":"n","value":null}]}}},)"
      R"({"key":"s","value":{"stringValue":"twice"}},{"key":"q\"\u0041","value":{"stringValue":null}}]}}})";
  const std::string expected =
      R"({"body":{"s":"1","t":false,"i":-9007199254740993,"j":7,"d":2.5,"a":["x",1,null],"e":[],)"
      R"("m":{"n":null},"s":"twice",)";
  EXPECT_THAT(from_json(around(values)).events, ElementsAre(expected + R"("q\"\u0041":null}})"));
  EXPECT_THAT(from_protobuf(ProtobufWriter::request(Json::parse(around(values)))).events,
              ElementsAre(expected + R"("q\"A":null}})"));
}

// The usual pair is read at once, and any other by its members: the outcome is the same.
TEST(OtlpLogs, PairsThatAreNearlyTheUsualOneAreReadByTheirMembers) {
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {R"({"key":"k","value":{"stringValue":"v"}})", R"("k":"v")"},
      {R"({"key":"k","value":{"stringValue":""}})", R"("k":"")"},
      {R"({"key":"","value":{"stringValue":"v"}})", R"("":"v")"},
      {R"({"key":"k\"","value":{"stringValue":"\\"}})", R"("k\"":"\\")"},
      {R"({"key":"k","value":{"stringValue":"}}"}})", R"("k":"}}")"},
      {R"({"key":"k","value":{"stringValue":"v"} })", R"("k":"v")"},
      {R"({"key":"k","value":{"stringValue":"v","intValue":1}})", R"("k":"v")"},
      {R"({"key":"k","value":{"stringValue":"v"},"key":"l"})", R"("l":"v")"},
      {R"({"key":"k","value":{"stringValue":"v"},"value":{"intValue":1}})", R"("k":1)"},
      {R"({"key":"k","value":{"stringValue":null}})", R"("k":null)"},
      {R"({"key":"k","value":{"stringValue":7}})", R"("k":7)"},
      {R"({"key":"k"})", R"("k":null)"},
      {R"({"key":")" + std::string(70, 'k') + R"(","value":{"stringValue":")" +
           std::string(130, 'v') + R"("}})",
       '"' + std::string(70, 'k') + R"(":")" + std::string(130, 'v') + '"'},
  };
  for (const auto& [pair, member] : pairs) {
    EXPECT_THAT(from_json(around(R"({"attributes":[)" + pair + "]}")).events,
                ElementsAre(R"({"attributes":{)" + member + "}}"));
  }
}

TEST(OtlpLogs, BytesAndSpecialFloats) {
  const auto any = [](const ProtobufWriter& value) {
    ProtobufWriter request;
    request.bytes(
        1,
        ProtobufWriter()
            .bytes(2, ProtobufWriter().bytes(2, ProtobufWriter().bytes(5, value.str()).str()).str())
            .str());
    return request.str();
  };
  EXPECT_THAT(from_protobuf(any(ProtobufWriter().bytes(7, std::string("\0\xff", 2)))).events,
              ElementsAre(R"({"body":"AP8="})"));
  EXPECT_THAT(from_protobuf(any(ProtobufWriter().fixed64(4, 0x7ff8000000000000))).events,
              ElementsAre(R"({"body":null})"));
  EXPECT_THAT(from_protobuf(any(ProtobufWriter().fixed64(4, 0x3ff0000000000000))).events,
              ElementsAre(R"({"body":1.0})"));
  EXPECT_THAT(from_protobuf(any(ProtobufWriter().bytes(1, "a").varint(2, 1))).events,
              ElementsAre(R"({"body":true})"))
      << "the last of several";
  EXPECT_THAT(from_protobuf(any(ProtobufWriter().bytes(1, "x\xff"))).events,
              ElementsAre("{\"body\":\"x\ufffd\"}"));
  EXPECT_THAT(from_json(around(R"({"body":{"doubleValue":"NaN"}},{"body":{"doubleValue":"2.5"}},)"
                               R"({"body":{"bytesValue":"AP8="}})"))
                  .events,
              ElementsAre(R"({"body":null})", R"({"body":2.5})", R"({"body":"AP8="})"));
}

TEST(OtlpLogs, WhatCollectorsMakeOfItIsTaken) {
  EXPECT_THAT(from_json(around(R"({"flags":"01","severityNumber":0,"body":{"stringValue":null}},)"
                               R"({"flags":"1f"},{"flags":"xyz"},{"flags":""},{"flags":0})"))
                  .events,
              ElementsAre(R"({"severity_number":0,"flags":1,"body":null})", R"({"flags":31})",
                          R"({"flags":"xyz"})", "{}", "{}"));
  EXPECT_THAT(from_json(R"({"resource_logs":[{"resource":null,"scope_logs":[{"log_records":[)"
                        R"({"time_unix_nano":1,"severity_text":"x","trace_id":""}]}]}]})")
                  .events,
              ElementsAre(R"({"timestamp":"1970-01-01T00:00:00.000000001Z","severity_text":"x"})"));
  EXPECT_THAT(from_json(around(R"({"timeUnixNano":"2024-06-11T08:19:47Z","body":"plain",)"
                               R"("attributes":null,"unknown":[1]},{"timeUnixNano":null})"))
                  .events,
              ElementsAre(R"({"timestamp":"2024-06-11T08:19:47Z","body":"plain"})", "{}"));
  EXPECT_THAT(from_json(around(R"({"attributes":[{"key":"a","value":{"intValue":"007"}},)"
                               R"({"key":"b","value":{"arrayValue":[{"intValue":"-0"}]}}]})"))
                  .events,
              ElementsAre(R"({"attributes":{"a":"007","b":[-0]}})"));
  EXPECT_THAT(from_json(" { } ").events, IsEmpty());
  EXPECT_THAT(from_json(R"({"resourceLogs":null})").events, IsEmpty());
  EXPECT_THAT(from_protobuf("").events, IsEmpty());
}

TEST(OtlpLogs, TimesWithoutACountAreWhenItWasReceived) {
  EXPECT_THAT(from_json(around("{}")).times, ElementsAre(kOptions.received));
  EXPECT_THAT(from_json(around(R"({"timeUnixNano":"0"})")).times, ElementsAre(kOptions.received));
  EXPECT_THAT(from_json(around(R"({"timeUnixNano":"2024-06-11T08:19:47Z"})")).times,
              ElementsAre(codec::EventTime{1'718'093'987, 0}));
}

TEST(OtlpLogs, RepairsUtf8InJson) {
  EXPECT_THAT(from_json(around("{\"body\":{\"stringValue\":\"x\xff\"}}")).events,
              ElementsAre("{\"body\":\"x\ufffd\"}"));
}

TEST(OtlpLogs, ABrokenRecordDoesNotRefuseItsNeighbours) {
  const Decoded json = from_json(around(R"({"body":{"intValue":1}},7,{"attributes":[1]},)"
                                        R"({"attributes":[{"value":{}}]},{"body":[1]},)"
                                        R"({"severityText":{}},{"body":{"intValue":2}})"));
  EXPECT_THAT(json.events, ElementsAre(R"({"body":1})", R"({"body":2})"));
  EXPECT_THAT(json.malformed, SizeIs(5));
  EXPECT_EQ(json.malformed.at(1), R"({"malformed":"{\"attributes\":[1]}"})");

  ProtobufWriter scope;
  scope.bytes(2, ProtobufWriter().varint(2, 1).str()).bytes(2, "\x0a\xff").bytes(2, "");
  ProtobufWriter request;
  request.bytes(1, ProtobufWriter().bytes(2, scope.str()).str());
  const Decoded protobuf = from_protobuf(request.str());
  EXPECT_THAT(protobuf.events, ElementsAre(R"({"severity_number":1})", "{}"));
  EXPECT_THAT(protobuf.malformed, ElementsAre(R"({"malformed_base64":"Cv8="})"));
}

TEST(OtlpLogs, NestingIsTakenToSixtyFourLevelsOfTheRecord) {
  const auto nested = [](int levels) {
    std::string value = R"({"intValue":1})";
    for (int i = 0; i < levels; ++i) {
      value = R"({"kvlistValue":{"values":[{"key":"k","value":)" + value + "}]}}";
    }
    return around(R"({"body":)" + value + "}");
  };
  EXPECT_THAT(from_json(nested(63)).events, SizeIs(1));
  EXPECT_THAT(from_json(nested(64)).malformed, SizeIs(1));
  EXPECT_THAT(from_protobuf(ProtobufWriter::request(Json::parse(nested(63)))).events, SizeIs(1));
  EXPECT_THAT(from_protobuf(ProtobufWriter::request(Json::parse(nested(64)))).malformed, SizeIs(1));
  EXPECT_EQ(from_json(nested(2'000)).error, LogsError::not_otlp);
  EXPECT_THAT(from_protobuf(ProtobufWriter::request(Json::parse(nested(2'000)))).malformed,
              SizeIs(1));
}

TEST(OtlpLogs, WhatIsNoRequestIsAnError) {
  for (const std::string_view body :
       {"", "[]", "{", "{}{}", "hello", R"({"resourceLogs":{}})", R"({"resourceLogs":[1]})",
        R"({"resourceLogs":[{"scopeLogs":[{"logRecords":7}]}]})",
        R"({"resourceLogs":[{"resource":{"attributes":7}}]})"}) {
    EXPECT_EQ(from_json(body).error, LogsError::not_otlp) << body;
  }
  for (const std::string_view body :
       {"{}", "\x0a", "\x0a\x05", "\xff\xff\xff\xff\xff\xff", "\x0b", "\x0a\x02\x12\x7f"}) {
    EXPECT_EQ(from_protobuf(body).error, LogsError::not_otlp) << body;
  }
}

// Success would be said where nothing was kept.
TEST(OtlpLogs, ABodyWithoutLogsIsAnErrorThatSaysWhatItIs) {
  for (const std::string_view body : {R"({"message":"hello"})", R"({"logs":[{"body":"x"}]})"}) {
    EXPECT_EQ(from_json(body).error, LogsError::no_logs) << body;
  }
  for (const std::string_view body :
       {R"({"ResourceLogs":[{}]})", R"({"RESOURCE_LOGS":[]})", R"({"resourcelogs":[]})"}) {
    EXPECT_EQ(from_json(body).error, LogsError::name_case) << body;
  }
  for (const std::string_view body : {R"({"resourceSpans":[{}]})", R"({"resource_metrics":[]})"}) {
    EXPECT_EQ(from_json(body).error, LogsError::other_signal) << body;
  }
  EXPECT_EQ(from_protobuf(ProtobufWriter().varint(7, 1).str()).error, LogsError::no_logs);
  // Span {trace_id = 1, span_id = 2, name = 5}, Metric {name = 1, …}: the same envelopes.
  for (const std::string& record :
       {ProtobufWriter().bytes(1, std::string(16, 'x')).bytes(2, "12345678").bytes(5, "GET").str(),
        ProtobufWriter().bytes(1, "requests").bytes(3, "1").str()}) {
    const std::string scope = ProtobufWriter().bytes(2, record).str();
    const std::string body =
        ProtobufWriter().bytes(1, ProtobufWriter().bytes(2, scope).str()).str();
    EXPECT_EQ(from_protobuf(body).error, LogsError::other_signal);
  }
}

TEST(OtlpLogs, WhatIsNoLogRecordWhereOneShouldBeIsSetApart) {
  for (const std::string resource :
       {R"({"resource":{},"ScopeLogs":[{"logRecords":[{"body":"x"}]}]})",
        R"({"scopeLogs":[{"LogRecords":[{"body":"x"}]}]})", R"({"scopeSpans":[{"spans":[{}]}]})",
        R"({"message":"hello"})"}) {
    const Decoded decoded = from_json(R"({"resourceLogs":[)" + resource + "," +
                                      R"({"scopeLogs":[{"logRecords":[{"severityText":"x"}]}]}]})");
    EXPECT_THAT(decoded.events, ElementsAre(R"({"severity_text":"x"})")) << resource;
    ASSERT_THAT(decoded.malformed, SizeIs(1)) << resource;
    EXPECT_EQ(Json::parse(decoded.malformed[0])["malformed"], resource);
  }
  EXPECT_THAT(from_json(around(R"({"Body":"x"},{"SeverityText":"y"})")).malformed, SizeIs(2));
  EXPECT_THAT(from_json(around(R"({"Body":"x","severityText":"y"})")).events, SizeIs(1))
      << "unknown members beside known ones are passed over";
  for (const std::string_view empty :
       {R"({"resourceLogs":[]})", R"({"resourceLogs":[{}]})",
        R"({"resourceLogs":[{"scopeLogs":[]}]})",
        R"({"resourceLogs":[{"resource":{"attributes":[]},"scopeLogs":[{"logRecords":[]}]}]})"}) {
    const Decoded decoded = from_json(empty);
    EXPECT_FALSE(decoded.error.has_value()) << empty;
    EXPECT_THAT(decoded.malformed, IsEmpty()) << empty;
  }
  const std::string record = ProtobufWriter().bytes(3, "x").str();
  const std::string scope = ProtobufWriter().bytes(12, record).str();
  const std::string body = ProtobufWriter().bytes(1, ProtobufWriter().bytes(2, scope).str()).str();
  EXPECT_THAT(from_protobuf(body).malformed, SizeIs(1));
}

TEST(OtlpLogs, InstrumentationLibrariesAreTheScopesOfOld) {
  const std::string expected = R"({"scope":{"name":"lib"},"severity_text":"x"})";
  EXPECT_THAT(
      from_json(R"({"resourceLogs":[{"instrumentationLibraryLogs":[)"
                R"({"instrumentationLibrary":{"name":"lib"},"logs":[{"severityText":"x"}]}]}]})")
          .events,
      ElementsAre(expected));
  EXPECT_THAT(from_json(R"({"resourceLogs":[{"scopeLogs":[{"scope":{"name":"lib"},"logRecords":[)"
                        R"({"severityText":"x"}]}],"instrumentationLibraryLogs":[]}]})")
                  .events,
              ElementsAre(expected));
  const std::string record = ProtobufWriter().bytes(3, "x").str();
  const std::string library = ProtobufWriter().bytes(1, "lib").str();
  const std::string scope = ProtobufWriter().bytes(1, library).bytes(2, record).str();
  for (const uint32_t number : {2u, 1000u}) {
    const std::string body =
        ProtobufWriter().bytes(1, ProtobufWriter().bytes(number, scope).str()).str();
    EXPECT_THAT(from_protobuf(body).events, ElementsAre(expected));
  }
}

TEST(OtlpLogs, ALongResourceCannotGrowBeyondTheBound) {
  std::string records = "{}";
  for (int i = 0; i < 1'000; ++i) records += ",{}";
  const std::string body = around(records, R"({"attributes":[{"key":"k","value":{"stringValue":")" +
                                               std::string(10'000, 'x') + R"("}}]})");
  EXPECT_THAT(from_json(body).events, SizeIs(1'001));
  EXPECT_EQ(from_json(body, {{}, 1_MiB}).error, LogsError::too_large);
  EXPECT_EQ(from_protobuf(ProtobufWriter::request(Json::parse(body)), {{}, 1_MiB}).error,
            LogsError::too_large);
}

// What doc/otlp.md says, done with a tree.
Json plain(const Json& value) {
  if (!value.is_object() || value.empty()) return nullptr;
  const Json& inner = value.begin().value();
  if (value.contains("intValue") && inner.is_string()) return std::stoll(inner.get<std::string>());
  if (value.contains("arrayValue")) {
    Json list = Json::array();
    for (const Json& item : inner["values"]) list.push_back(plain(item));
    return list;
  }
  return inner;
}

TEST(OtlpLogs, EverySampleComesThroughFieldByFieldInBothEncodings) {
  size_t count = 0;
  for (const std::string kind : {"app", "infra", "journal", "events", "audit-k8s", "audit-linux",
                                 "audit-openshift", "audit-ovn"}) {
    std::ifstream file(test_data() + "/openshift/6.6-otlp/" + kind + ".jsonl");
    for (std::string line; std::getline(file, line);) {
      const Json body = Json::parse(line);
      const Decoded json = from_json(line);
      const Decoded protobuf = from_protobuf(ProtobufWriter::request(body));
      size_t at = 0;
      for (const Json& resource_logs : body["resourceLogs"]) {
        for (const Json& record : resource_logs["scopeLogs"][0]["logRecords"]) {
          ASSERT_LT(at, json.events.size());
          const Json object = Json::parse(json.events[at]);
          EXPECT_EQ(object, Json::parse(protobuf.events.at(at))) << kind;
          for (const Json& pair : resource_logs["resource"]["attributes"]) {
            EXPECT_EQ(object["resource"][pair["key"].get<std::string>()], plain(pair["value"]));
          }
          for (const Json& pair : record["attributes"]) {
            EXPECT_EQ(object["attributes"][pair["key"].get<std::string>()], plain(pair["value"]));
          }
          EXPECT_EQ(object["body"], plain(record["body"]));
          EXPECT_EQ(object.value("severity_text", ""), record.value("severityText", ""));
          const uint64_t time = std::stoull(record["timeUnixNano"].get<std::string>());
          EXPECT_EQ(json.times[at].seconds, static_cast<int64_t>(time / 1'000'000'000));
          EXPECT_EQ(json.times[at].nanoseconds, time % 1'000'000'000);
          ++at;
        }
      }
      EXPECT_EQ(at, json.events.size());
      count += at;
    }
  }
  EXPECT_GT(count, 80u);
}

TEST(OtlpLogsResponse, TellsAPartialSuccess) {
  EXPECT_EQ(success_body(LogsEncoding::json, 0), "{}");
  EXPECT_EQ(success_body(LogsEncoding::protobuf, 0), "");
  EXPECT_EQ(
      Json::parse(success_body(LogsEncoding::json, 3))["partialSuccess"]["rejectedLogRecords"],
      "3");
  const std::string body = success_body(LogsEncoding::protobuf, 300);
  EXPECT_EQ(body.substr(0, 1), "\x0a");
  EXPECT_EQ(static_cast<size_t>(body[1]), body.size() - 2);
  EXPECT_EQ(body.substr(2, 4), "\x08\xac\x02\x12");
  const Json none = Json::parse(success_body(LogsEncoding::json, 0, true))["partialSuccess"];
  EXPECT_EQ(none["rejectedLogRecords"], "0");
  EXPECT_NE(none["errorMessage"], "");
  EXPECT_EQ(success_body(LogsEncoding::protobuf, 0, true).substr(2, 1), "\x12");
  EXPECT_EQ(Json::parse(error_body(LogsEncoding::json, "a \"b\""))["message"], "a \"b\"");
  EXPECT_EQ(error_body(LogsEncoding::protobuf, "no"), "\x12\x02no");
}

}  // namespace
}  // namespace penstock::protocol::otlp
