// What an HTTP body costs, on OpenShift records, and what simdjson's full parser would cost to tell
// whether the same records are JSON.
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <fstream>
#include <string>

#include "base/test_data.h"
#include "codec/json_check.h"
#include "protocol/http/json_body.h"

namespace penstock::protocol::http {
namespace {

// 1,000 records of about 1 KB, as the collector of Logging 6 sends them.
std::vector<std::string> make_records() {
  std::vector<std::string> samples;
  for (const char* kind : {"app", "infra", "journal"}) {
    std::ifstream file(test_data() + "/openshift/6.6-http/" + kind + ".jsonl");
    for (std::string line; std::getline(file, line);) {
      if (line.size() <= 8192) samples.push_back(line);
    }
  }
  std::vector<std::string> records;
  for (size_t i = 0; i < 1'000; ++i) records.push_back(samples[i % samples.size()]);
  return records;
}

void report(benchmark::State& state, size_t bytes) {
  state.SetItemsProcessed(state.iterations() * 1'000);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

void body(benchmark::State& state, const char* first, const char* between, const char* last) {
  std::string text = first;
  for (const std::string& record : make_records()) text += record + between;
  text.pop_back();
  text += last;
  const size_t front = JsonBodyDecoder::usual_front(text.size());
  ByteBuffer buffer(front + text.size());
  for (auto _ : state) {
    // Where it has just been received.
    buffer.resize(front);
    buffer.append(text);
    JsonBodyDecoder decoder(std::move(buffer), front, {{1, 2}, 1_GiB});
    const auto progress = decoder.decode();
    JsonBody decoded = decoder.take();
    if (!progress || decoded.events.event_count != 1'000) state.SkipWithError("not decoded");
    buffer = std::move(decoded.events.storage);
  }
  report(state, text.size());
}
void ndjson(benchmark::State& state) { body(state, "", "\n", ""); }
BENCHMARK(ndjson);
void array(benchmark::State& state) { body(state, "[", ",", "]"); }
BENCHMARK(array);

void check_alone(benchmark::State& state) {
  std::vector<ByteBuffer> records;
  size_t bytes = 0;
  for (const std::string& record : make_records()) {
    records.push_back(ByteBuffer::copy_of(as_bytes(record)));
    codec::terminate(records.back());
    bytes += record.size();
  }
  for (auto _ : state) {
    for (const ByteBuffer& record : records) {
      benchmark::DoNotOptimize(codec::check_json(record.data(), record.data() + record.size()));
    }
  }
  report(state, bytes);
}
BENCHMARK(check_alone);

void simdjson_dom(benchmark::State& state) {
  std::vector<simdjson::padded_string> records;
  size_t bytes = 0;
  for (const std::string& record : make_records()) {
    records.emplace_back(record);
    bytes += record.size();
  }
  simdjson::dom::parser parser;
  for (auto _ : state) {
    for (const auto& record : records) benchmark::DoNotOptimize(parser.parse(record).error());
  }
  report(state, bytes);
}
BENCHMARK(simdjson_dom);

}  // namespace
}  // namespace penstock::protocol::http
