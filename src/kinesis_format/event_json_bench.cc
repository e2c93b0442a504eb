// The budget of event_json.cc: at most 0.6 s of CPU for a million OpenShift records of 1.2 KB, zero
// allocations. Prints ns per event and bytes of JSON per second.
#include "base/test_data.h"
#include "kinesis_format/event_encoder.h"
#include "kinesis_format/event_json.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "kinesis_format/openshift_samples.h"

namespace penstock::kinesis_format {
namespace {

struct Events {
  std::vector<std::vector<uint8_t>> msgpack;
  std::vector<std::string> json;
  size_t json_bytes = 0;
};

// Container records of one version; of "all", every sample of every kind, which is too much for the
// branch predictor to learn by heart. Up to 4 KB: one sample of 48 KB would be half of all bytes.
const Events& container_records(const std::string& version) {
  static std::map<std::string, Events> cache;
  Events& events = cache[version];
  if (!events.msgpack.empty()) return events;
  std::vector<OrderedJson> records;
  if (version == "all") {
    records = read_all_samples();
  } else {
    const auto folder = std::filesystem::path(test_data()) / "openshift" / version;
    records = read_samples(folder / "app.jsonl");
    for (OrderedJson& record : read_samples(folder / "infra.jsonl")) {
      records.push_back(std::move(record));
    }
  }
  for (const OrderedJson& record : records) {
    std::string text = record.dump();
    if (text.size() > 4096) continue;
    events.json_bytes += text.size();
    events.json.push_back(std::move(text));
    events.msgpack.push_back(OrderedJson::to_msgpack(record));
  }
  return events;
}

void report(benchmark::State& state, const Events& events) {
  const auto rounds = static_cast<double>(state.iterations());
  const double count = rounds * static_cast<double>(events.json.size());
  state.SetBytesProcessed(static_cast<int64_t>(rounds) * static_cast<int64_t>(events.json_bytes));
  state.counters["bytes/event"] =
      static_cast<double>(events.json_bytes) / static_cast<double>(events.json.size());
  state.counters["cpu_s/M_events"] =
      benchmark::Counter(count / 1e6, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void msgpack_to_json(benchmark::State& state, const char* version) {
  const Events& events = container_records(version);
  ByteBuffer body(events.json_bytes + 4096);
  for (auto _ : state) {
    body.clear();
    for (const auto& event : events.msgpack) {
      const EncodeOutcome outcome = append_event_json(body, {event.data(), event.size()});
      if (outcome != EncodeOutcome::done) state.SkipWithError("not encoded");
    }
    benchmark::DoNotOptimize(body.data());
  }
  report(state, events);
}
BENCHMARK_CAPTURE(msgpack_to_json, fluentd_5_9, "5.9-fluentd");
BENCHMARK_CAPTURE(msgpack_to_json, fluentd_4_6, "4.6");
BENCHMARK_CAPTURE(msgpack_to_json, vector_5_9, "5.9-vector");
BENCHMARK_CAPTURE(msgpack_to_json, all, "all");

// Strings that need more than a copy: JSON inside a message, and text beyond ASCII.
void string_of(benchmark::State& state, const char* piece) {
  std::string message;
  while (message.size() < 1200) message += piece;
  const std::vector<uint8_t> event = OrderedJson::to_msgpack(OrderedJson{{"message", message}});
  ByteBuffer body(16_KiB);
  for (auto _ : state) {
    body.clear();
    const EncodeOutcome outcome = append_event_json(body, {event.data(), event.size()});
    if (outcome != EncodeOutcome::done) state.SkipWithError("not encoded");
    benchmark::DoNotOptimize(body.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(message.size()));
}
BENCHMARK_CAPTURE(string_of, quoted_json,
                  R"({"level":"info","msg":"served","code":200,"path":"/x"})");
BENCHMARK_CAPTURE(string_of, accents, "Größe überschritten, très étrange, ");
BENCHMARK_CAPTURE(string_of, cjk, "接続が拒否されました。");
BENCHMARK_CAPTURE(string_of, all_quotes, "\"\"\"\"");

// The floor: copying what would be written.
void copy_of_the_json(benchmark::State& state, const char* version) {
  const Events& events = container_records(version);
  ByteBuffer body(events.json_bytes + 4096);
  for (auto _ : state) {
    body.clear();
    for (const auto& event : events.json) body.append(event);
    benchmark::DoNotOptimize(body.data());
  }
  report(state, events);
}
BENCHMARK_CAPTURE(copy_of_the_json, fluentd_5_9, "5.9-fluentd");

void json_passed_on(benchmark::State& state, const char* version) {
  const Events& events = container_records(version);
  ByteBuffer body(events.json_bytes + 4096);
  for (auto _ : state) {
    body.clear();
    for (const auto& event : events.json) {
      const EncodeOutcome outcome = append_json_object(body, as_bytes(event));
      if (outcome != EncodeOutcome::done) state.SkipWithError("not encoded");
    }
    benchmark::DoNotOptimize(body.data());
  }
  report(state, events);
}
BENCHMARK_CAPTURE(json_passed_on, vector_5_9, "5.9-vector");

void with_injected_fields(benchmark::State& state, const char* version) {
  const Events& events = container_records(version);
  const EventEncoder encoder({.time = "@time", .tag = "@tag", .id = "@id"});
  record::Batch batch;
  batch.tag = "kubernetes.var.log.containers.web-5f7b9d7c6d-9vmbr_shop-frontend_nginx.log";
  ByteBuffer body(events.json_bytes * 2);
  for (auto _ : state) {
    body.clear();
    uint32_t index = 0;
    for (const auto& event : events.msgpack) {
      const record::EventView view{
          .time = {1718093700, 279757487}, .record = {event.data(), event.size()}, .entry = {}};
      const EncodeOutcome outcome = encoder.append(body, batch, view, index++);
      if (outcome != EncodeOutcome::done) state.SkipWithError("not encoded");
    }
    benchmark::DoNotOptimize(body.data());
  }
  report(state, events);
}
BENCHMARK_CAPTURE(with_injected_fields, fluentd_5_9, "5.9-fluentd");

}  // namespace
}  // namespace penstock::kinesis_format
