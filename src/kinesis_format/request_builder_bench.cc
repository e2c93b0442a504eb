// Filling requests with events, CBOR and JSON: what delivery spends on an event before signing.
#include "kinesis_format/request_builder.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "kinesis_format/event_encoder.h"
#include "kinesis_format/event_json.h"
#include "kinesis_format/md5.h"
#include "kinesis_format/openshift_samples.h"

namespace penstock::kinesis_format {
namespace {

struct Events {
  std::vector<std::vector<uint8_t>> msgpack;
  size_t json_bytes = 0;
};

const Events& events() {
  static const Events made = [] {
    Events all;
    for (const OrderedJson& record : read_all_samples()) {
      const size_t size = record.dump().size();
      if (size > 4096) continue;
      all.json_bytes += size;
      all.msgpack.push_back(OrderedJson::to_msgpack(record));
    }
    return all;
  }();
  return made;
}

void build(benchmark::State& state, Protocol protocol) {
  RequestBuilder::Options options;
  options.protocol = protocol;
  options.stream_name = "projects";
  RequestBuilder builder(options);
  const EventEncoder encoder;
  record::Batch batch;
  const RecordKey key{"0123456789abcdef", {}};
  size_t requests = 0;
  for (auto _ : state) {
    uint64_t cookie = 0;
    for (const auto& event : events().msgpack) {
      const record::EventView view{.time = {}, .record = {event.data(), event.size()}, .entry = {}};
      for (;;) {
        const EncodeOutcome outcome =
            encoder.append(builder.begin_record(), batch, view, 0, builder.data_bytes_max(key));
        if (outcome != EncodeOutcome::done) state.SkipWithError("not encoded");
        if (builder.end_record(key, cookie++) == AddOutcome::added) break;
        Request request = builder.take();
        benchmark::DoNotOptimize(request.body().data());
        builder.reuse(std::move(request));
        ++requests;
      }
    }
  }
  const auto rounds = static_cast<double>(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(events().json_bytes));
  state.counters["cpu_s/M_events"] =
      benchmark::Counter(rounds * static_cast<double>(events().msgpack.size()) / 1e6,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["requests"] = static_cast<double>(requests);
}
BENCHMARK_CAPTURE(build, cbor, Protocol::cbor);
BENCHMARK_CAPTURE(build, json, Protocol::json);

void md5_of(benchmark::State& state) {
  ByteBuffer bytes;
  for (int64_t i = 0; i < state.range(0); ++i) bytes.push_back(static_cast<uint8_t>(i * 31));
  for (auto _ : state) benchmark::DoNotOptimize(md5(bytes.view()));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(md5_of)->Arg(16)->Arg(25600);

}  // namespace
}  // namespace penstock::kinesis_format
