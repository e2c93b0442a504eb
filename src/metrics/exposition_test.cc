#include "metrics/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "metrics/registry.h"

namespace penstock::metrics {
namespace {

using record::Ledger;
using std::chrono::hours;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

class Exposition : public testing::Test {
 protected:
  std::string scrape() const {
    const Ledger::Snapshot snapshot = ledger.snapshot();
    return exposition({snapshot, metrics, status, "1.2.3", now});
  }
  // The value of a series, written as "name{labels}"; -1 when there is none.
  static double value_in(const std::string& text, const std::string& series) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(series + " ")) return std::stod(line.substr(series.size() + 1));
    }
    return -1;
  }
  // The sum over all labels.
  static double sum_in(const std::string& text, const std::string& name) {
    std::istringstream lines(text);
    double sum = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + "{")) sum += std::stod(line.substr(line.rfind(' ') + 1));
    }
    return sum;
  }

  Ledger ledger;
  Metrics metrics;
  Status status;
  const WallTime now = WallTime(hours(500'000));
};

TEST_F(Exposition, TheEventsOfAScrapeAddUp) {
  const Ledger::Admitted parts[] = {{"audit", 60}, {"", 5}};
  ledger.receive("forward", parts);
  const Ledger::Admitted recovered[] = {{"projects", 100}};
  ledger.receive("recovered", recovered);
  ledger.deliver("audit", 10);
  ledger.dead_letter("", "no_route", 5);
  ledger.drop("projects", "own_logs", 7);
  ledger.duplicate("audit", "forward", 3);

  const std::string text = scrape();

  EXPECT_EQ(value_in(text, R"(penstock_events_received_total{source="forward"})"), 65);
  EXPECT_EQ(value_in(text, R"(penstock_events_received_total{source="recovered"})"), 100);
  EXPECT_EQ(value_in(text, R"(penstock_events_delivered_total{stream="audit"})"), 10);
  EXPECT_EQ(value_in(text, R"(penstock_events_dead_lettered_total{stream="",reason="no_route"})"),
            5);
  EXPECT_EQ(value_in(text, R"(penstock_events_dropped_total{reason="own_logs"})"), 7);
  EXPECT_EQ(value_in(text, R"(penstock_events_duplicate_total{source="forward"})"), 3);
  EXPECT_EQ(value_in(text, R"(penstock_events_pending{stream="audit"})"), 47);
  EXPECT_EQ(sum_in(text, "penstock_events_received_total"),
            sum_in(text, "penstock_events_delivered_total") +
                sum_in(text, "penstock_events_dead_lettered_total") +
                sum_in(text, "penstock_events_dropped_total") +
                sum_in(text, "penstock_events_duplicate_total") +
                sum_in(text, "penstock_events_pending"));
}

TEST_F(Exposition, CountersCarryTheirLabels) {
  metrics.bytes_received.with("forward").add(1234567890123);
  metrics.connections.with("forward").add(3);
  metrics.connections.with("forward").sub();
  metrics.messages_refused.with("forward", "too_large").add();
  metrics.auth_failures.with("http", "bad_token").add(4);
  metrics.put_requests.with("audit", "ok").add(5);
  metrics.put_records.with("audit", "throttled").add(6);
  metrics.shard_throttled.with("audit", "shardId-000000000001").add(7);
  metrics.config_reloads.with("failed").add();

  const std::string text = scrape();

  EXPECT_EQ(value_in(text, R"(penstock_bytes_received_total{source="forward"})"), 1234567890123);
  EXPECT_EQ(value_in(text, R"(penstock_connections{source="forward"})"), 2);
  EXPECT_EQ(
      value_in(text, R"(penstock_messages_refused_total{source="forward",reason="too_large"})"), 1);
  EXPECT_EQ(value_in(text, R"(penstock_auth_failures_total{source="http",reason="bad_token"})"), 4);
  EXPECT_EQ(value_in(text, R"(penstock_put_requests_total{stream="audit",result="ok"})"), 5);
  EXPECT_EQ(value_in(text, R"(penstock_put_records_total{stream="audit",result="throttled"})"), 6);
  EXPECT_EQ(
      value_in(text,
               R"(penstock_shard_throttled_total{stream="audit",shard="shardId-000000000001"})"),
      7);
  EXPECT_EQ(value_in(text, R"(penstock_config_reloads_total{result="failed"})"), 1);
  EXPECT_EQ(value_in(text, R"(penstock_build_info{version="1.2.3"})"), 1);
}

TEST_F(Exposition, LatencyIsACumulativeHistogram) {
  metrics.put_latency.with("audit").observe(milliseconds(30));
  metrics.put_latency.with("audit").observe(milliseconds(700));
  metrics.put_latency.with("audit").observe(milliseconds(90'000));

  const std::string text = scrape();

  const std::string bucket = R"(penstock_put_latency_seconds_bucket{stream="audit",le=")";
  EXPECT_EQ(value_in(text, bucket + "0.025\"}"), 0);
  EXPECT_EQ(value_in(text, bucket + "0.05\"}"), 1);
  EXPECT_EQ(value_in(text, bucket + "1\"}"), 2);
  EXPECT_EQ(value_in(text, bucket + "+Inf\"}"), 3);
  EXPECT_EQ(value_in(text, R"(penstock_put_latency_seconds_count{stream="audit"})"), 3);
  EXPECT_DOUBLE_EQ(value_in(text, R"(penstock_put_latency_seconds_sum{stream="audit"})"), 90.73);
}

TEST_F(Exposition, AgesAndExpiriesAreSecondsFromNow) {
  StreamStatus audit;
  audit.name = "audit";
  audit.spool_bytes = 4096;
  audit.oldest_received = now - milliseconds(2500);
  StreamStatus idle;
  idle.name = "idle";
  status.streams = {audit, idle};
  status.certificates = {{"forward", "CN=x", now + hours(1)}, {"http", "CN=y", now - hours(1)}};
  status.credentials = {{"", "environment", "", now + hours(2), ""},
                        {"profile audit", "profile audit, role", "", now + hours(1), ""},
                        {"profile b", "", "", std::nullopt, "no such profile"}};

  const std::string text = scrape();

  EXPECT_EQ(value_in(text, R"(penstock_spool_bytes{stream="audit"})"), 4096);
  EXPECT_EQ(value_in(text, R"(penstock_oldest_pending_seconds{stream="audit"})"), 2.5);
  EXPECT_EQ(value_in(text, R"(penstock_oldest_pending_seconds{stream="idle"})"), 0);
  EXPECT_EQ(value_in(text, R"(penstock_certificate_expiry_seconds{name="forward"})"), 3600);
  EXPECT_EQ(value_in(text, R"(penstock_certificate_expiry_seconds{name="http"})"), -3600);
  EXPECT_EQ(value_in(text, "penstock_credentials_expiry_seconds"), 7200);
  EXPECT_EQ(value_in(text, R"(penstock_credentials_expiry_seconds{identity="profile audit"})"),
            3600);
  EXPECT_THAT(text, Not(HasSubstr("profile b")));
}

TEST_F(Exposition, CredentialsThatDoNotExpireHaveNoExpiry) {
  EXPECT_THAT(scrape(), Not(HasSubstr("\npenstock_credentials_expiry_seconds ")));
}

TEST_F(Exposition, EveryMetricIsDeclaredAlsoWhileItHasNoSeries) {
  const std::string text = scrape();
  for (const Descriptor& each : descriptors()) {
    EXPECT_THAT(text, HasSubstr("# TYPE " + std::string(each.name) + " "));
    EXPECT_THAT(text, HasSubstr("# HELP " + std::string(each.name) + " "));
  }
}

TEST_F(Exposition, ASourceHasItsSeriesFromTheStart) {
  status.sources = {{"forward", "forward", "127.0.0.1:24224", false},
                    {"http", "http", "127.0.0.1:8443", true}};
  metrics.connections.with("http").add(2);
  const std::string text = scrape();
  EXPECT_EQ(value_in(text, R"(penstock_bytes_received_total{source="forward"})"), 0);
  EXPECT_EQ(value_in(text, R"(penstock_connections{source="forward"})"), 0);
  EXPECT_EQ(value_in(text, R"(penstock_connections{source="http"})"), 2);
  EXPECT_EQ(value_in(text, R"(penstock_config_reloads_total{result="ok"})"), 0);
}

TEST_F(Exposition, ResidentMemoryIsWhatTheKernelSays) {
  const double bytes = value_in(scrape(), "penstock_memory_bytes");
  EXPECT_GT(bytes, 1 << 20);
  EXPECT_LT(bytes, 1ull << 32);
}

TEST_F(Exposition, QuotesInLabelsAreEscaped) {
  metrics.put_requests.with("audit", "a\"b\\c\nd").add();
  EXPECT_THAT(scrape(), HasSubstr(R"(result="a\"b\\c\nd"})"));
}

TEST(Registry, TheReferenceInDocIsWhatTheRegistrySays) {
  const std::string path = PENSTOCK_SOURCE_DIR "/doc/metrics.md";
  const std::string printed = metrics_reference();
  if (std::getenv("PENSTOCK_UPDATE_DOC") != nullptr) std::ofstream(path) << printed;
  std::ostringstream found;
  found << std::ifstream(path).rdbuf();
  EXPECT_EQ(found.str(), printed)
      << "run this test with PENSTOCK_UPDATE_DOC=1 to write doc/metrics.md anew";
}

TEST(ResidentMemory, TellsThisProcess) { EXPECT_GT(resident_memory_bytes(), 1u << 20); }

}  // namespace
}  // namespace penstock::metrics
