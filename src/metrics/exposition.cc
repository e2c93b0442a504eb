#include "metrics/exposition.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <vector>

#include "metrics/registry.h"

namespace penstock::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

double seconds_between(WallTime from, WallTime to) {
  return std::chrono::duration<double>(to - from).count();
}

// The families of one scrape, in the order of the registry.
class Builder {
 public:
  Builder() {
    for (const Descriptor& each : descriptors()) {
      MetricFamily& family = families_.emplace_back();
      family.name = each.name;
      family.help = each.help;
      family.type = each.type == Type::counter ? MetricType::Counter
                    : each.type == Type::gauge ? MetricType::Gauge
                                               : MetricType::Histogram;
    }
  }

  void number(std::string_view name, double value, std::string_view first = {},
              std::string_view second = {}) {
    ClientMetric& metric = series(name, first, second);
    metric.counter.value = value;  // the type of the family says which one is written
    metric.gauge.value = value;
  }

  void histogram(std::string_view name, const Histogram::Snapshot& seen, std::string_view first) {
    ClientMetric& metric = series(name, first, {});
    uint64_t cumulative = 0;
    for (size_t i = 0; i < seen.counts.size(); ++i) {
      cumulative += seen.counts[i];
      const double bound = i < Histogram::kBoundsSeconds.size()
                               ? Histogram::kBoundsSeconds[i]
                               : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({cumulative, bound});
    }
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = seen.sum_seconds;
  }

  // So that a scrape shows the series from the start: rates over the first event are not lost.
  void zero_if_absent(std::string_view name, std::string_view first) {
    const Descriptor& descriptor = descriptor_of(name);
    const MetricFamily& family = families_[static_cast<size_t>(&descriptor - descriptors().data())];
    const bool present =
        std::any_of(family.metric.begin(), family.metric.end(),
                    [&](const ClientMetric& metric) { return metric.label[0].value == first; });
    if (!present) number(name, 0, first);
  }

  template <class Child>
  void family(std::string_view name, const Family<Child>& counters) {
    counters.for_each([&](const auto& labels, const Child& child) {
      number(name, static_cast<double>(child.value()), labels.first, labels.second);
    });
  }

  [[nodiscard]] std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  ClientMetric& series(std::string_view name, std::string_view first, std::string_view second) {
    const Descriptor& descriptor = descriptor_of(name);
    const auto index = static_cast<size_t>(&descriptor - descriptors().data());
    ClientMetric& metric = families_[index].metric.emplace_back();
    const bool is_common = descriptor.labels[0] == "identity" && first.empty();
    if (!descriptor.labels[0].empty() && !is_common) {
      metric.label.push_back({std::string(descriptor.labels[0]), std::string(first)});
    }
    if (!descriptor.labels[1].empty()) {
      metric.label.push_back({std::string(descriptor.labels[1]), std::string(second)});
    }
    return metric;
  }

  std::vector<MetricFamily> families_;
};

void add_ledger(const record::Ledger::Snapshot& ledger, Builder& out) {
  const auto add = [&out](std::string_view name, const auto& counts) {
    for (const auto& [label, count] : counts) out.number(name, static_cast<double>(count), label);
  };
  add("penstock_events_received_total", ledger.received);
  add("penstock_events_delivered_total", ledger.delivered);
  for (const auto& [labels, count] : ledger.dead_lettered) {
    out.number("penstock_events_dead_lettered_total", static_cast<double>(count), labels.first,
               labels.second);
  }
  add("penstock_events_dropped_total", ledger.dropped);
  add("penstock_events_duplicate_total", ledger.duplicate);
  add("penstock_events_pending", ledger.pending);
}

void add_counters(const Metrics& metrics, Builder& out) {
  out.family("penstock_bytes_received_total", metrics.bytes_received);
  out.family("penstock_connections", metrics.connections);
  out.family("penstock_messages_refused_total", metrics.messages_refused);
  out.family("penstock_auth_failures_total", metrics.auth_failures);
  out.family("penstock_put_requests_total", metrics.put_requests);
  out.family("penstock_put_records_total", metrics.put_records);
  metrics.put_latency.for_each([&](const auto& labels, const Histogram& histogram) {
    out.histogram("penstock_put_latency_seconds", histogram.snapshot(), labels.first);
  });
  out.family("penstock_shard_throttled_total", metrics.shard_throttled);
  out.family("penstock_config_reloads_total", metrics.config_reloads);
}

void add_status(const Status& status, WallTime now, Builder& out) {
  for (const SourceStatus& source : status.sources) {
    out.zero_if_absent("penstock_bytes_received_total", source.name);
    out.zero_if_absent("penstock_connections", source.name);
  }
  for (const char* result : {"ok", "failed"}) {
    out.zero_if_absent("penstock_config_reloads_total", result);
  }
  for (const StreamStatus& stream : status.streams) {
    out.number("penstock_spool_bytes", static_cast<double>(stream.spool_bytes), stream.name);
    const double age = stream.oldest_received ? seconds_between(*stream.oldest_received, now) : 0;
    out.number("penstock_oldest_pending_seconds", std::max(age, 0.0), stream.name);
  }
  for (const CertificateStatus& certificate : status.certificates) {
    out.number("penstock_certificate_expiry_seconds", seconds_between(now, certificate.expires),
               certificate.name);
  }
  for (const CredentialsStatus& credentials : status.credentials) {
    if (!credentials.expires) continue;
    out.number("penstock_credentials_expiry_seconds", seconds_between(now, *credentials.expires),
               credentials.identity);
  }
}

}  // namespace

uint64_t resident_memory_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  char line[128] = "";
  const bool read = std::fgets(line, sizeof line, file) != nullptr;
  std::fclose(file);
  if (!read) return 0;
  char* rest = nullptr;
  std::strtoul(line, &rest, 10);  // pages in all
  const unsigned long resident_pages = std::strtoul(rest, nullptr, 10);
  return static_cast<uint64_t>(resident_pages) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string exposition(const Scrape& scrape) {
  Builder out;
  add_ledger(scrape.ledger, out);
  add_counters(scrape.metrics, out);
  add_status(scrape.status, scrape.now, out);
  out.number("penstock_memory_bytes", static_cast<double>(resident_memory_bytes()));
  out.number("penstock_build_info", 1, scrape.version);
  return out.text();
}

}  // namespace penstock::metrics
