// Looking into a spool that somebody else has open.
#include "spool/spool_inspection.h"

#include <gmock/gmock.h>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;

using SpoolInspection = DiskSpool;

TEST_F(SpoolInspection, TellsWhatIsPendingOfEachStream) {
  open();
  append("1", {"a:one", "b:uno"});
  append("2", {"a:two"});
  commit();
  const Entry one = *next(a);
  release(a, one);
  clock.advance(seconds(1));
  commit();
  const auto logs = *inspect_spool(files, "/spool", {});
  ASSERT_EQ(logs.size(), 2u);
  EXPECT_EQ(logs[0].description.stream, "a");
  EXPECT_EQ(logs[0].description.settings, "settings of a");
  ASSERT_EQ(logs[0].segments.size(), 1u);
  EXPECT_EQ(logs[0].segments[0].entries, 2u);
  EXPECT_EQ(logs[0].segments[0].events_pending, 1u);
  EXPECT_EQ(logs[1].segments[0].events_pending, 1u);

  std::vector<std::string> pending;
  ASSERT_TRUE(visit_entries(files, logs[0], [&](const InspectedEntry& entry) {
                if (!entry.final) pending.emplace_back(as_text(entry.batch.entries()));
                return true;
              }).has_value());
  EXPECT_THAT(pending, ElementsAre("two"));
}

TEST_F(SpoolInspection, ShowsAnOverflowLogBeforeItsMainLog) {
  open();
  append("1", {"a:one"});
  commit();
  move_to_overflow(*next(a), 2);
  clock.advance(seconds(1));
  commit();
  const auto logs = *inspect_spool(files, "/spool", {.every_payload = true});
  ASSERT_EQ(logs.size(), 3u);
  EXPECT_TRUE(logs[0].overflow);
  EXPECT_EQ(logs[0].description.stream, "a");
  EXPECT_EQ(logs[0].segments[0].events_pending, 1u);
  EXPECT_EQ(logs[0].segments[0].damaged_bytes, 0u);
  EXPECT_FALSE(logs[1].overflow);
  EXPECT_EQ(logs[1].segments[0].events_pending, 0u);
}

TEST_F(SpoolInspection, FindsDamageWhenEveryPayloadIsRead) {
  open();
  for (int i = 0; i < 40; ++i) append("x", {"a:" + std::string(3000, 'x')});
  commit();
  const std::string sealed = segment_files().front();
  auto bytes = files.content(sealed);
  bytes[10000] ^= 1;
  files.set_content(sealed, bytes);
  EXPECT_EQ((*inspect_spool(files, "/spool", {}))[0].segments[0].damaged_bytes, 0u);
  const auto looked = *inspect_spool(files, "/spool", {.every_payload = true});
  EXPECT_GT(looked[0].segments[0].damaged_bytes, 0u);
  EXPECT_EQ(looked[0].segments[1].damaged_bytes, 0u);
}

TEST_F(SpoolInspection, FindsDeadLettersFromTheSpoolsDirectoryAndFromTheirOwn) {
  open();
  Append append;
  append.source = "forward";
  append.refused.push_back({"no_route", batch_of("lost", 3)});
  append.done = [](AppendOutcome) {};
  spool->append(std::move(append));
  commit();
  for (const char* directory : {"/spool", "/spool/dead-letter"}) {
    const auto log = *inspect_dead_letters(files, directory, {});
    ASSERT_EQ(log.segments.size(), 1u);
    EXPECT_EQ(log.segments[0].events_pending, 3u);
    ASSERT_TRUE(visit_entries(files, log, [](const InspectedEntry& entry) {
                  EXPECT_EQ(entry.stored->reason, "no_route");
                  return true;
                }).has_value());
  }
}

TEST_F(SpoolInspection, NamesADirectoryThatIsNone) {
  const auto logs = inspect_spool(files, "/nowhere", {});
  ASSERT_FALSE(logs.has_value());
  EXPECT_THAT(logs.error().message, testing::HasSubstr("/nowhere"));
}

TEST_F(SpoolInspection, SaysWhichDeadLettersAreDamagedAndShowsTheOthers) {
  open();
  for (const char* text : {"one-of-them", "two-of-them"}) {
    Append append;
    append.source = "forward";
    append.refused.push_back({"no_route", batch_of(text, 1)});
    append.done = [](AppendOutcome) {};
    spool->append(std::move(append));
    commit();
  }
  const auto log = *inspect_dead_letters(files, "/spool", {});
  auto bytes = files.content(log.segments.at(0).path);
  const std::string_view text = as_text(bytes);
  bytes[text.find("one-of-them")] ^= 0x10;
  files.set_content(log.segments[0].path, bytes);
  std::vector<std::string> shown;
  std::vector<std::string> problems;
  ASSERT_TRUE(visit_entries(
                  files, log,
                  [&](const InspectedEntry& entry) {
                    shown.emplace_back(as_text(entry.batch.entries()));
                    return true;
                  },
                  [&](const std::string& what) { problems.push_back(what); })
                  .has_value());
  EXPECT_THAT(shown, testing::ElementsAre("two-of-them"));
  EXPECT_THAT(problems, testing::ElementsAre(testing::HasSubstr(log.segments[0].path)));
}

}  // namespace
}  // namespace penstock::spool
