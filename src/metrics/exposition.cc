#include "metrics/exposition.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <set>
#include <sstream>
#include <tuple>
#include <vector>

#include "metrics/known_labels.h"
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
    if (seen_.contains({name, std::string(first), {}})) return;
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

  // So that a scrape shows the series from the start: an increase from nothing is invisible.
  void zero_if_absent(std::string_view name, std::string_view first, std::string_view second = {}) {
    if (!seen_.contains({name, std::string(first), std::string(second)})) {
      number(name, 0, first, second);
    }
  }
  void zeros_if_absent(std::string_view name, std::string_view first, Labels seconds_of_it) {
    for (const std::string_view second : seconds_of_it) zero_if_absent(name, first, second);
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
    seen_.insert({descriptor.name, std::string(first), std::string(second)});
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
  std::set<std::tuple<std::string_view, std::string, std::string>> seen_;
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
  out.family("penstock_admin_refused_total", metrics.admin_refused);
}

double unix_seconds(const std::optional<WallTime>& time) {
  return time ? std::chrono::duration<double>(time->time_since_epoch()).count() : 0;
}

void add_source(const SourceStatus& source, Builder& out) {
  out.zero_if_absent("penstock_bytes_received_total", source.name);
  out.zero_if_absent("penstock_connections", source.name);
  out.zeros_if_absent("penstock_messages_refused_total", source.name, refusal_reasons(source.type));
  out.zeros_if_absent("penstock_auth_failures_total", source.name,
                      auth_failure_reasons(source.type));
  out.number("penstock_last_event_timestamp_seconds", unix_seconds(source.last_event), source.name);
}

void add_stream(const StreamStatus& stream, WallTime now, Builder& out) {
  out.number("penstock_spool_bytes", static_cast<double>(stream.spool_bytes), stream.name);
  out.number("penstock_spool_max_bytes", static_cast<double>(stream.spool_bytes_max), stream.name);
  const double age = stream.oldest_received ? seconds_between(*stream.oldest_received, now) : 0;
  out.number("penstock_oldest_pending_seconds", std::max(age, 0.0), stream.name);
  out.number("penstock_backpressure", stream.pushing_back && !stream.disk_failing ? 1 : 0, "spool",
             stream.name);
  out.number("penstock_backpressure", stream.disk_failing ? 1 : 0, "disk", stream.name);
  out.number("penstock_shards", stream.delivery.shards, stream.name);
  out.number("penstock_shards_paced", static_cast<double>(stream.delivery.shards_throttled.size()),
             stream.name);
  out.number("penstock_stream_paused", stream.paused_because.empty() ? 0 : 1, stream.name);
  out.number("penstock_stream_ordered", stream.ordered ? 1 : 0, stream.name);
  out.number("penstock_keys_ignored", stream.lacks_keys() ? 1 : 0, stream.name);
  out.number("penstock_last_delivery_timestamp_seconds", unix_seconds(stream.delivery.last_success),
             stream.name);
  out.zeros_if_absent("penstock_events_dead_lettered_total", stream.name,
                      dead_letter_reasons_of_streams());
  out.histogram("penstock_put_latency_seconds", {}, stream.name);
  out.zeros_if_absent("penstock_put_requests_total", stream.name, put_request_results());
  out.zeros_if_absent("penstock_put_records_total", stream.name, put_record_results());
}

void add_spool(const SpoolStatus& spool, Builder& out) {
  const auto bytes = [&out](std::string_view name, uint64_t value) {
    out.number(name, static_cast<double>(value));
  };
  if (spool.volume_bytes > 0) {
    bytes("penstock_volume_bytes", spool.volume_bytes);
    bytes("penstock_volume_free_bytes", spool.volume_bytes_free);
  }
  if (spool.dead_letter_directory.empty()) return;
  bytes("penstock_dead_letters", spool.dead_letters);
  bytes("penstock_dead_letter_bytes", spool.dead_letter_bytes);
  bytes("penstock_dead_letter_max_bytes", spool.dead_letter_bytes_max);
}

void add_status(const Status& status, WallTime now, Builder& out) {
  for (const SourceStatus& source : status.sources) add_source(source, out);
  for (const StreamStatus& stream : status.streams) add_stream(stream, now, out);
  for (const char* source : {"recovered", "dead_letter"}) {
    out.zero_if_absent("penstock_events_received_total", source);
  }
  out.zeros_if_absent("penstock_events_dead_lettered_total", "",
                      dead_letter_reasons_without_stream());
  for (const std::string_view reason : drop_reasons()) {
    out.zero_if_absent("penstock_events_dropped_total", reason);
  }
  for (const char* result : {"ok", "failed"}) {
    out.zero_if_absent("penstock_config_reloads_total", result);
  }
  for (const std::string_view reason : admin_refusal_reasons()) {
    out.zero_if_absent("penstock_admin_refused_total", reason);
  }
  out.number("penstock_backpressure", status.process.memory_short ? 1 : 0, "memory", "");
  add_spool(status.spool, out);
  for (const CertificateStatus& certificate : status.certificates) {
    out.number("penstock_certificate_expiry_seconds", seconds_between(now, certificate.expires),
               certificate.name);
  }
  for (const CredentialsStatus& credentials : status.credentials) {
    if (!credentials.expires) continue;
    out.number("penstock_credentials_expiry_seconds", seconds_between(now, *credentials.expires),
               credentials.identity);
  }
  out.number("penstock_memory_limit_bytes", static_cast<double>(status.process.memory_limit));
  out.number("penstock_start_time_seconds", unix_seconds(status.process.started));
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
  out.number("penstock_ready", scrape.ready ? 1 : 0);
  out.number("penstock_build_info", 1, scrape.version);
  return out.text();
}

}  // namespace penstock::metrics
