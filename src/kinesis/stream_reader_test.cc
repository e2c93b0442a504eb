#include "kinesis/stream_reader.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "net/scripted_http_server.h"

namespace penstock::kinesis {
namespace {

using net::ScriptedHttpServer;
using nlohmann::json;
using Reply = ScriptedHttpServer::Reply;
using Request = ScriptedHttpServer::Request;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A stream as the service keeps it. An iterator is "<shard>/<index>/<serial>".
class SimulatedStream {
 public:
  struct SimulatedShard {
    std::string parent;
    std::vector<std::string> records;
    bool closed = false;
  };

  SimulatedStream() : server([this](const Request& request) { return answer(request); }) {}

  Reply answer(const Request& request) {
    const json body = json::parse(request.body);
    const std::string target = request.headers.at("x-amz-target");
    if (target.ends_with(".ListShards")) return list();
    if (target.ends_with(".GetShardIterator")) return iterator(body);
    return records(body);
  }

  Reply list() {
    json all = json::array();
    for (const auto& [id, shard] : shards) {
      json described = {{"ShardId", id},
                        {"HashKeyRange", {{"StartingHashKey", "0"}, {"EndingHashKey", "9"}}},
                        {"SequenceNumberRange", {{"StartingSequenceNumber", "0"}}}};
      if (!shard.parent.empty()) described["ParentShardId"] = shard.parent;
      if (shard.closed) described["SequenceNumberRange"]["EndingSequenceNumber"] = "9";
      all.push_back(described);
    }
    return reply({{"Shards", all}});
  }
  Reply iterator(const json& body) {
    const std::string id = body["ShardId"];
    const std::string type = body["ShardIteratorType"];
    size_t index = 0;
    if (type == "LATEST") index = shards[id].records.size();
    if (type == "AFTER_SEQUENCE_NUMBER") {
      index = std::stoul(std::string(body["StartingSequenceNumber"]));
    }
    return reply({{"ShardIterator", id + "/" + std::to_string(index)}});
  }
  Reply records(const json& body) {
    const std::string iterator_text = body["ShardIterator"];
    const std::string id = iterator_text.substr(0, iterator_text.find('/'));
    const size_t index = std::stoul(iterator_text.substr(iterator_text.find('/') + 1));
    ++calls[id];
    if (std::exchange(expire_next, false)) {
      return reply({{"__type", "ExpiredIteratorException"}, {"message", "old"}}, 400);
    }
    if (before_page) before_page(id);
    const SimulatedShard& shard = shards[id];
    const size_t end = std::min(shard.records.size(), index + page);
    json page_records = json::array();
    for (size_t i = index; i < end; ++i) {
      ByteBuffer data;
      codec::append_base64(data, as_bytes(shard.records[i]));
      page_records.push_back({{"SequenceNumber", std::to_string(i + 1)},
                              {"PartitionKey", "k"},
                              {"Data", as_text(data.view())}});
    }
    json answer = {{"Records", page_records},
                   {"MillisBehindLatest", end < shard.records.size() ? 1000 : 0}};
    const bool over = shard.closed && end == shard.records.size();
    answer["NextShardIterator"] = over ? json() : json(id + "/" + std::to_string(end));
    return reply(answer);
  }
  static Reply reply(const json& body, int status = 200) {
    Reply answer;
    answer.status = status;
    answer.body = body.dump();
    return answer;
  }

  std::map<std::string, SimulatedShard> shards;
  std::map<std::string, int> calls;
  size_t page = 2;
  bool expire_next = false;
  std::function<void(const std::string&)> before_page;
  ScriptedHttpServer server;
};

class StreamReading : public ::testing::Test {
 protected:
  StreamReading() {
    EndpointOptions endpoint;
    endpoint.region = "us-east-1";
    endpoint.override_url = stream_.server.url();
    ControlClient::Options options;
    options.data = *resolve_endpoint(endpoint);
    options.control = options.data;
    client_ = std::make_unique<ControlClient>(
        std::move(options),
        [](bool) -> Result<Credentials, Error> {
          Credentials found;
          found.access_key_id = "A";
          found.secret_access_key = "s";
          return found;
        },
        clock_, offset_);
    options_.stream.name = "logs";
    options_.sleep = [this](nanoseconds time) {
      slept_ += time;
      clock_.advance(time);
    };
  }

  static std::string id(int number) { return shard_id_text(static_cast<uint32_t>(number)); }

