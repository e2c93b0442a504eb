#include "cli/verify/acked_events.h"

#include <gmock/gmock.h>

#include <sstream>

#include "cli/send/event_sources.h"

namespace penstock::cli {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string entry(const std::string& id, uint64_t sequence, const std::string& tag = "app",
                  int64_t sent_ms = 1'000) {
  return "{\"id\":\"" + id + "\",\"seq\":" + std::to_string(sequence) + ",\"tag\":\"" + tag +
         "\",\"sent_ns\":" + std::to_string(sent_ms * 1'000'000) +
         ",\"acked_ns\":" + std::to_string(sent_ms * 1'000'000 + 5) + "}\n";
}

Result<void, Error> load(AckedEvents& events, const std::string& lines) {
  std::istringstream ledger(lines);
  return events.load(ledger, "f");
}

AckedEvents ledger_of(const std::string& lines, AckedEvents::Slice slice = {0, 1}) {
  AckedEvents events(slice);
  const auto loaded = load(events, lines);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return events;
}

AckedEvents::Differences differences_of(AckedEvents& events, const std::string& lines,
                                        size_t most) {
  AckedEvents::Differences differences;
  std::istringstream ledger(lines);
  EXPECT_TRUE(events.name_differences(ledger, "f", most, differences));
  return differences;
}

TEST(AckedEvents, EverythingFoundOnceIsNoFinding) {
  AckedEvents events = ledger_of(entry("run-0", 0) + entry("run-1", 1));
  events.found("run-0", "shard", 1'010);
  events.found("run-1", "shard", 1'030);
  const auto report = events.report();
  EXPECT_EQ(report.acked, 2u);
  EXPECT_EQ(report.found, 2u);
  EXPECT_EQ(report.missing + report.repeated + report.foreign + report.disordered, 0u);
  EXPECT_EQ(report.measured, 2u);
  EXPECT_EQ(report.latency_ms_max, 30);
  EXPECT_EQ(report.latency_ms_p50, 30);
}

TEST(AckedEvents, GapsRepeatsAndStrangersAreCounted) {
  const std::string ledger =
      entry("run-0", 0) + entry("run-1", 1, "audit") + entry("run-2", 2, "app", 2'000);
  AckedEvents events = ledger_of(ledger);
  events.found("run-0", "shard", 0);
  events.found("run-0", "shard", 0);
  events.found("run-0", "other", 0);
  events.found("stranger", "shard", 0);
  const auto report = events.report();
  EXPECT_EQ(report.missing, 2u);
  EXPECT_EQ(report.repeated, 2u);
  const auto differences = differences_of(events, ledger, 1);
  ASSERT_THAT(differences.gaps, SizeIs(1));
  EXPECT_EQ(differences.gaps[0].id, "run-1");
  EXPECT_EQ(differences.gaps[0].tag, "audit");
  ASSERT_THAT(differences.repeats, SizeIs(1));
  EXPECT_EQ(differences.repeats[0].id, "run-0");
  EXPECT_EQ(differences.repeats[0].count, 2u);
  EXPECT_EQ(report.foreign, 1u);
  EXPECT_EQ(report.measured, 0u);
}

TEST(AckedEvents, EqualRecordsMustBeFoundAsOftenAsTheyWereAcked) {
  const std::string id = id_of_record(as_bytes("{\"a\":1}"));
  AckedEvents events = ledger_of(entry(id, 0) + entry(id, 1) + entry(id, 2));
  events.found(id_of_stored(as_bytes("{\"a\":1}")), "shard", 0);
  const std::string lines = entry(id, 0) + entry(id, 1) + entry(id, 2);
  const auto differences = differences_of(events, lines, 10);
  ASSERT_THAT(differences.gaps, SizeIs(1));
  EXPECT_EQ(differences.gaps[0].count, 2u);
  EXPECT_EQ(events.report().missing, 2u);
  events.found(id, "shard", 0);
  events.found(id, "shard", 0);
  EXPECT_EQ(events.report().missing, 0u);
  EXPECT_EQ(events.report().disordered, 0u);
}

TEST(AckedEvents, DisorderIsOfOneRunTagAndShard) {
  AckedEvents events = ledger_of(entry("r-0", 0) + entry("r-1", 1) + entry("r-2", 2) +
                                 entry("r-3", 3, "other") + entry("s-0", 0));
  events.found("r-1", "shard 1", 0);
  events.found("r-0", "shard 2", 0);  // another shard
  events.found("s-0", "shard 1", 0);  // another run
  events.found("r-3", "shard 1", 0);  // another tag
  events.found("r-2", "shard 1", 0);
  EXPECT_EQ(events.report().disordered, 0u);
  AckedEvents turned = ledger_of(entry("r-0", 0) + entry("r-1", 1) + entry("r-2", 2));
  turned.found("r-2", "shard", 0);
  turned.found("r-0", "shard", 0);
  turned.found("r-1", "shard", 0);
  turned.found("r-0", "shard", 0);  // a repeat is no disorder
  EXPECT_EQ(turned.report().disordered, 2u);
}

TEST(AckedEvents, SlicesTogetherSayWhatOneWould) {
  std::string ledger;
  for (uint64_t i = 0; i < 1'000; ++i) ledger += entry("r-" + std::to_string(i), i);
  AckedEvents::Report sum;
  AckedEvents::Differences named;
  for (uint32_t index = 0; index < 3; ++index) {
    AckedEvents events = ledger_of(ledger, {index, 3});
    for (uint64_t i = 0; i < 1'000; ++i) {
      if (i != 17) events.found("r-" + std::to_string(i), "object", 0);
    }
    events.found("r-42", "object", 0);
    events.found("stranger", "object", 0);
    EXPECT_GT(events.report().acked, 250u);
    sum.add(events.report());
    std::istringstream again(ledger);
    ASSERT_TRUE(events.name_differences(again, "f", 10, named));
  }
  EXPECT_EQ(sum.acked, 1'000u);
  EXPECT_EQ(sum.found, 999u);
  EXPECT_EQ(sum.missing, 1u);
  EXPECT_EQ(sum.repeated, 1u);
  EXPECT_EQ(sum.foreign, 1u);
  ASSERT_THAT(named.gaps, SizeIs(1));
  EXPECT_EQ(named.gaps[0].id, "r-17");
  ASSERT_THAT(named.repeats, SizeIs(1));
  EXPECT_EQ(named.repeats[0].id, "r-42");
}

TEST(AckedEvents, WithoutALedgerEverythingIsForeign) {
  AckedEvents events;
  events.found("r-1", "shard", 0);
  EXPECT_EQ(events.report().foreign, 1u);
  EXPECT_THAT(differences_of(events, entry("r-1", 1), 10).gaps, IsEmpty());
}

TEST(AckedEvents, TornLastLineIsPassedOverAndOthersAreErrors) {
  AckedEvents torn;
  EXPECT_TRUE(load(torn, entry("r-0", 0) + "{\"id\":\"r-1\",\"se"));
  EXPECT_EQ(torn.report().acked, 1u);
  AckedEvents broken;
  const auto loaded = load(broken, entry("r-0", 0) + "nonsense\n" + entry("r-1", 1));
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
