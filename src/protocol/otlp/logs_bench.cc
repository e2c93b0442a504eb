// What OTLP costs for each log record, on OpenShift's: the collector sends one record a resource.
#include "base/test_data.h"
#include "protocol/otlp/logs.h"

#include <benchmark/benchmark.h>

#include <fstream>

#include "protocol/otlp/protobuf_writer.h"

namespace penstock::protocol::otlp {
namespace {

using Json = nlohmann::ordered_json;

// 1,000 records of applications and nodes; per_resource of them share one resource.
Json request(size_t per_resource) {
  Json samples = Json::array();
  for (const char* kind : {"app", "journal"}) {
    std::ifstream file(test_data() + "/openshift/6.6-otlp/" + kind + ".jsonl");
    for (std::string line; std::getline(file, line);) {
      if (line.size() > 8192) continue;
      const Json sample = Json::parse(line);
      for (const Json& entry : sample["resourceLogs"]) samples.push_back(entry);
    }
  }
  Json body{{"resourceLogs", Json::array()}};
  for (size_t i = 0; i < 1'000; ++i) {
    const Json& sample = samples[i % samples.size()];
    if (i % per_resource == 0) {
      body["resourceLogs"].push_back(sample);
    } else {
      body["resourceLogs"].back()["scopeLogs"][0]["logRecords"].push_back(
          sample["scopeLogs"][0]["logRecords"][0]);
    }
  }
  return body;
}

void json(benchmark::State& state) {
  const std::string text = request(static_cast<size_t>(state.range(0))).dump();
  ByteBuffer body = ByteBuffer::copy_of(as_bytes(text));
  for (auto _ : state) {
    const auto logs = decode_logs_json(body, {{1, 2}, 1_GiB});
    if (!logs || logs->events.event_count != 1'000) state.SkipWithError("not decoded");
  }
  state.SetItemsProcessed(state.iterations() * 1'000);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(json)->Arg(1)->Arg(50);

void protobuf(benchmark::State& state) {
  const std::string body = ProtobufWriter::request(request(static_cast<size_t>(state.range(0))));
  for (auto _ : state) {
    const auto logs = decode_logs_protobuf(as_bytes(body), {{1, 2}, 1_GiB});
    if (!logs || logs->events.event_count != 1'000) state.SkipWithError("not decoded");
  }
  state.SetItemsProcessed(state.iterations() * 1'000);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(protobuf)->Arg(1)->Arg(50);

}  // namespace
}  // namespace penstock::protocol::otlp
