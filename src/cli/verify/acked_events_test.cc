#include "cli/verify/acked_events.h"

#include <gmock/gmock.h>

#include "cli/send/event_sources.h"

namespace penstock::cli {
namespace {

using ::testing::SizeIs;

std::string entry(const std::string& id, uint64_t sequence, const std::string& tag = "app",
                  int64_t sent_ms = 1'000) {
  return "{\"id\":\"" + id + "\",\"seq\":" + std::to_string(sequence) + ",\"tag\":\"" + tag +
         "\",\"sent_ns\":" + std::to_string(sent_ms * 1'000'000) +
         ",\"acked_ns\":" + std::to_string(sent_ms * 1'000'000 + 5) + "}\n";
}

AckedEvents ledger_of(const std::string& lines) {
  AckedEvents events;
  const auto loaded = events.add_lines(lines, "test");
  EXPECT_TRUE(loaded) << loaded.error().message;
  return events;
}

TEST(AckedEvents, EverythingFoundOnceIsNoFinding) {
  AckedEvents events = ledger_of(entry("run-0", 0) + entry("run-1", 1));
  events.found("run-0", "shard", 1'010);
  events.found("run-1", "shard", 1'030);
  const auto report = events.report(10);
  EXPECT_EQ(report.acked, 2u);
  EXPECT_EQ(report.found, 2u);
  EXPECT_EQ(report.missing + report.repeated + report.foreign + report.disordered, 0u);
  EXPECT_EQ(report.measured, 2u);
  EXPECT_EQ(report.latency_ms_max, 30);
  EXPECT_EQ(report.latency_ms_p50, 30);
}

TEST(AckedEvents, GapsRepeatsAndStrangersAreCounted) {
  AckedEvents events =
      ledger_of(entry("run-0", 0) + entry("run-1", 1, "audit") + entry("run-2", 2));
  events.found("run-0", "shard", 0);
  events.found("run-0", "shard", 0);
  events.found("run-0", "other", 0);
  events.found("stranger", "shard", 0);
  const auto report = events.report(1);
  EXPECT_EQ(report.missing, 2u);
  ASSERT_THAT(report.gaps, SizeIs(1));
  EXPECT_EQ(report.gaps[0].id, "run-1");
  EXPECT_EQ(report.gaps[0].tag, "audit");
  EXPECT_EQ(report.repeated, 2u);
  EXPECT_EQ(report.foreign, 1u);
  EXPECT_EQ(report.measured, 0u);
}

TEST(AckedEvents, EqualRecordsMustBeFoundAsOftenAsTheyWereAcked) {
  const std::string id = id_of_record(as_bytes("{\"a\":1}"));
  AckedEvents events = ledger_of(entry(id, 0) + entry(id, 1) + entry(id, 2));
  events.found(id_of_stored(as_bytes("{\"a\":1}")), "shard", 0);
  EXPECT_EQ(events.report(10).missing, 2u);
  events.found(id, "shard", 0);
  events.found(id, "shard", 0);
  EXPECT_EQ(events.report(10).missing, 0u);
  EXPECT_EQ(events.report(10).disordered, 0u);
}

TEST(AckedEvents, DisorderIsOfOneRunTagAndShard) {
  AckedEvents events = ledger_of(entry("r-0", 0) + entry("r-1", 1) + entry("r-2", 2) +
                                 entry("r-3", 3, "other") + entry("s-0", 0));
  events.found("r-1", "shard 1", 0);
  events.found("r-0", "shard 2", 0);  // another shard
  events.found("s-0", "shard 1", 0);  // another run
  events.found("r-3", "shard 1", 0);  // another tag
  events.found("r-2", "shard 1", 0);
  EXPECT_EQ(events.report(10).disordered, 0u);
  AckedEvents turned = ledger_of(entry("r-0", 0) + entry("r-1", 1) + entry("r-2", 2));
  turned.found("r-2", "shard", 0);
  turned.found("r-0", "shard", 0);
  turned.found("r-1", "shard", 0);
  turned.found("r-0", "shard", 0);  // a repeat is no disorder
  EXPECT_EQ(turned.report(10).disordered, 2u);
}

TEST(AckedEvents, TornLastLineIsPassedOverAndOthersAreErrors) {
  AckedEvents torn;
  EXPECT_TRUE(torn.add_lines(entry("r-0", 0) + "{\"id\":\"r-1\",\"se", "f"));
  EXPECT_EQ(torn.report(10).acked, 1u);
  AckedEvents broken;
  const auto loaded = broken.add_lines(entry("r-0", 0) + "nonsense\n" + entry("r-1", 1), "f");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message.substr(0, 9), "f, line 2");
}

TEST(AckedEvents, IdIsTheFieldElseTheHash) {
  EXPECT_EQ(id_of_stored(as_bytes(R"({"a":{"penstock_id":"no"},"penstock_id":"r-7"})")), "r-7");
  EXPECT_EQ(id_of_stored(as_bytes("not json")), id_of_record(as_bytes("not json")));
  EXPECT_EQ(id_of_stored(as_bytes(R"({"penstock_id":7})")),
            id_of_record(as_bytes(R"({"penstock_id":7})")));
}

}  // namespace
}  // namespace penstock::cli