  std::vector<std::string> read(size_t count_max = 1'000) {
    std::vector<std::string> read;
    StreamReader reader(*client_, options_, clock_);
    const auto result = reader.read([&](const ShardDescription&, const StoredRecord& record) {
      read.emplace_back(as_text(record.data.view()));
      return read.size() < count_max;
    });
    EXPECT_TRUE(result) << result.error().text;
    return read;
  }

  SimulatedStream stream_;
  ManualClock clock_;
  ClockOffset offset_;
  nanoseconds slept_{};
  StreamReaderOptions options_;
  std::unique_ptr<ControlClient> client_;
};

TEST_F(StreamReading, EveryShardIsReadToItsTip) {
  stream_.shards = {{id(0), {"", {"a", "b", "c"}}}, {id(1), {"", {"x"}}}, {id(2), {}}};
  auto records = read();
  std::sort(records.begin(), records.end());
  EXPECT_THAT(records, ElementsAre("a", "b", "c", "x"));
}

TEST_F(StreamReading, ParentsComeBeforeTheirChildren) {
  stream_.shards = {{id(0), {"", {"1", "2", "3"}, true}},
                    {id(1), {id(0), {"4", "5"}, true}},
                    {id(2), {id(1), {"6"}}}};
  EXPECT_THAT(read(), ElementsAre("1", "2", "3", "4", "5", "6"));
}

TEST_F(StreamReading, ChildWhoseParentHasExpiredIsReadFromItsStart) {
  stream_.shards = {{id(7), {id(3), {"old parent is gone"}}}};
  EXPECT_THAT(read(), ElementsAre("old parent is gone"));
}

TEST_F(StreamReading, ShardsThatAppearWhileReadingAreFound) {
  stream_.shards = {{id(0), {"", {"1", "2"}}}};
  bool resharded = false;
  stream_.before_page = [&](const std::string&) {
    if (std::exchange(resharded, true)) return;
    stream_.shards[id(0)].closed = true;
    stream_.shards[id(1)] = {id(0), {"3"}};
    stream_.shards[id(2)] = {id(0), {"4"}};
  };
  EXPECT_THAT(read(), ElementsAre("1", "2", "3", "4"));
}

TEST_F(StreamReading, ExpiredIteratorsAreRenewedWhereTheyWere) {
  stream_.shards = {{id(0), {"", {"1", "2", "3", "4", "5"}}}};
  int pages = 0;
  stream_.before_page = [&](const std::string&) { stream_.expire_next = ++pages == 1; };
  EXPECT_THAT(read(), ElementsAre("1", "2", "3", "4", "5"));
}

TEST_F(StreamReading, LatestSeesOnlyWhatComesAndFollowsIntoChildren) {
  stream_.shards = {{id(0), {"", {"old"}}}, {id(9), {"", {"closed long ago"}, true}}};
  options_.from.type = IteratorStart::Type::latest;
  options_.follow = true;
  int pages = 0;
  stream_.before_page = [&](const std::string&) {
    if (++pages == 2) stream_.shards[id(0)].records.push_back("new");
    if (pages == 4) {
      stream_.shards[id(0)].closed = true;
      stream_.shards[id(1)] = {id(0), {"child"}};
    }
  };
  EXPECT_THAT(read(2), ElementsAre("new", "child"));
  EXPECT_EQ(stream_.calls[id(9)], 0);
}

TEST_F(StreamReading, CallsOnAShardKeepTheirDistance) {
  stream_.shards = {{id(0), {"", std::vector<std::string>(20, "r")}}};
  EXPECT_EQ(read().size(), 20u);
  EXPECT_EQ(stream_.calls[id(0)], 11);
  EXPECT_GE(slept_, milliseconds(2'500));
}

TEST_F(StreamReading, ErrorsEndIt) {
  options_.stream.name = "logs";
  stream_.before_page = [](const std::string&) {};
  stream_.shards = {{id(0), {"", {"1"}}}};
  ScriptedHttpServer broken([](const Request&) {
    return SimulatedStream::reply({{"__type", "ResourceNotFoundException"}, {"message", "x"}}, 400);
  });
  EndpointOptions endpoint;
  endpoint.region = "us-east-1";
  endpoint.override_url = broken.url();
  ControlClient::Options options;
  options.data = options.control = *resolve_endpoint(endpoint);
  ControlClient client(
      std::move(options),
      [](bool) -> Result<Credentials, Error> { return run_error("no credentials here"); }, clock_,
      offset_);
  StreamReader reader(client, options_, clock_);
  const auto result =
      reader.read([](const ShardDescription&, const StoredRecord&) { return true; });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text, "no credentials here");
  EXPECT_THAT(broken.requests(), IsEmpty());
}

}  // namespace
}  // namespace penstock::kinesis
