#include "admin/status_json.h"

#include <ctime>
// A status page is asked for once in a while: the library that cannot get JSON wrong is worth more
// here than speed.
#include <nlohmann/json.hpp>

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

Json sources_json(const metrics::Scrape& scrape) {
  Json sources = Json::array();
  for (const metrics::SourceStatus& source : scrape.status.sources) {
    sources.push_back(
        Json{{"name", source.name},
             {"type", source.type},
             {"address", source.address},
             {"tls", source.tls},
             {"connections", value_of(scrape.metrics.connections, source.name)},
             {"events_received", count_of(scrape.ledger.received, source.name)},
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

Json streams_json(const metrics::Scrape& scrape) {
  Json streams = Json::array();
  for (const metrics::StreamStatus& stream : scrape.status.streams) {
    Json dead_lettered = Json::object();
    for (const auto& [labels, count] : scrape.ledger.dead_lettered) {
      if (labels.first == stream.name) dead_lettered[labels.second] = count;
    }
    double oldest = 0;
    if (stream.oldest_received) {
      oldest = std::chrono::duration<double>(scrape.now - *stream.oldest_received).count();
    }
    streams.push_back(
        Json{{"name", stream.name},
             {"target", stream.target},
             {"events_delivered", count_of(scrape.ledger.delivered, stream.name)},
             {"events_pending", count_of(scrape.ledger.pending, stream.name)},
             {"events_dead_lettered", std::move(dead_lettered)},
             {"oldest_pending_seconds", std::max(oldest, 0.0)},
             {"spool_bytes", stream.spool_bytes},
             {"spool_bytes_max", stream.spool_bytes_max},
             {"pushing_back", stream.pushing_back},
             {"put_requests", by_second(scrape.metrics.put_requests, stream.name)},
             {"put_records", by_second(scrape.metrics.put_records, stream.name)},
             {"shard_throttled", by_second(scrape.metrics.shard_throttled, stream.name)}});
  }
  return streams;
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

std::string rfc3339(WallTime time) {
  const std::time_t second = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&second, &utc);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text, length};
}

std::string status_json(const metrics::Scrape& scrape, const Health::Answer& healthz,
                        const Health::Answer& readyz) {
  const metrics::SpoolStatus& spool = scrape.status.spool;
  Json dropped = Json::object();
  for (const auto& [reason, count] : scrape.ledger.dropped) dropped[reason] = count;
  const Json status{
      {"version", scrape.version},
      {"time", rfc3339(scrape.now)},
      {"healthy", healthz.good},
      {"ready", readyz.good},
      {"state", healthz.good ? readyz.text : healthz.text},
      {"events", events_json(scrape.ledger)},
      {"dropped", std::move(dropped)},
      {"sources", sources_json(scrape)},
      {"routes", routes_json(scrape)},
      {"streams", streams_json(scrape)},
      {"spool", Json{{"directory", spool.directory},
                     {"bytes", spool.bytes},
                     {"bytes_max", spool.bytes_max},
                     {"dead_letter_bytes", spool.dead_letter_bytes}}},
      {"memory_bytes", metrics::resident_memory_bytes()},
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
