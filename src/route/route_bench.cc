// What routing costs: a chunk decided by its tag, and events decided one by one.
#include <benchmark/benchmark.h>

#include "route/router.h"
#include "route/sample_events.h"

namespace penstock::route {
namespace {

Router three_types(bool own_logs) {
  std::vector<Route> routes(3);
  routes[0].log_type = LogType::audit;
  routes[0].stream = "audit";
  routes[1].log_type = LogType::infrastructure;
  routes[1].stream = "operations";
  routes[2].stream = "projects";
  return Router({.routes = std::move(routes),
                 .own_namespace = own_logs ? "openshift-logging" : "",
                 .own_workload = own_logs ? "log-forwarding-kinesis" : ""});
}

record::Batch copy_of(const record::Batch& batch) {
  record::Batch copy;
  copy.source = batch.source;
  copy.tag = batch.tag;
  copy.encoding = batch.encoding;
  copy.event_count = batch.event_count;
  copy.entries_size = batch.entries_size;
  copy.storage = ByteBuffer::copy_of(batch.storage.view());
  return copy;
}

void run(benchmark::State& state, const record::Batch& batch, bool own_logs) {
  const Router router = three_types(own_logs);
  for (auto _ : state) {
    state.PauseTiming();
    record::Batch copy = copy_of(batch);
    state.ResumeTiming();
    benchmark::DoNotOptimize(router.route(std::move(copy)));
  }
  state.SetItemsProcessed(state.iterations() * batch.event_count);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(batch.entries_size));
}

// 1,000 application records of at most 8 KiB.
std::vector<std::string> records(std::string_view path) {
  std::vector<std::string> all;
  const auto lines = sample_lines(path);
  for (size_t i = 0; all.size() < 1'000; ++i) {
    if (lines[i % lines.size()].size() <= 8192) all.push_back(lines[i % lines.size()]);
  }
  return all;
}

void chunk_by_tag(benchmark::State& state) {
  run(state, forward_batches("5.9-fluentd/app.jsonl").front(), false);
}
BENCHMARK(chunk_by_tag);

void json_of_one_type(benchmark::State& state) {
  run(state, json_batch(records("6.6-http/app.jsonl")), state.range(0) != 0);
}
BENCHMARK(json_of_one_type)->Arg(0)->Arg(1);

void msgpack_of_one_type(benchmark::State& state) {
  run(state, msgpack_batch(records("6.6-http/app.jsonl")), state.range(0) != 0);
}
BENCHMARK(msgpack_of_one_type)->Arg(0)->Arg(1);

void json_of_three_types(benchmark::State& state) {
  auto mixed = records("6.6-http/app.jsonl");
  const auto infra = records("6.6-http/infra.jsonl");
  const auto audit = records("6.6-http/audit-k8s.jsonl");
  for (size_t i = 0; i + 2 < mixed.size(); i += 3) {
    mixed[i + 1] = infra[i];
    mixed[i + 2] = audit[i];
  }
  run(state, json_batch(mixed), false);
}
BENCHMARK(json_of_three_types);

}  // namespace
}  // namespace penstock::route
