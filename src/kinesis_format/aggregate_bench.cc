// Filling aggregates with events, in every form: what delivery spends on an event before the
// request. kpl is bound by MD5 (0.75 GB/s), compression by itself.
#include "kinesis_format/aggregate.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "kinesis_format/event_json.h"
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

void fill(benchmark::State& state, Aggregation aggregation, codec::Compression compression) {
  Aggregator aggregator({.aggregation = aggregation, .compression = compression});
  const RecordKey key{"a", Uint128{1} << 100};
  ByteBuffer data;
  size_t written = 0;
  for (auto _ : state) {
    aggregator.begin(key);
    for (const auto& event : events().msgpack) {
      for (;;) {
        const EncodeOutcome outcome =
            append_event_json(aggregator.begin_event(), {event.data(), event.size()});
        if (outcome != EncodeOutcome::done) state.SkipWithError("not encoded");
        if (aggregator.end_event("0123456789abcdef") == AggregateOutcome::added) break;
        data.clear();
        aggregator.close(data);
        written += data.size();
        aggregator.begin(key);
      }
    }
    if (!aggregator.empty()) {
      data.clear();
      aggregator.close(data);
      written += data.size();
    }
  }
  const auto rounds = static_cast<double>(state.iterations());
  const double count = rounds * static_cast<double>(events().msgpack.size());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(events().json_bytes));
  state.counters["cpu_s/M_events"] =
      benchmark::Counter(count / 1e6, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes/event"] = static_cast<double>(written) / count;
}
BENCHMARK_CAPTURE(fill, lines, Aggregation::lines, codec::Compression::none);
BENCHMARK_CAPTURE(fill, lines_gzip, Aggregation::lines, codec::Compression::gzip);
BENCHMARK_CAPTURE(fill, lines_zstd, Aggregation::lines, codec::Compression::zstd);
BENCHMARK_CAPTURE(fill, kpl, Aggregation::kpl, codec::Compression::none);
BENCHMARK_CAPTURE(fill, kpl_gzip, Aggregation::kpl, codec::Compression::gzip);
BENCHMARK_CAPTURE(fill, none_zstd, Aggregation::none, codec::Compression::zstd);

}  // namespace
}  // namespace penstock::kinesis_format
