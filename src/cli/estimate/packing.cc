#include "cli/estimate/packing.h"

#include <algorithm>

#include "base/check.h"
#include "codec/compress.h"

namespace penstock::cli {
namespace {

// A random partition key: 16 hex digits.
constexpr std::string_view kKey = "0123456789abcdef";
// Long enough for aggregates to fill: this much of events, or the sample once.
constexpr size_t kBytesMin = 4u << 20;
constexpr size_t kEventsMax = 2'000'000;

}  // namespace

Traffic measure_packing(const std::vector<std::string>& events, double events_per_second,
                        const PackingMode& mode) {
  CHECK(!events.empty() && events_per_second > 0);
  kinesis_format::Aggregator aggregator(
      {.aggregation = mode.aggregation, .compression = mode.compression});
  // Kinesis records are grouped by size; how often each comes follows from the whole time.
  std::vector<size_t> record_sizes;
  ByteBuffer data;
  const kinesis_format::RecordKey key{kKey, std::nullopt};
  const auto close = [&] {
    data.clear();
    aggregator.close(data);
    record_sizes.push_back(data.size() + kinesis_format::key_bytes(key));
  };
  const double interval = static_cast<double>(mode.flush_interval.count()) / 1e3;
  const auto per_interval = static_cast<uint64_t>(std::max(1.0, events_per_second * interval));
  size_t bytes = 0, count = 0;
  for (; count < events.size() || (bytes < kBytesMin && count < kEventsMax); ++count) {
    const std::string& event = events[count % events.size()];
    bytes += event.size();
    if (!aggregator.empty() && aggregator.event_count() >= per_interval) close();
    for (;;) {
      if (aggregator.empty()) aggregator.begin(key);
      aggregator.begin_event().append(event);
      const auto added = aggregator.end_event(kKey);
      if (added == kinesis_format::AggregateOutcome::added) break;
      if (added == kinesis_format::AggregateOutcome::full) {
        close();
        continue;
      }
      // It will be split: about as many records as its size needs.
      for (size_t left = event.size(); left > 0;) {
        const size_t part = std::min(left, kinesis_format::kRecordBytesDefault - kKey.size());
        record_sizes.push_back(part + kKey.size());
        left -= part;
      }
      aggregator.clear();
      break;
    }
    if (mode.aggregation == kinesis_format::Aggregation::none && !aggregator.empty()) close();
  }
  if (!aggregator.empty() && aggregator.event_count() > 0) close();
  Traffic traffic;
  const double seconds_long = static_cast<double>(count) / events_per_second;
  for (const size_t size : record_sizes) traffic.add_record(size, 1.0 / seconds_long);
  // What is compressed already does not become smaller.
  traffic.archived_bytes_per_second =
      mode.compression == codec::Compression::none
          ? static_cast<double>(bytes) / seconds_long * gzip_ratio(events)
          : traffic.bytes_per_second;
  return traffic;
}

double gzip_ratio(const std::vector<std::string>& events) {
  ByteBuffer text, small;
  for (const std::string& event : events) {
    text.append(event);
    text.push_back('\n');
    if (text.size() > kBytesMin) break;
  }
  codec::Compressor compressor(codec::Compression::gzip);
  compressor.append(small, text.view());
  return static_cast<double>(small.size()) / static_cast<double>(text.size());
}

}  // namespace penstock::cli
