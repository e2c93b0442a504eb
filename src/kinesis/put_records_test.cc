#include "kinesis/put_records.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "kinesis/error_code.h"

namespace penstock::kinesis {
namespace {

using nlohmann::json;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kThrottleText =
    "Rate exceeded for shard shardId-000000000001 in stream logs under account 111111111111.";

net::HttpResponse answer_of(int status, std::string_view content_type, ByteView body) {
  net::HttpResponse response;
  response.status = status;
  response.content_type = content_type;
  response.body = ByteBuffer::copy_of(body);
  response.written = net::RequestWritten::all;
  return response;
}
net::HttpResponse json_answer(int status, const std::string& body) {
  return answer_of(status, "application/x-amz-json-1.1", as_bytes(body));
}
net::HttpResponse cbor_answer(int status, const json& value) {
  return answer_of(status, "application/x-amz-cbor-1.1", json::to_cbor(value));
}

PutAnswer read(const net::HttpResponse& response, size_t record_count) {
  PutAnswerReader reader;
  PutAnswer answer;
  reader.read(response, record_count, answer);
  return answer;
}

json partial_failure() {
  return {{"FailedRecordCount", 1},
          {"Records",
           {{{"SequenceNumber", "49543463076548007577105092703039560359975228518395012686"},
             {"ShardId", "shardId-000000000000"}},
            {{"ErrorCode", "ProvisionedThroughputExceededException"},
             {"ErrorMessage", kThrottleText}}}}};
}

void expect_partial_failure(const PutAnswer& answer) {
  EXPECT_EQ(answer.error, PutError::none);
  ASSERT_EQ(answer.entries.size(), 2u);
  EXPECT_EQ(answer.entries[0].outcome, EntryOutcome::accepted);
  EXPECT_EQ(answer.entries[0].shard, 0u);
  EXPECT_EQ(answer.entries[1].outcome, EntryOutcome::throttled);
  EXPECT_EQ(answer.entries[1].shard, 1u);
  EXPECT_EQ(answer.failed, 1u);
  EXPECT_EQ(answer.code, "ProvisionedThroughputExceededException");
}

TEST(PutRecords, EachEntryOfAPartialFailureTellsForItself) {
  expect_partial_failure(read(json_answer(200, partial_failure().dump()), 2));
  expect_partial_failure(read(cbor_answer(200, partial_failure()), 2));
}

TEST(PutRecords, IndefiniteLengthsAsTheJavaSdkWritesThem) {
  const uint8_t body[] = {0xbf, 0x67, 'R',  'e',  'c', 'o',  'r', 'd',  's',  0x9f, 0xbf, 0x6e,
                          'S',  'e',  'q',  'u',  'e', 'n',  'c', 'e',  'N',  'u',  'm',  'b',
                          'e',  'r',  0x7f, 0x61, '4', 0x61, '9', 0xff, 0xff, 0xff, 0xff};
  const PutAnswer answer = read(answer_of(200, "application/x-amz-cbor-1.1", body), 1);
  ASSERT_EQ(answer.error, PutError::none);
  EXPECT_EQ(answer.entries.at(0).outcome, EntryOutcome::accepted);
}

TEST(PutRecords, UnknownMembersAndNullsAreIgnoredInAnyOrder) {
  const json value = {{"Records",
                       {{{"Zeta", {1, {{"x", 2}}}},
                         {"ShardId", "shardId-000000000007"},
                         {"ErrorCode", nullptr},
                         {"ErrorMessage", nullptr},
                         {"SequenceNumber", "1"}}}},
                      {"EncryptionType", "KMS"},
                      {"New", {{"a", {1, 2}}}}};
  for (const auto& response : {cbor_answer(200, value), json_answer(200, value.dump())}) {
    const PutAnswer answer = read(response, 1);
    EXPECT_EQ(answer.error, PutError::none);
    EXPECT_EQ(answer.entries.at(0).outcome, EntryOutcome::accepted);
    EXPECT_EQ(answer.entries.at(0).shard, 7u);
    EXPECT_EQ(answer.failed, 0u);
  }
}

TEST(PutRecords, EntryCodesAreToldApart) {
  const json value = {
      {"Records",
       {{{"ErrorCode", "InternalFailure"}, {"ErrorMessage", "Internal service failure."}},
        {{"ErrorCode", "SomethingNew"}, {"ErrorMessage", "x"}},
        json::object(),
        {{"ErrorCode", "ProvisionedThroughputExceededException"}, {"ErrorMessage", "Too much"}}}}};
  const PutAnswer answer = read(cbor_answer(200, value), 4);
  ASSERT_EQ(answer.error, PutError::none);
  EXPECT_EQ(answer.entries[0].outcome, EntryOutcome::internal_failure);
  EXPECT_EQ(answer.entries[1].outcome, EntryOutcome::unknown_code);
  EXPECT_EQ(answer.entries[2].outcome, EntryOutcome::unknown);
  EXPECT_EQ(answer.entries[3].outcome, EntryOutcome::throttled);
  EXPECT_EQ(answer.entries[3].shard, kNoShard);
  EXPECT_EQ(answer.failed, 4u);
}

TEST(PutRecords, FirehoseAnswersReadTheSame) {
  const PutAnswer answer = read(
      json_answer(200,
                  R"({"FailedPutCount":1,"Encrypted":false,"RequestResponses":[{"RecordId":"r"},
                     {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."}]})"),
      2);
  ASSERT_EQ(answer.error, PutError::none);
  EXPECT_EQ(answer.entries[0].outcome, EntryOutcome::accepted);
  EXPECT_EQ(answer.entries[1].outcome, EntryOutcome::throttled);
}

TEST(PutRecords, AnswerOfTheWrongLengthLeavesEverythingOpen) {
  for (const size_t record_count : {1u, 3u}) {
    EXPECT_EQ(read(cbor_answer(200, partial_failure()), record_count).error,
              PutError::unknown_outcome);
    EXPECT_EQ(read(json_answer(200, partial_failure().dump()), record_count).error,
              PutError::unknown_outcome);
  }
}

TEST(PutRecords, BodiesThatAreNoAnswerLeaveEverythingOpen) {
  for (const char* body :
       {"", "{", "[]", "null", "<html>all is well</html>", "{\"Records\":7}", "{\"Records\":[1]}",
        "{\"Records\":[{\"SequenceNumber\":\"1\"}", "\xa1"}) {
    const PutAnswer answer = read(answer_of(200, "text/html", as_bytes(body)), 1);
    EXPECT_EQ(answer.error, PutError::unknown_outcome) << body;
    EXPECT_TRUE(answer.entries.empty());
  }
}

struct ErrorRow {
  int status;
  const char* code;
  PutError error;
};

TEST(PutRecords, WholeRequestErrorsFollowTheTable) {
  const ErrorRow rows[] = {
      {400, "ProvisionedThroughputExceededException", PutError::throttled},
      {400, "com.amazonaws.kinesis.v20131202#LimitExceededException", PutError::throttled},
      {503, "SlowDown", PutError::throttled},
      {400, "KMSThrottlingException", PutError::kms_throttled},
      {500, "InternalFailure", PutError::server_fault},
      {503, "ServiceUnavailable", PutError::server_fault},
      {500, "NeverHeardOf", PutError::server_fault},
      {400, "RequestTimeout", PutError::server_fault},
      {400, "ResourceNotFoundException:http://x", PutError::not_found},
      {400, "AccessDeniedException", PutError::access_denied},
      {400, "KMSDisabledException", PutError::access_denied},
      {403, "InvalidSignatureException", PutError::credentials},
      {400, "ExpiredTokenException", PutError::credentials},
      {400, "UnrecognizedClientException", PutError::credentials},
      {400, "ValidationException", PutError::invalid_argument},
      {400, "InvalidArgumentException", PutError::invalid_argument},
      {400, "SerializationException", PutError::serialization},
      {413, "RequestEntityTooLarge", PutError::too_large},
      {404, "UnknownOperationException", PutError::unknown_operation},
      {400, "NeverHeardOf", PutError::unknown_code},
  };
  for (const ErrorRow& row : rows) {
    const json body = {{"__type", row.code}, {"message", "why"}};
    EXPECT_EQ(read(cbor_answer(row.status, body), 1).error, row.error) << row.code;
    EXPECT_EQ(read(json_answer(row.status, body.dump()), 1).error, row.error) << row.code;
    EXPECT_EQ(read(json_answer(row.status, body.dump()), 1).message, "why");
    EXPECT_TRUE(read(json_answer(row.status, body.dump()), 1).code_is_the_services);

    net::HttpResponse header_only = json_answer(row.status, "");
    header_only.error_type = row.code;
    EXPECT_EQ(read(header_only, 1).error, row.error) << row.code;
  }
}

TEST(PutRecords, StatusDecidesWhereNoCodeCanBeRead) {
  const std::pair<int, PutError> rows[] = {
      {413, PutError::too_large},    {502, PutError::server_fault},  {504, PutError::server_fault},
      {429, PutError::throttled},    {403, PutError::access_denied}, {404, PutError::unknown_code},
      {405, PutError::unknown_code}, {415, PutError::unknown_code},  {400, PutError::unknown_code},
      {302, PutError::unknown_code}};
  for (const auto& [status, error] : rows) {
    for (const char* body :
         {"", "<html><body>Bad Gateway</body></html>", "{}", "{\"__type\":", "?"}) {
      const PutAnswer answer = read(answer_of(status, "text/html", as_bytes(body)), 1);
      EXPECT_EQ(answer.error, error) << status << body;
      EXPECT_EQ(answer.code, "http_" + std::to_string(status));
      EXPECT_FALSE(answer.code_is_the_services);
    }
  }
}

TEST(PutRecords, XmlErrorsOfTheFrontEndAreRead) {
  EXPECT_EQ(read(answer_of(404, "text/xml", as_bytes("<UnknownOperationException/>\n")), 1).error,
            PutError::unknown_operation);
  EXPECT_EQ(read(answer_of(403, "",
                           as_bytes("<?xml version=\"1.0\"?><ErrorResponse><Error>"
                                    "<Code>ExpiredToken</Code><Message>old</Message>"
                                    "</Error></ErrorResponse>")),
                 1)
                .error,
            PutError::credentials);
}

TEST(PutRecords, ClockSkewIsToldFromWrongKeysAndCarriesTheServicesTime) {
  net::HttpResponse response = json_answer(
      400,
      R"x({"__type":"InvalidSignatureException","message":"Signature expired: 20261123T062000Z )x"
      R"x(is now earlier than 20261123T062500Z (20261123T063000Z - 5 min.)"})x");
  response.date = "Mon, 23 Nov 2026 06:30:00 GMT";
  const PutAnswer answer = read(response, 1);
  EXPECT_EQ(answer.error, PutError::clock_skew);
  ASSERT_TRUE(answer.server_time);
  EXPECT_EQ(unix_nanoseconds(*answer.server_time) / 1'000'000'000, 1795415400);
}

TEST(PutRecords, LostAnswersAreToldFromRequestsThatNeverLeft) {
  net::HttpResponse response;
  response.failure = net::HttpFailure::reset;
  response.written = net::RequestWritten::part;
  EXPECT_EQ(read(response, 1).error, PutError::network);
  response.written = net::RequestWritten::all;
  EXPECT_EQ(read(response, 1).error, PutError::unknown_outcome);
  response.failure = net::HttpFailure::connect;
  response.written = net::RequestWritten::none;
  EXPECT_EQ(read(response, 1).error, PutError::network);
  EXPECT_EQ(read(response, 1).code, "connect");  // without a text its name
  response.failure_text = "cannot connect to 127.0.0.1:1 (connection refused)";
  EXPECT_EQ(read(response, 1).code, response.failure_text);
  response.failure = net::HttpFailure::bad_response;
  EXPECT_EQ(read(response, 1).error, PutError::unknown_outcome);
}

TEST(PutRecords, ReaderIsUsedAgainWithoutTraces) {
  PutAnswerReader reader;
  PutAnswer answer;
  reader.read(cbor_answer(200, partial_failure()), 2, answer);
  reader.read(
      json_answer(200, R"({"Records":[{"SequenceNumber":"1","ShardId":"shardId-000000000003"}]})"),
      1, answer);
  ASSERT_THAT(answer.entries, SizeIs(1));
  EXPECT_EQ(answer.entries[0].shard, 3u);
  EXPECT_EQ(answer.failed, 0u);
  EXPECT_EQ(answer.code, "");
}

TEST(PutRecords, QuotedValuesStayOutOfTheLog) {
  EXPECT_EQ(message_for_log("Value 'secret' at 'records.1.member' failed"),
            "Value '…' at '…' failed");
  EXPECT_THAT(message_for_log("open 'secret"), Not(HasSubstr("secret")));
  EXPECT_LE(message_for_log(std::string(10'000, 'x')).size(), 256u);
}

TEST(PutRecords, ShardNumbersAreReadFromIdsAndTexts) {
  EXPECT_EQ(shard_number_in("shardId-000000000012"), 12u);
  EXPECT_EQ(shard_number_in(kThrottleText), 1u);
  EXPECT_EQ(shard_number_in("shardId-999999999999"), kNoShard);
  EXPECT_EQ(shard_number_in("shardId-"), kNoShard);
  EXPECT_EQ(shard_number_in("no shard"), kNoShard);
}

TEST(PutRecords, HttpDatesAreReadAndBrokenOnesRefused) {
  EXPECT_EQ(unix_nanoseconds(*parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")),
            784111777'000'000'000);
  for (const char* text : {"", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nox 1994 08:49:37 GMT",
                           "Sun, 0x Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
                           "Sun, 06 ovD 1994 08:49:37 GMT",
                           // A WallTime ends in 2262.
                           "Sun, 06 Nov 9999 08:49:37 GMT"}) {
    EXPECT_FALSE(parse_http_date(text)) << text;
  }
}

}  // namespace
}  // namespace penstock::kinesis
