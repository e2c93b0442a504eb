#include "kinesis/control.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "kinesis/control_json.h"
#include "net/scripted_http_server.h"

namespace penstock::kinesis {
namespace {

using net::ScriptedHttpServer;
using nlohmann::json;
using Reply = ScriptedHttpServer::Reply;
using Request = ScriptedHttpServer::Request;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Reply reply(const json& body, int status = 200) {
  Reply answer;
  answer.status = status;
  answer.body = body.dump();
  answer.headers = {"Content-Type: application/x-amz-json-1.1"};
  return answer;
}
Reply refusal(const std::string& code, const std::string& message = "why", int status = 400) {
  return reply({{"__type", code}, {"message", message}}, status);
}

std::string operation_of(const Request& request) {
  const std::string target = request.headers.at("x-amz-target");
  return target.substr(target.find('.') + 1);
}

class Control : public ::testing::Test {
 protected:
  using Script = std::function<Reply(const std::string& operation, const json& body)>;

  ControlClient client(Script script) {
    server_ = std::make_unique<ScriptedHttpServer>([script](const Request& request) {
      return script(operation_of(request), json::parse(request.body));
    });
    EndpointOptions endpoint;
    endpoint.region = "us-east-1";
    endpoint.override_url = server_->url();
    ControlClient::Options options;
    options.data = *resolve_endpoint(endpoint);
    options.control = options.data;
    options.sleep = [this](nanoseconds time) { clock_.advance(time); };
    return ControlClient(
        std::move(options),
        [this](bool renew) -> Result<Credentials, Error> {
          renewals_ += renew ? 1 : 0;
          Credentials found;
          found.access_key_id = "AK" + std::to_string(renewals_);
          found.secret_access_key = "secret";
          return found;
        },
        clock_, offset_);
  }
  std::vector<std::string> operations() const {
    std::vector<std::string> all;
    for (const Request& request : server_->requests()) all.push_back(operation_of(request));
    return all;
  }

