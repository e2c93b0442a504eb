#include "admin/status_json.h"

#include <algorithm>
#include <cmath>
// A status page is asked for once in a while: the library that cannot get JSON wrong is worth more
// here than speed.
#include <nlohmann/json.hpp>

#include "admin/words.h"

namespace penstock::admin {
namespace {

using Json = nlohmann::ordered_json;
using metrics::Counter;
using metrics::Family;

template <class Map>
uint64_t count_of(const Map& counts, const std::string& label) {
  const auto found = counts.find(label);
  return found == counts.end() ? 0 : found->second;
}

template <class Map>
uint64_t sum_of(const Map& counts) {
  uint64_t sum = 0;
  for (const auto& [label, count] : counts) sum += count;
  return sum;
}

// {second label: value} of all children with this first label.
Json by_second(const Family<Counter>& family, const std::string& first) {
  Json values = Json::object();
  family.for_each([&](const auto& labels, const Counter& counter) {
    if (labels.first == first) values[labels.second] = counter.value();
  });
  return values;
}

template <class Child>
int64_t value_of(const Family<Child>& family, const std::string& first,
                 const std::string& second = {}) {
  int64_t value = 0;
  family.for_each([&](const auto& labels, const Child& child) {
    if (labels.first == first && labels.second == second) {
      value = static_cast<int64_t>(child.value());
    }
  });
  return value;
}

Json events_json(const record::Ledger::Snapshot& ledger) {
  return Json{
      {"received", sum_of(ledger.received)},           {"delivered", sum_of(ledger.delivered)},
      {"dead_lettered", sum_of(ledger.dead_lettered)}, {"dropped", sum_of(ledger.dropped)},
      {"duplicate", sum_of(ledger.duplicate)},         {"pending", sum_of(ledger.pending)}};
}

Json time_json(const std::optional<WallTime>& time) {
  return time ? Json(rfc3339(*time)) : Json(nullptr);
}

double rounded(double value) { return std::round(value * 100) / 100; }

Json sources_json(const metrics::Scrape& scrape, const Trend& trend) {
  Json sources = Json::array();
  for (const metrics::SourceStatus& source : scrape.status.sources) {
    sources.push_back(
        Json{{"name", source.name},
             {"type", source.type},
             {"address", source.address},
             {"tls", source.tls},
             {"connections", value_of(scrape.metrics.connections, source.name)},
             {"events_received", count_of(scrape.ledger.received, source.name)},
             {"in_per_second", rounded(trend.source(source.name).in)},
             {"last_event", time_json(source.last_event)},
             {"events_duplicate", count_of(scrape.ledger.duplicate, source.name)},
             {"bytes_received", value_of(scrape.metrics.bytes_received, source.name)},
             {"messages_refused", by_second(scrape.metrics.messages_refused, source.name)},
             {"auth_failures", by_second(scrape.metrics.auth_failures, source.name)}});
  }
  return sources;
}

Json routes_json(const metrics::Scrape& scrape) {
  Json routes = Json::array();
  for (const metrics::RouteStatus& route : scrape.status.routes) {
    routes.push_back(
        Json{{"condition", route.condition},
             {"stream", route.stream},
             {"events", value_of(scrape.metrics.routed, route.condition, route.stream)}});
  }
  return routes;
}

Json stream_json(const metrics::Scrape& scrape, const metrics::StreamStatus& stream,
                 const StreamView& view) {
  Json dead_lettered = Json::object();
  for (const auto& [labels, count] : scrape.ledger.dead_lettered) {
    if (labels.first == stream.name) dead_lettered[labels.second] = count;
  }
  const metrics::DeliveryStatus& delivery = stream.delivery;
  Json last_error = nullptr;
  if (delivery.last_error_at) {
    last_error = Json{{"when", rfc3339(*delivery.last_error_at)}, {"message", delivery.last_error}};
  }
  return Json{{"name", stream.name},
              {"target", stream.target},
              {"endpoint", delivery.endpoint},
              {"state", view.state},
              {"level", to_string(view.level)},
              {"in_per_second", rounded(view.rates.in)},
              {"out_per_second", rounded(view.rates.out)},
              {"events_delivered", count_of(scrape.ledger.delivered, stream.name)},
              {"events_pending", count_of(scrape.ledger.pending, stream.name)},
              {"events_dead_lettered", std::move(dead_lettered)},
              {"oldest_pending_seconds", std::max(view.behind_seconds, 0.0)},
              {"spool_bytes", stream.spool_bytes},
              {"spool_bytes_max", stream.spool_bytes_max},
              {"full_in_seconds",
               view.full_in_seconds ? Json(rounded(*view.full_in_seconds)) : Json(nullptr)},
              {"pushing_back", stream.pushing_back},
              {"paused_because", stream.paused_because},
              {"last_success", time_json(delivery.last_success)},
              {"failing_since", time_json(delivery.failing_since)},
              {"last_error", std::move(last_error)},
              {"shards", delivery.shards},
              {"shards_slowed", delivery.shards_throttled},
              {"keys_ignored_since", time_json(delivery.keys_ignored_since)},
              {"put_requests", by_second(scrape.metrics.put_requests, stream.name)},
              {"put_records", by_second(scrape.metrics.put_records, stream.name)},
              {"shard_throttled", by_second(scrape.metrics.shard_throttled, stream.name)}};
}

Json streams_json(const metrics::Scrape& scrape, const Diagnosis& diagnosis) {
  Json streams = Json::array();
  for (size_t i = 0; i < scrape.status.streams.size(); ++i) {
    streams.push_back(stream_json(scrape, scrape.status.streams[i], diagnosis.streams[i]));
  }
  return streams;
}

Json problem_json(const Problem& problem, bool is_over) {
  const Finding& finding = problem.finding;
  return Json{{"kind", finding.kind},
              {"subject", finding.subject},
              {"level", to_string(finding.level)},
              {"text", finding.text},
              {"cure", finding.cure},
              {"command", finding.command},
              {"since", rfc3339(problem.since)},
              {"until", is_over ? Json(rfc3339(problem.last_seen)) : Json(nullptr)},
              {"count", finding.count}};
}

template <class Problems>
Json problems_json(const Problems& problems, bool are_over) {
  Json list = Json::array();
  for (const Problem& problem : problems) list.push_back(problem_json(problem, are_over));
  return list;
}

Json process_json(const metrics::Scrape& scrape) {
  const metrics::ProcessStatus& process = scrape.status.process;
  return Json{{"host", process.host},
              {"version", scrape.version},
              {"commit", process.commit},
              {"config_file", process.config_file},
              {"started", rfc3339(process.started)},
              {"uptime_seconds",
               std::max<int64_t>(
                   std::chrono::duration_cast<seconds>(scrape.now - process.started).count(), 0)},
              {"last_reload", process.last_reload ? Json(rfc3339_milliseconds(*process.last_reload))
                                                  : Json(nullptr)},
              {"reload_error", process.reload_error},
              {"memory_bytes", metrics::resident_memory_bytes()},
              {"memory_limit", process.memory_limit},
              {"memory_short", process.memory_short}};
}

Json spool_json(const metrics::SpoolStatus& spool) {
  return Json{{"directory", spool.directory},
              {"bytes", spool.bytes},
              {"bytes_max", spool.bytes_max},
              {"dead_letter_directory", spool.dead_letter_directory},
              {"dead_letters", spool.dead_letters},
              {"dead_letter_bytes", spool.dead_letter_bytes},
              {"dead_letter_bytes_max", spool.dead_letter_bytes_max},
              {"volume_bytes", spool.volume_bytes},
              {"volume_bytes_free", spool.volume_bytes_free}};
}

Json credentials_json(const metrics::CredentialsStatus& credentials) {
  Json json{{"identity", credentials.identity.empty() ? "default" : credentials.identity},
            {"provider", credentials.provider},
            {"account", credentials.account_id},
            {"expires", nullptr},
            {"last_error", credentials.last_error}};
  if (credentials.expires) json["expires"] = rfc3339(*credentials.expires);
  return json;
}

Json identities_json(const metrics::Status& status) {
  Json identities = Json::array();
  for (const metrics::CredentialsStatus& each : status.credentials) {
    identities.push_back(credentials_json(each));
  }
  return identities;
}

Json certificates_json(const metrics::Status& status) {
  Json certificates = Json::array();
  for (const metrics::CertificateStatus& certificate : status.certificates) {
    certificates.push_back(Json{{"name", certificate.name},
                                {"subject", certificate.subject},
                                {"expires", rfc3339(certificate.expires)}});
  }
  return certificates;
}

Json errors_json(const metrics::Status& status) {
  Json errors = Json::array();
  for (const metrics::ErrorStatus& error : status.last_errors) {
    errors.push_back(
        Json{{"when", rfc3339(error.when)}, {"where", error.where}, {"message", error.message}});
  }
  return errors;
}

}  // namespace

std::string status_json(const metrics::Scrape& scrape, const Observer& observer,
                        const Health::Answer& healthz, const Health::Answer& readyz) {
  const Diagnosis diagnosis = diagnose({scrape, observer.trend(), healthz, readyz});
  const Rates rates = observer.trend().all();
  Json dropped = Json::object();
  for (const auto& [reason, count] : scrape.ledger.dropped) dropped[reason] = count;
  Json dead_lettered = Json::object();
  for (const auto& [labels, count] : scrape.ledger.dead_lettered) {
    dead_lettered[labels.second] = dead_lettered.value(labels.second, uint64_t{0}) + count;
  }
  const Json status{
      {"version", scrape.version},
      {"time", rfc3339(scrape.now)},
      {"healthy", healthz.good},
      {"ready", readyz.good},
      {"state", healthz.good ? readyz.text : healthz.text},
      {"banner",
       Json{{"level", to_string(diagnosis.banner.level)}, {"text", diagnosis.banner.text}}},
      {"problems", problems_json(observer.problems().open(), false)},
      {"solved_problems", problems_json(observer.problems().solved(), true)},
      {"in_per_second", rounded(rates.in)},
      {"out_per_second", rounded(rates.out)},
      {"events", events_json(scrape.ledger)},
      {"dropped", std::move(dropped)},
      {"dead_lettered", std::move(dead_lettered)},
      {"sources", sources_json(scrape, observer.trend())},
      {"routes", routes_json(scrape)},
      {"streams", streams_json(scrape, diagnosis)},
      {"spool", spool_json(scrape.status.spool)},
      {"memory_bytes", metrics::resident_memory_bytes()},
      {"process", process_json(scrape)},
      {"credentials", scrape.status.credentials.empty()
                          ? credentials_json({})
                          : credentials_json(scrape.status.credentials.front())},
      {"identities", identities_json(scrape.status)},
      {"certificates", certificates_json(scrape.status)},
      {"last_errors", errors_json(scrape.status)},
  };
  // A subject or a path may hold any bytes.
  return status.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace penstock::admin
