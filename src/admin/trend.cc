#include "admin/trend.h"

#include <algorithm>
#include <cmath>

namespace penstock::admin {
namespace {

// Counters that are quiet for so long begin again at their next increase.
constexpr seconds kQuiet{900};

template <class Map>
uint64_t count_of(const Map& counts, const std::string& label) {
  const auto found = counts.find(label);
  return found == counts.end() ? 0 : found->second;
}

double seconds_of(SteadyTime::duration time) { return std::chrono::duration<double>(time).count(); }

double per_second(uint64_t before, uint64_t after, double time) {
  return after > before && time > 0 ? static_cast<double>(after - before) / time : 0;
}

}  // namespace

void Trend::add(Series& series, Point point) {
  series.looked = point.at;
  if (series.count > 0) {
    // What leaves by other ways than delivery must not make the sum go down.
    point.in = std::max(point.in, series.back(0).in);
    point.out = std::max(point.out, series.back(0).out);
  }
  series.points[series.count % Series::kPoints] = point;
  ++series.count;
}

double Trend::growth_of(const Series& series, size_t far) {
  const auto step_to = [&](size_t age) {
    return series.back(age).bytes - series.back(age + 1).bytes;
  };
  double largest = 0;
  for (size_t age = 0; age < far; ++age) largest = std::max(largest, std::abs(step_to(age)));
  const Point* first = nullptr;
  const Point* latest = nullptr;
  for (size_t age = far; age-- > 0;) {
    if (largest == 0 || std::abs(step_to(age)) < largest / 16) continue;
    latest = &series.back(age);
    if (first == nullptr) first = latest;
  }
  if (first == latest) return 0;
  const Point& now = series.back(0);
  const auto time = std::max(latest->at - first->at, now.at - latest->at);
  return (now.bytes - first->bytes) / seconds_of(time);
}

Rates Trend::rates_of(const Series& series) {
  Rates rates;
  if (series.count < 2) return rates;
  const Point& last = series.back(0);
  const size_t known = std::min(series.count, Series::kPoints) - 1;
  size_t near = 0;
  size_t far = 0;
  for (size_t age = 1; age <= known; ++age) {
    const auto span = last.at - series.back(age).at;
    if (near == 0 || span <= kRateWindow) near = age;
    if (far == 0 || span <= kGrowthWindow) far = age;
  }
  const Point& recent = series.back(near);
  const double near_time = seconds_of(last.at - recent.at);
  rates.in = per_second(recent.in, last.in, near_time);
  rates.out = per_second(recent.out, last.out, near_time);
  rates.bytes_growth = growth_of(series, far);
  if (near_time > 0) rates.age_growth = (last.age - recent.age) / near_time;
  return rates;
}

Rates Trend::stream(const std::string& name) const {
  const auto found = streams_.find(name);
  return found == streams_.end() ? Rates{} : rates_of(found->second);
}

Rates Trend::source(const std::string& name) const {
  const auto found = sources_.find(name);
  return found == sources_.end() ? Rates{} : rates_of(found->second);
}

void Trend::look(const metrics::Scrape& scrape, SteadyTime now) {
  Point all{.at = now};
  for (const metrics::StreamStatus& stream : scrape.status.streams) {
    Point point{.at = now};
    point.out = count_of(scrape.ledger.delivered, stream.name);
    uint64_t dead = 0;
    for (const auto& [labels, count] : scrape.ledger.dead_lettered) {
      if (labels.first == stream.name) dead += count;
    }
    point.in = point.out + dead + count_of(scrape.ledger.pending, stream.name);
    point.bytes = static_cast<double>(stream.spool_bytes);
    if (stream.oldest_received) {
      point.age = std::chrono::duration<double>(scrape.now - *stream.oldest_received).count();
    }
    all.out += point.out;
    all.bytes += point.bytes;
    all.age = std::max(all.age, point.age);
    add(streams_[stream.name], point);
  }
  for (const metrics::SourceStatus& source : scrape.status.sources) {
    Point point{.at = now};
    point.in = count_of(scrape.ledger.received, source.name);
    all.in += point.in;
    add(sources_[source.name], point);
  }
  add(all_, all);
  const auto is_gone = [now](const auto& entry) { return entry.second.looked != now; };
  std::erase_if(streams_, is_gone);
  std::erase_if(sources_, is_gone);
  watch_counters(scrape, now);
}

void Trend::watch_counters(const metrics::Scrape& scrape, SteadyTime now) {
  for (const auto& [labels, count] : scrape.ledger.dead_lettered) {
    watch("dead_lettered/" + labels.first + "/" + labels.second, count, scrape, now);
  }
  for (const auto& [reason, count] : scrape.ledger.dropped) {
    if (reason == "own_logs" || reason == "not_selected") continue;  // as configured
    watch("dropped/" + reason, count, scrape, now);
  }
  const auto rejected = [&](const auto& labels, const metrics::Counter& counter) {
    watch("rejected/" + labels.first + "/" + labels.second, counter.value(), scrape, now);
  };
  scrape.metrics.auth_failures.for_each(rejected);
  scrape.metrics.messages_refused.for_each([&](const auto& labels, const auto& counter) {
    const std::string& reason = labels.second;
    if (reason == "tls_handshake" || reason == "max_connections" || reason == "udp_overflow") {
      rejected(labels, counter);
    }
  });
}

void Trend::watch(const std::string& key, uint64_t value, const metrics::Scrape& scrape,
                  SteadyTime now) {
  Watched& watched = counters_[key];
  if (value > watched.value) {
    const bool begins = !watched.active || now - watched.last_increase > kQuiet;
    if (begins) {
      watched.value_before = watched.value;
      watched.since = scrape.now;
    }
    watched.active = true;
    watched.last_increase = now;
  }
  watched.value = value;
}

std::optional<Recent> Trend::recent(const std::string& key, seconds quiet) const {
  const auto found = counters_.find(key);
  if (found == counters_.end() || !found->second.active) return std::nullopt;
  const SteadyTime now = all_.looked;
  if (now - found->second.last_increase > quiet) return std::nullopt;
  return Recent{found->second.value - found->second.value_before, found->second.since};
}

}  // namespace penstock::admin