  ManualClock clock_;
  ClockOffset offset_;
  int renewals_ = 0;
  std::unique_ptr<ScriptedHttpServer> server_;
};

json shard(int number, const char* first, const char* last, bool closed = false) {
  json described = {{"ShardId", shard_id_text(static_cast<uint32_t>(number))},
                    {"HashKeyRange", {{"StartingHashKey", first}, {"EndingHashKey", last}}},
                    {"SequenceNumberRange", {{"StartingSequenceNumber", "1"}}}};
  if (closed) described["SequenceNumberRange"]["EndingSequenceNumber"] = "9";
  return described;
}

TEST_F(Control, StreamIsDescribed) {
  ControlClient kinesis = client([](const std::string&, const json& body) {
    EXPECT_EQ(body, json({{"StreamName", "logs"}}));
    return reply({{"StreamDescriptionSummary",
                   {{"StreamARN", "arn:aws:kinesis:us-east-1:1:stream/logs"},
                    {"StreamStatus", "ACTIVE"},
                    {"StreamModeDetails", {{"StreamMode", "ON_DEMAND"}}},
                    {"OpenShardCount", 4},
                    {"RetentionPeriodHours", 24},
                    {"EncryptionType", "KMS"},
                    {"MaxRecordSizeInKiB", 10240}}}});
  });
  const auto summary = kinesis.describe_stream({"logs", ""});
  ASSERT_TRUE(summary) << summary.error().text;
  EXPECT_EQ(summary->status, "ACTIVE");
  EXPECT_TRUE(summary->on_demand);
  EXPECT_TRUE(summary->encrypted);
  EXPECT_EQ(summary->open_shard_count, 4u);
  EXPECT_EQ(summary->record_bytes_max, 10u << 20);
  EXPECT_EQ(summary->distribution, RecordDistribution::by_key);
  EXPECT_FALSE(summary->knows_dry_run);
}

TEST_F(Control, WhoChoosesTheShardIsRead) {
  json description = {{"StreamStatus", "ACTIVE"}, {"RecordDistributionStrategy", "AUTO"}};
  bool is_summary = true;
  ControlClient kinesis = client([&](const std::string& operation, const json&) {
    if (!is_summary && operation == "DescribeStreamSummary")
      return refusal("AccessDeniedException");
    return reply({{is_summary ? "StreamDescriptionSummary" : "StreamDescription", description}});
  });
  EXPECT_EQ(kinesis.describe_stream({"logs", ""})->distribution, RecordDistribution::automatic);
  description["RecordDistributionStrategy"] = "USER_PARTITION_KEY";
  EXPECT_EQ(kinesis.describe_stream({"logs", ""})->distribution, RecordDistribution::by_key);
  description.erase("RecordDistributionStrategy");
  EXPECT_EQ(kinesis.describe_stream({"logs", ""})->distribution, RecordDistribution::by_key);
  is_summary = false;  // the older description never says it
  EXPECT_EQ(kinesis.describe_stream({"logs", ""})->distribution, RecordDistribution::unknown);
}

TEST_F(Control, AServiceThatKnowsDryRunIsToldByWhatItDescribes) {
  json description = {{"StreamStatus", "ACTIVE"}, {"MaxRecordSizeInKiB", 1024}};
  ControlClient kinesis = client([&](const std::string&, const json&) {
    return reply({{"StreamDescriptionSummary", description}});
  });
  EXPECT_FALSE(kinesis.describe_stream({"logs", ""})->knows_dry_run);
  description["QueueCount"] = nullptr;
  EXPECT_FALSE(kinesis.describe_stream({"logs", ""})->knows_dry_run);
  description["QueueCount"] = 0;
  EXPECT_TRUE(kinesis.describe_stream({"logs", ""})->knows_dry_run);
}

TEST_F(Control, ADryRunTellsWhetherRecordsMayBePut) {
  std::string code = "DryRunOperationException";
  ControlClient kinesis = client([&](const std::string& operation, const json& body) {
    EXPECT_EQ(operation, "PutRecords");
    EXPECT_EQ(body["DryRun"], true);
    EXPECT_EQ(body["Records"].size(), 1u);
    return refusal(code);
  });
  EXPECT_TRUE(kinesis.try_put_records({"logs", ""}));
  code = "AccessDeniedException";
  const auto denied = kinesis.try_put_records({"logs", ""});
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().error, PutError::access_denied);
  EXPECT_EQ(denied.error().code, "AccessDeniedException");
}

TEST_F(Control, ADryRunThatWroteIsNoSuccess) {
  ControlClient kinesis = client([](const std::string&, const json&) {
    return reply({{"FailedRecordCount", 0}, {"Records", json::array({{{"SequenceNumber", "1"}}})}});
  });
  const auto wrote = kinesis.try_put_records({"logs", ""});
  ASSERT_FALSE(wrote);
  EXPECT_THAT(wrote.error().text, HasSubstr("knows no DryRun"));
}

TEST_F(Control, OlderDescriptionIsTriedWhereTheSummaryIsNotAllowed) {
  ControlClient kinesis = client([](const std::string& operation, const json&) {
    if (operation == "DescribeStreamSummary") return refusal("AccessDeniedException");
    return reply({{"StreamDescription", {{"StreamStatus", "UPDATING"}}}});
  });
  const auto summary = kinesis.describe_stream({"logs", ""});
  ASSERT_TRUE(summary) << summary.error().text;
  EXPECT_EQ(summary->status, "UPDATING");
  EXPECT_EQ(summary->record_bytes_max, 0u);
}

TEST_F(Control, MissingStreamIsSaidAtOnce) {
  ControlClient kinesis = client([](const std::string&, const json&) {
    return refusal("ResourceNotFoundException", "Stream logs under account 1 not found.");
  });
  const auto summary = kinesis.describe_stream({"logs", ""});
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().error, PutError::not_found);
  EXPECT_EQ(summary.error().text,
            "DescribeStreamSummary: ResourceNotFoundException: Stream logs under account 1 not "
            "found.");
}

TEST_F(Control, ShardsArePagedWithNothingBesideTheToken) {
  ControlClient kinesis = client([](const std::string&, const json& body) {
    if (body.contains("NextToken")) {
      EXPECT_EQ(body, json({{"NextToken", "more\"here"}}));
      return reply({{"Shards", {shard(2, "200", "340282366920938463463374607431768211455")}}});
    }
    EXPECT_EQ(body, json({{"StreamName", "logs"}, {"ShardFilter", {{"Type", "AT_LATEST"}}}}));
    return reply({{"Shards", {shard(0, "0", "199", true), shard(1, "0", "199")}},
                  {"NextToken", "more\"here"}});
  });
  const auto shards = kinesis.list_shards({"logs", ""}, true);
  ASSERT_TRUE(shards) << shards.error().text;
  const ShardMap map = open_shards(*shards);
  ASSERT_EQ(map.size(), 2u);  // the emulator's closed one is left out
  EXPECT_EQ(map.find(0)->number, 1u);
  EXPECT_EQ(map.find(~HashKey{0})->number, 2u);
}

TEST_F(Control, StreamsWithAnArnAreAskedForByIt) {
  ControlClient kinesis = client([](const std::string&, const json& body) {
    EXPECT_EQ(body, json({{"StreamARN", "arn:aws:kinesis:us-east-1:1:stream/logs"}}));
    return reply({{"Shards", json::array()}});
  });
  EXPECT_TRUE(kinesis.list_shards({"logs", "arn:aws:kinesis:us-east-1:1:stream/logs"}, false));
}

