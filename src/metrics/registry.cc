#include "metrics/registry.h"

#include "base/check.h"

namespace penstock::metrics {
namespace {

using enum Type;

constexpr Descriptor kDescriptors[] = {
    {"penstock_events_received_total",
     counter,
     {"source", ""},
     "Events decoded, checked and admitted. Backlog found at start has source \"recovered\", "
     "replayed dead letters \"dead_letter\"."},
    {"penstock_events_delivered_total",
     counter,
     {"stream", ""},
     "Events whose record (or all parts of it) Kinesis accepted, each once."},
    {"penstock_events_dead_lettered_total",
     counter,
     {"stream", "reason"},
     "Events kept in the dead letters; stream is empty when no route matched."},
    {"penstock_events_dropped_total", counter, {"reason", ""}, "Events dropped, by reason."},
    {"penstock_events_duplicate_total",
     counter,
     {"source", ""},
     "Events of repeated chunks that were recognized and discarded."},
    {"penstock_events_pending",
     gauge,
     {"stream", ""},
     "Events that are not final yet. At every scrape received = delivered + dead-lettered + "
     "dropped + "
     "duplicate + pending, summed over labels."},
    {"penstock_bytes_received_total", counter, {"source", ""}, "Bytes read from senders."},
    {"penstock_connections", gauge, {"source", ""}, "Connections open now."},
    {"penstock_messages_refused_total",
     counter,
     {"source", "reason"},
     "Messages rejected as a whole; their events are not counted."},
    {"penstock_auth_failures_total",
     counter,
     {"source", "reason"},
     "Handshakes and requests rejected for their key, password, token or certificate."},
    {"penstock_spool_bytes", gauge, {"stream", ""}, "Bytes of the stream's files (or memory)."},
    {"penstock_spool_max_bytes",
     gauge,
     {"stream", ""},
     "The stream's share of spool.max_size; at this size senders are slowed down."},
    {"penstock_volume_bytes",
     gauge,
     {"", ""},
     "Size of the file system that holds spool.directory; absent without a directory."},
    {"penstock_volume_free_bytes", gauge, {"", ""}, "Free bytes of that file system."},
    {"penstock_dead_letters", gauge, {"", ""}, "Dead letters stored now."},
    {"penstock_dead_letter_bytes", gauge, {"", ""}, "Bytes of the files of the dead letters."},
    {"penstock_dead_letter_max_bytes", gauge, {"", ""}, "dead_letters.max_size."},
    {"penstock_backpressure",
     gauge,
     {"cause", "stream"},
     "1 while senders are slowed down: cause spool if the stream's share is full, disk if files "
     "cannot "
     "be written, memory (stream is empty) if memory is short."},
    {"penstock_oldest_pending_seconds",
     gauge,
     {"stream", ""},
     "Age of the oldest event not yet delivered; 0 when there is none."},
    {"penstock_put_requests_total",
     counter,
     {"stream", "result"},
     "Requests to the service, by result."},
    {"penstock_put_records_total",
     counter,
     {"stream", "result"},
     "Records in these requests, by result; each retry of a record counts."},
    {"penstock_put_latency_seconds",
     histogram,
     {"stream", ""},
     "From sending a request to the end of its response."},
    {"penstock_shard_throttled_total",
     counter,
     {"stream", "shard"},
     "Records rejected because a shard was at its limit."},
    {"penstock_shards",
     gauge,
     {"stream", ""},
     "Open shards of the stream; 0 while unknown (kinesis:ListShards is not allowed)."},
    {"penstock_shards_paced",
     gauge,
     {"stream", ""},
     "Shards that throttled records within the last 30 s."},
    {"penstock_stream_paused",
     gauge,
     {"stream", ""},
     "1 while delivery to the stream is paused and probed every 30 to 60 s."},
    {"penstock_stream_ordered", gauge, {"stream", ""}, "1 with order: per_key."},
    {"penstock_keys_ignored",
     gauge,
     {"stream", ""},
     "1 while the service chooses the shards of the stream's records itself "
     "(RecordDistributionStrategy AUTO), although order: per_key or aggregation: kpl needs keys."},
    {"penstock_last_delivery_timestamp_seconds",
     gauge,
     {"stream", ""},
     "When Kinesis last accepted a record (Unix time); 0 when it has not since the start."},
    {"penstock_last_event_timestamp_seconds",
     gauge,
     {"source", ""},
     "When the source last received an event (Unix time); 0 when it has not since the start."},
    {"penstock_certificate_expiry_seconds",
     gauge,
     {"name", ""},
     "Seconds until a certificate expires; negative when it has."},
    {"penstock_credentials_expiry_seconds",
     gauge,
     {"identity", ""},
     "Seconds until the AWS credentials expire; absent when they do not. Those of `aws` have no "
     "label, those of streams with `aws` of their own name the identity."},
    {"penstock_memory_bytes", gauge, {"", ""}, "Resident memory of the process."},
    {"penstock_memory_limit_bytes", gauge, {"", ""}, "memory_limit."},
    {"penstock_ready", gauge, {"", ""}, "1 while GET /readyz answers 200."},
    {"penstock_start_time_seconds", gauge, {"", ""}, "When the process started (Unix time)."},
    {"penstock_config_reloads_total",
     counter,
     {"result", ""},
     "Reloads of the configuration: ok, failed (nothing was changed)."},
    {"penstock_admin_refused_total",
     counter,
     {"reason", ""},
     "Requests to admin.secure rejected for their token, password or TLS."},
    {"penstock_build_info", gauge, {"version", ""}, "Always 1."},
};

std::string_view name_of(Type type) {
  switch (type) {
    case counter:
      return "counter";
    case gauge:
      return "gauge";
    case histogram:
      return "histogram";
  }
  return "gauge";
}

}  // namespace

std::span<const Descriptor> descriptors() { return kDescriptors; }

const Descriptor& descriptor_of(std::string_view name) {
  const Descriptor* found = nullptr;
  for (const Descriptor& each : kDescriptors) {
    if (each.name == name) found = &each;
  }
  CHECK(found != nullptr);
  return *found;
}

std::string metrics_reference() {
  std::string out =
      "# Metrics\n\n"
      "`GET /metrics` on the admin port (9880), in the Prometheus text format. Generated from\n"
      "`src/metrics/registry.cc`; a test verifies it. `source` and `stream` are names of the\n"
      "configuration. All event counters of one scrape are read at the same moment, so they\n"
      "balance at every scrape.\n\n"
      "| name | type | labels | |\n| --- | --- | --- | --- |\n";
  for (const Descriptor& each : kDescriptors) {
    out += "| `" + std::string(each.name) + "` | " + std::string(name_of(each.type)) + " | ";
    if (!each.labels[0].empty()) out += "`" + std::string(each.labels[0]) + "`";
    if (!each.labels[1].empty()) out += ", `" + std::string(each.labels[1]) + "`";
    out += " | " + std::string(each.help) + " |\n";
  }
  return out;
}

}  // namespace penstock::metrics
