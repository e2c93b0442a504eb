#include "admin/history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace penstock::admin {
namespace {

using metrics::Histogram;
using Json = nlohmann::ordered_json;

// The value below which `part` of the observations lie, within a bucket by proportion.
float quantile(const Histogram::Snapshot& counts, double part) {
  uint64_t all = 0;
  for (const uint64_t count : counts.counts) all += count;
  if (all == 0) return 0;
  const double wanted = part * static_cast<double>(all);
  double below = 0;
  for (size_t i = 0; i < Histogram::kBoundsSeconds.size(); ++i) {
    const auto count = static_cast<double>(counts.counts[i]);
    if (below + count >= wanted && count > 0) {
      const double from = i == 0 ? 0 : Histogram::kBoundsSeconds[i - 1];
      const double to = Histogram::kBoundsSeconds[i];
      return static_cast<float>(from + (to - from) * (wanted - below) / count);
    }
    below += count;
  }
  return static_cast<float>(Histogram::kBoundsSeconds.back());
}

double rounded(float value) {
  // Four digits are what a plot shows.
  if (value == 0) return 0;
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", static_cast<double>(value));
  return std::strtod(text, nullptr);
}

Json rows_of(const std::vector<History::Sample>& samples) {
  Json rows = Json::array();
  for (const History::Sample& sample : samples) {
    rows.push_back({sample.time, rounded(sample.in), rounded(sample.out), rounded(sample.pending),
                    rounded(sample.age), rounded(sample.share), rounded(sample.p50),
                    rounded(sample.p99), rounded(sample.failed), rounded(sample.throttled)});
  }
  return rows;
}

}  // namespace

template <size_t N>
std::vector<History::Sample> History::in_order(const std::array<Sample, N>& ring, size_t count) {
  std::vector<Sample> samples;
  const size_t kept = std::min(count, N);
  samples.reserve(kept);
  for (size_t i = count - kept; i < count; ++i) samples.push_back(ring[i % N]);
  return samples;
}

History::Totals History::totals_of(const metrics::Scrape& scrape) {
  Totals totals;
  for (const metrics::SourceStatus& source : scrape.status.sources) {
    const auto found = scrape.ledger.received.find(source.name);
    if (found != scrape.ledger.received.end()) totals.in += found->second;
  }
  for (const auto& [stream, count] : scrape.ledger.delivered) totals.out += count;
  scrape.metrics.put_requests.for_each([&](const auto& labels, const metrics::Counter& counter) {
    if (labels.second != "ok" && labels.second != "partial") totals.failed += counter.value();
  });
  scrape.metrics.put_records.for_each([&](const auto& labels, const metrics::Counter& counter) {
    if (labels.second.ends_with("throttled")) totals.throttled += counter.value();
  });
  scrape.metrics.put_latency.for_each([&](const auto&, const Histogram& histogram) {
    const Histogram::Snapshot one = histogram.snapshot();
    for (size_t i = 0; i < one.counts.size(); ++i) totals.latency.counts[i] += one.counts[i];
  });
  return totals;
}

void History::look(const metrics::Scrape& scrape, SteadyTime now) {
  if (begun_ && now - last_ < kShortInterval) return;
  const Totals totals = totals_of(scrape);
  if (begun_) {
    const double time = std::chrono::duration<double>(now - last_).count();
    const auto grown = [](uint64_t before, uint64_t after) {
      return static_cast<float>(after > before ? after - before : 0);
    };
    Sample sample;
    sample.time = static_cast<uint32_t>(std::chrono::system_clock::to_time_t(scrape.now));
    sample.in = grown(before_.in, totals.in) / static_cast<float>(time);
    sample.out = grown(before_.out, totals.out) / static_cast<float>(time);
    sample.failed = grown(before_.failed, totals.failed);
    sample.throttled = grown(before_.throttled, totals.throttled);
    Histogram::Snapshot meanwhile;
    for (size_t i = 0; i < meanwhile.counts.size(); ++i) {
      const uint64_t before = before_.latency.counts[i];
      meanwhile.counts[i] = std::max(totals.latency.counts[i], before) - before;
    }
    sample.p50 = quantile(meanwhile, 0.5);
    sample.p99 = quantile(meanwhile, 0.99);
    for (const auto& [stream, count] : scrape.ledger.pending) {
      sample.pending += static_cast<float>(count);
    }
    for (const metrics::StreamStatus& stream : scrape.status.streams) {
      if (stream.spool_bytes_max > 0) {
        sample.share = std::max(sample.share, static_cast<float>(stream.spool_bytes) /
                                                  static_cast<float>(stream.spool_bytes_max));
      }
      if (!stream.oldest_received) continue;
      const std::chrono::duration<float> age = scrape.now - *stream.oldest_received;
      sample.age = std::max(sample.age, age.count());
    }
    add(sample);
  }
  begun_ = true;
  last_ = now;
  before_ = totals;
}

// Of the last short samples: the mean of rates, the worst of states, the sum of counts.
History::Sample History::merged() const {
  Sample all;
  for (size_t i = 0; i < kLongEvery; ++i) {
    const Sample& one = short_[(short_count_ - 1 - i) % kShortCount];
    all.time = std::max(all.time, one.time);
    all.in += one.in / kLongEvery;
    all.out += one.out / kLongEvery;
    all.p50 = std::max(all.p50, one.p50);
    all.p99 = std::max(all.p99, one.p99);
    all.pending = std::max(all.pending, one.pending);
    all.age = std::max(all.age, one.age);
    all.share = std::max(all.share, one.share);
    all.failed += one.failed;
    all.throttled += one.throttled;
  }
  return all;
}

void History::add(Sample sample) {
  short_[short_count_ % kShortCount] = sample;
  ++short_count_;
  if (short_count_ % kLongEvery != 0) return;
  long_[long_count_ % kLongCount] = merged();
  ++long_count_;
}

std::string History::json() const {
  const Json history{
      {"columns",
       {"time", "in_per_second", "out_per_second", "pending", "oldest_pending_seconds",
        "share_used", "put_latency_p50_seconds", "put_latency_p99_seconds", "failed_requests",
        "throttled_records"}},
      {"recent", Json{{"interval_seconds", kShortInterval.count()}, {"rows", rows_of(recent())}}},
      {"hours", Json{{"interval_seconds", kShortInterval.count() * int64_t{kLongEvery}},
                     {"rows", rows_of(hours())}}}};
  return history.dump() + "\n";
}

}  // namespace penstock::admin
