// What walking and reading entries costs, on OpenShift records.
#include "base/test_data.h"
#include "record/event.h"

#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "codec/msgpack_writer.h"

namespace penstock::record {
namespace {

// Chunks as a collector sends them: `count` entries of the application and infrastructure samples.
ByteBuffer make_entries(size_t count) {
  ByteBuffer records;
  std::vector<std::vector<uint8_t>> samples;
  for (const char* kind : {"app", "infra", "journal"}) {
    std::ifstream file(test_data() + "/openshift/5.9-fluentd/" + kind + ".jsonl");
    for (std::string line; std::getline(file, line);) {
      if (line.size() > 8192) continue;
      samples.push_back(nlohmann::json::to_msgpack(nlohmann::json::parse(line)["record"]));
    }
  }
  ByteBuffer entries;
  codec::MsgpackWriter writer(entries);
  for (size_t i = 0; i < count; ++i) {
    writer.array(2);
    writer.event_time({1'700'000'000, static_cast<uint32_t>(i)});
    writer.raw(samples[i % samples.size()]);
  }
  return entries;
}

void walk(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(0));
  const ByteBuffer entries = make_entries(count);
  for (auto _ : state) {
    const auto walked = walk_entries(entries.view());
    if (!walked || walked->event_count != count) state.SkipWithError("walk failed");
    benchmark::DoNotOptimize(walked);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(entries.size()));
}
BENCHMARK(walk)->Arg(10)->Arg(1000)->Arg(100'000);

void read_back(benchmark::State& state) {
  Batch batch;
  batch.storage = make_entries(static_cast<size_t>(state.range(0)));
  batch.entries_size = batch.storage.size();
  for (auto _ : state) {
    EntryReader reader(batch);
    EventView event;
    while (reader.next(event)) benchmark::DoNotOptimize(event);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(batch.storage.size()));
}
BENCHMARK(read_back)->Arg(1000);

}  // namespace
}  // namespace penstock::record