TEST_F(Control, ThrottlesAndFaultsAreWaitedOutWithinPatience) {
  int calls = 0;
  ControlClient kinesis = client([&](const std::string&, const json&) {
    if (++calls == 1) return refusal("LimitExceededException");
    if (calls == 2) return refusal("InternalFailure", "", 500);
    return reply({{"Shards", json::array()}});
  });
  EXPECT_TRUE(kinesis.list_shards({"logs", ""}, false));
  EXPECT_EQ(calls, 3);

  ControlClient hopeless =
      client([](const std::string&, const json&) { return refusal("LimitExceededException"); });
  const SteadyTime began = clock_.steady();
  const auto shards = hopeless.list_shards({"logs", ""}, false);
  ASSERT_FALSE(shards);
  EXPECT_EQ(shards.error().error, PutError::throttled);
  EXPECT_LE(clock_.steady() - began, seconds(20));
}

TEST_F(Control, RefusedCredentialsAreRenewedOnce) {
  ControlClient kinesis = client([](const std::string&, const json&) {
    return refusal("ExpiredTokenException", "The security token is expired");
  });
  const auto shards = kinesis.list_shards({"logs", ""}, false);
  ASSERT_FALSE(shards);
  EXPECT_EQ(shards.error().error, PutError::credentials);
  EXPECT_EQ(renewals_, 1);
  EXPECT_EQ(server_->requests().size(), 2u);
  EXPECT_THAT(server_->requests().at(1).headers.at("authorization"), HasSubstr("Credential=AK1/"));
}

TEST_F(Control, ClockIsCorrectedByTheServicesDate) {
  clock_.set_wall(WallTime(seconds(1'795'415'400)));
  int calls = 0;
  ControlClient kinesis = client([&](const std::string&, const json&) {
    if (++calls > 1) return reply({{"Shards", json::array()}});
    Reply answer = refusal("InvalidSignatureException", "Signature expired: x is now earlier");
    answer.headers.push_back("Date: Mon, 23 Nov 2026 07:30:00 GMT");
    return answer;
  });
  EXPECT_TRUE(kinesis.list_shards({"logs", ""}, false));
  EXPECT_EQ(server_->requests().at(0).headers.at("x-amz-date"), "20261123T063000Z");
  EXPECT_EQ(server_->requests().at(1).headers.at("x-amz-date"), "20261123T073000Z");
}

TEST_F(Control, RecordsComeBackByteForByte) {
  ControlClient kinesis = client([](const std::string& operation, const json& body) {
    if (operation == "GetShardIterator") {
      EXPECT_EQ(body["ShardIteratorType"], "AT_TIMESTAMP");
      EXPECT_EQ(body["Timestamp"].dump(), "1459799926.48");
      return reply({{"ShardIterator", "it/1=="}});
    }
    EXPECT_EQ(body, json({{"ShardIterator", "it/1=="}, {"Limit", 100}}));
    return reply({{"Records",
                   {{{"SequenceNumber", "495"},
                     {"PartitionKey", "k"},
                     {"ApproximateArrivalTimestamp", 1459799926.480},
                     {"Data", "eyJtIjoib25lIn0K"}}}},
                  {"NextShardIterator", nullptr},
                  {"MillisBehindLatest", 12}});
  });
  const auto iterator = kinesis.shard_iterator(
      {"logs", ""}, "shardId-000000000000",
      {IteratorStart::Type::at_time, WallTime(milliseconds(1459799926480)), {}});
  ASSERT_TRUE(iterator) << iterator.error().text;
  const auto page = kinesis.get_records({"logs", ""}, *iterator, 100);
  ASSERT_TRUE(page) << page.error().text;
  ASSERT_EQ(page->records.size(), 1u);
  EXPECT_EQ(as_text(page->records[0].data.view()), "{\"m\":\"one\"}\n");
  EXPECT_EQ(page->records[0].arrival_ms, 1459799926480);
  EXPECT_EQ(page->records[0].partition_key, "k");
  EXPECT_EQ(page->next_iterator, "");
  EXPECT_EQ(page->behind_ms, 12);
}

TEST_F(Control, AnswersOfTheWrongShapeAreErrors) {
  for (const char* body :
       {"{}", "[]", "", "{\"Shards\":[{}]}", "{\"Records\":[{\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{\"SequenceNumber\":\"1\",\"Data\":\"!\"}]}"}) {
    EXPECT_FALSE(parse_shards(as_bytes(body))) << body;
    EXPECT_FALSE(parse_records(as_bytes(body))) << body;
    EXPECT_FALSE(parse_shard_iterator(as_bytes(body))) << body;
    EXPECT_FALSE(parse_stream_summary(as_bytes(body))) << body;
  }
}

}  // namespace
}  // namespace penstock::kinesis
