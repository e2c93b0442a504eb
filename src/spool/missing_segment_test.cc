// Files of a log that are gone, or of which nothing can be read: how many events were in them the
// totals in the checkpoint and in the segments' headers say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "spool/log_directory.h"
#include "spool/overflow_log_fixture.h"
#include "spool/segment_format.h"
#include "spool/spool_inspection.h"

namespace penstock::spool {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class MissingSegment : public OverflowLog {
 protected:
  MissingSegment() {
    options.bytes_max = 16 << 20;
    options.cache_bytes_max = 0;
  }

  // Entries of 8 KB with one event, two events, one event, …; every eighth or so begins a segment.
  static uint32_t events_in(int number) { return number % 2 == 0 ? 1 : 2; }
  void append_entries(const std::string& stream, int begin, int end) {
    for (int i = begin; i < end; ++i) {
      Append append;
      append.source = "forward";
      append.parts.push_back(
          {stream, batch_of(stream + std::to_string(i) + std::string(8000, 'x'), events_in(i))});
      append.parts.back().batch.received_ns = unix_nanoseconds(clock.wall());
      events_acked[stream] += events_in(i);
      spool->append(std::move(append));
    }
    commit();
  }
  void close() {
    spool->close();
    spool.reset();
  }
  [[nodiscard]] std::vector<std::string> segments_of(const std::string& directory) const {
    std::vector<std::string> found;
    for (const std::string& path : segment_files()) {
      const bool is_below =
          path.starts_with(directory) && path.find('/', directory.size()) == std::string::npos;
      if (is_below && !path.ends_with("spare.seg")) found.push_back(path);
    }
    return found;
  }
  // How many events the entries in a sealed segment of stream a have, by what is read of it.
  uint64_t events_of_file(const std::string& path) {
    const auto logs = inspect_spool(files, "/spool", {});
    for (const InspectedLog& log : *logs) {
      for (const InspectedSegment& segment : log.segments) {
        if (segment.path == path) return segment.events;
      }
    }
    ADD_FAILURE() << path;
    return 0;
  }
  uint64_t dropped() { return ledger->snapshot().dropped["damaged"]; }
  // Everything that is left of the stream; returns how many events.
  uint64_t deliver_events(StreamLog* log) {
    uint64_t events = 0;
    while (auto entry = next(log)) {
      EXPECT_TRUE(text_of(*entry).starts_with(log->stream())) << text_of(*entry).substr(0, 8);
      events += entry->batch->event_count - entry->overflowed.size();
      release(log, *entry);
    }
    return events;
  }
  void wipe() {
    for (const std::string& path : files.files()) ASSERT_TRUE(files.remove(path).has_value());
    for (const char* const directory : {"/spool/streams/a.1", "/spool/streams/b.1",
                                        "/spool/streams", "/spool/dead-letter", "/spool"}) {
      ASSERT_TRUE(files.remove_directory(directory).has_value());
    }
  }
  void expect_nothing_more_at_the_next_start() {
    close();
    open();
    EXPECT_EQ(dropped(), 0u);
    EXPECT_EQ(deliver_events(a), 0u);
    kill();
  }

  std::map<std::string, uint64_t> events_acked;
};

constexpr const char* kLogA = "/spool/streams/a.1/";
constexpr const char* kCheckpoint = "/spool/streams/a.1/checkpoint";

TEST_F(MissingSegment, ASealedOneIsSaidAndCountedEventByEvent) {
  for (const size_t which : {size_t{0}, size_t{1}, size_t{3}}) {
    events_acked.clear();
    open();
    append_entries("a", 0, 40);
    append_entries("b", 0, 1);
    close();
    const auto segments = segments_of(kLogA);
    ASSERT_GE(segments.size(), 5u);
    const uint64_t lost = events_of_file(segments[which]);
    ASSERT_GT(lost, 5u);
    ASSERT_TRUE(files.remove(segments[which]).has_value());
    open();
    EXPECT_EQ(dropped(), lost);
    EXPECT_THAT(spool->last_error(), HasSubstr("events of stream a are lost"));
    EXPECT_EQ(deliver_events(a), events_acked["a"] - lost) << which;
    EXPECT_EQ(deliver_events(b), 1u);
    expect_balance();
    expect_nothing_more_at_the_next_start();
    wipe();
  }
}

TEST_F(MissingSegment, AfterAKillToo) {
  open();
  append_entries("a", 0, 40);
  clock.advance(seconds(2));
  commit();  // the checkpoint says what is stored though nothing was released
  append_entries("a", 40, 60);
  kill();
  const auto segments = segments_of(kLogA);
  const uint64_t lost = events_of_file(segments[2]) + events_of_file(segments[segments.size() - 2]);
  ASSERT_TRUE(files.remove(segments[2]).has_value());
  ASSERT_TRUE(files.remove(segments[segments.size() - 2]).has_value());
  open();
  EXPECT_EQ(dropped(), lost);
  EXPECT_EQ(deliver_events(a), events_acked["a"] - lost);
  expect_balance();
  expect_nothing_more_at_the_next_start();
}

TEST_F(MissingSegment, TheNewestOneIsCountedAsFarAsACheckpointKnewIt) {
  open();
  append_entries("a", 0, 40);
  close();
  const std::string newest = segments_of(kLogA).back();
  ASSERT_TRUE(files.remove(newest).has_value());
  open();
  const uint64_t lost = dropped();
  EXPECT_GE(lost, 1u);
  EXPECT_EQ(deliver_events(a) + lost, events_acked["a"]);
  expect_balance();
  expect_nothing_more_at_the_next_start();
}

// Segments go in any order when they are delivered: what is pending in older ones stays.
TEST_F(MissingSegment, WhatWasDeliveredIsNotMissed) {
  open();
  append_entries("a", 0, 60);
  std::vector<Entry> held;
  for (int i = 0; i < 45; ++i) held.push_back(must_read(a));
  for (int i = 3; i < 45; ++i) release(a, held[static_cast<size_t>(i)]);
  clock.advance(seconds(1));
  commit();
  ASSERT_LE(segments_of(kLogA).size(), 6u);
  for (const bool killed : {true, false}) {
    if (killed) {
      kill();
    } else {
      close();
    }
    open();
    EXPECT_EQ(dropped(), 0u) << killed;
  }
  held.clear();
  kill();
  // One of which a part was delivered, and one of which nothing was.
  const auto segments = segments_of(kLogA);
  const uint64_t all = events_acked["a"] - 42 - 21;  // events_in() of what was released
  ASSERT_TRUE(files.remove(segments.front()).has_value());
  ASSERT_TRUE(files.remove(segments[segments.size() - 2]).has_value());
  open();
  const uint64_t lost = dropped();
  EXPECT_GT(lost, 8u);
  EXPECT_EQ(deliver_events(a) + lost, all);
  expect_balance();
  expect_nothing_more_at_the_next_start();
}

TEST_F(MissingSegment, AHeadOfManySmallEntriesInFlightIsNoLoss) {
  internals.segment_bytes = 256 << 10;
  open();
  for (int i = 0; i < 3000; ++i) append(std::to_string(i), {"a:a" + std::to_string(i)});
  commit();
  std::vector<Entry> held;
  for (int i = 0; i < 2500; ++i) held.push_back(must_read(a));
  for (int i = 0; i < 2500; i += 3) release(a, held[static_cast<size_t>(i)]);
  clock.advance(seconds(1));
  commit();
  kill();
  held.clear();
  const auto segments = segments_of(kLogA);
  const uint64_t lost = events_of_file(segments[1]);
  open();
  EXPECT_EQ(dropped(), 0u);
  kill();
  ASSERT_TRUE(files.remove(segments[1]).has_value());
  open();
  EXPECT_GE(dropped(), 1u);
  EXPECT_LE(dropped(), lost);
  deliver_events(a);
  expect_balance();
  expect_nothing_more_at_the_next_start();
}

TEST_F(MissingSegment, OneOfAnOverflowLogIsCountedToo) {
  open();
  std::vector<Entry> entries;
  append_entries("a", 0, 40);
  uint64_t moved = 0;
  for (int i = 0; i < 40; ++i) {
    const Entry entry = must_read(a);
    moved += entry.batch->event_count;
    move_to_overflow(entry, 1);
  }
  clock.advance(seconds(1));
  commit();
  close();
  const auto segments = segments_of("/spool/streams/a.1/overflow-1/");
  ASSERT_GE(segments.size(), 4u);
  const uint64_t lost = events_of_file(segments[1]);
  ASSERT_TRUE(files.remove(segments[1]).has_value());
  open();
  EXPECT_EQ(dropped(), lost);
  EXPECT_EQ(deliver_events(a), 0u);
  EXPECT_EQ(deliver_events(a->overflow(1)), moved - lost);
  expect_balance();
}

TEST_F(MissingSegment, WhatIsLeftOfAFileIsDeliveredAndTheRestCounted) {
  for (const char* const how : {"empty", "zeroed", "cut", "another", "garbage"}) {
    events_acked.clear();
    open();
    append_entries("a", 0, 40);
    close();
    const auto segments = segments_of(kLogA);
    auto bytes = files.content(segments[1]);
    const std::string what = how;
    if (what == "empty") bytes.clear();
    if (what == "zeroed") std::fill(bytes.begin(), bytes.end(), uint8_t{0});
    if (what == "cut") bytes.resize(30000);
    if (what == "another") bytes = files.content(segments[3]);
    if (what == "garbage") std::fill(bytes.begin(), bytes.end(), uint8_t{0x5a});
    files.set_content(segments[1], bytes);
    open();
    const uint64_t lost = dropped();
    EXPECT_GE(lost, 5u) << how;
    EXPECT_EQ(deliver_events(a) + lost, events_acked["a"]) << how;
    expect_balance();
    expect_nothing_more_at_the_next_start();
    wipe();
  }
}

TEST_F(MissingSegment, OneOfTheDeadLettersIsSaid) {
  open();
  std::vector<DeadLetter> letters;
  for (int i = 0; i < 40; ++i) {
    letters.push_back({"a", "refused", "", batch_of("dead" + std::string(8000, 'x'))});
  }
  const record::Ledger::Admitted received{"a", letters.size()};
  ledger->receive("forward", {&received, 1});
  spool->dead_letter(std::move(letters), [](bool) {});
  commit();
  close();
  const std::string path = segment_path("/spool/dead-letter", 2);
  const auto before = inspect_dead_letters(files, "/spool", {});
  ASSERT_GE(before->segments.size(), 4u);
  ASSERT_TRUE(files.remove(path).has_value());
  EXPECT_EQ(inspect_dead_letters(files, "/spool", {})->missing.entries,
            before->segments[1].entries);
  open();
  EXPECT_THAT(spool->last_error(),
              HasSubstr(std::to_string(before->segments[1].entries) + " dead letters are missing"));
  close();
  open();
  EXPECT_THAT(spool->last_error(), IsEmpty());
}

// ---- while it runs

TEST_F(MissingSegment, OneThatIsRemovedWhileItRunsIsCountedWhenItIsReached) {
  open();
  append_entries("a", 0, 40);
  const auto segments = segments_of(kLogA);
  const uint64_t lost = events_of_file(segments[2]);
  ASSERT_TRUE(files.remove(segments[2]).has_value());
  EXPECT_EQ(deliver_events(a), events_acked["a"] - lost);
  EXPECT_EQ(dropped(), lost);
  clock.advance(seconds(1));
  commit();
  append_entries("a", 40, 44);
  EXPECT_EQ(deliver_events(a), 6u);
  expect_balance();
  EXPECT_TRUE(a->empty());
  expect_nothing_more_at_the_next_start();
}

TEST_F(MissingSegment, AnotherFileInItsPlaceWhileItRunsIsNotDelivered) {
  open();
  append_entries("a", 0, 40);
  append_entries("b", 0, 16);
  const auto segments = segments_of(kLogA);
  const uint64_t lost = events_of_file(segments[1]) + events_of_file(segments[2]);
  files.set_content(segments[1], files.content(segments_of("/spool/streams/b.1/").front()));
  files.set_content(segments[2], files.content(segments[3]));
  EXPECT_EQ(deliver_events(a), events_acked["a"] - lost);
  EXPECT_EQ(dropped(), lost);
  EXPECT_EQ(deliver_events(b), events_acked["b"]);
  expect_balance();
}

TEST_F(MissingSegment, ADirectoryThatIsMovedAwayWhileItRunsMayComeBack) {
  open();
  append_entries("a", 0, 40);
  std::map<std::string, std::vector<uint8_t>> away;
  for (const std::string& path : files.files()) {
    if (path.starts_with(kLogA)) away[path] = files.content(path);
  }
  for (const auto& [path, bytes] : away) ASSERT_TRUE(files.remove(path).has_value());
  ASSERT_TRUE(files.remove_directory("/spool/streams/a.1").has_value());
  EXPECT_EQ(deliver_events(a), 0u);
  EXPECT_EQ(dropped(), 0u);
  ASSERT_TRUE(files.make_directory("/spool/streams/a.1").has_value());
  for (const auto& [path, bytes] : away) files.set_content(path, bytes);
  clock.advance(seconds(2));
  EXPECT_EQ(deliver_events(a), events_acked["a"]);
}

// ---- checkpoints

// Removed segments must not be missed because an older checkpoint is all that is left.
TEST_F(MissingSegment, ADamagedCheckpointSlotMakesNoLoss) {
  for (const size_t slot : {size_t{0}, size_t{1}}) {
    events_acked.clear();
    open();
    append_entries("a", 0, 60);
    for (int i = 0; i < 30; ++i) release(a, must_read(a));
    clock.advance(seconds(1));
    commit();
    kill();
    auto bytes = files.content(kCheckpoint);
    bytes[slot * 16384 + 20] ^= 1;
    files.set_content(kCheckpoint, bytes);
    open();
    EXPECT_EQ(dropped(), 0u) << slot;
    kill();
    wipe();
  }
}

TEST_F(MissingSegment, ACheckpointOfAnotherLogIsNotUsed) {
  open();
  append_entries("a", 0, 30);
  append_entries("b", 0, 60);
  while (auto entry = next(b)) release(b, *entry);
  close();
  files.set_content(kCheckpoint, files.content("/spool/streams/b.1/checkpoint"));
  open();
  EXPECT_EQ(deliver_events(a), events_acked["a"]);
  EXPECT_EQ(dropped(), 0u);
}

// What earlier versions of this format wrote says nothing of totals.
TEST_F(MissingSegment, ASpoolWithoutTotalsOpensAndFromThenOnHasThem) {
  open();
  append_entries("a", 0, 40);
  for (int i = 0; i < 10; ++i) release(a, must_read(a));
  close();
  const auto take_totals_out = [&] {
    auto bytes = files.content(kCheckpoint);
    for (size_t slot = 0; slot < bytes.size(); slot += 16384) {
      uint32_t pending = 0;
      std::memcpy(&pending, bytes.data() + slot + 36, sizeof pending);
      std::memset(bytes.data() + slot + 40, 0, 8);
      const uint64_t checksum =
          checksum64(ByteView(bytes).subspan(slot + 8, 40 + pending * size_t{16}));
      std::memcpy(bytes.data() + slot, &checksum, sizeof checksum);
    }
    files.set_content(kCheckpoint, bytes);
    for (const std::string& path : segments_of(kLogA)) {
      auto segment = files.content(path);
      for (const size_t at : {size_t{0}, segment.size() - kBlockBytes}) {
        SegmentHeader header;
        std::memcpy(&header, segment.data() + at, sizeof header);
        if (header.magic != kSegmentMagic) continue;
        header.flags &= ~uint32_t{kCountedSegment};
        header.entries_before = header.events_before = 0;
        std::memcpy(segment.data() + at, &header, sizeof header);
        header.checksum =
            checksum64(ByteView(segment).subspan(at, offsetof(SegmentHeader, checksum)));
        std::memcpy(segment.data() + at, &header, sizeof header);
      }
      files.set_content(path, segment);
    }
  };
  take_totals_out();
  open();
  EXPECT_EQ(dropped(), 0u);
  append_entries("a", 40, 60);
  close();
  const auto segments = segments_of(kLogA);
  const uint64_t lost = events_of_file(segments[1]);
  ASSERT_TRUE(files.remove(segments[1]).has_value());
  open();
  EXPECT_EQ(dropped(), lost);
  EXPECT_EQ(deliver_events(a), events_acked["a"] - 15 - lost);
  expect_balance();
  expect_nothing_more_at_the_next_start();
}

// ---- penstock spool

TEST_F(MissingSegment, InspectionNamesItsFile) {
  open();
  append_entries("a", 0, 40);
  close();
  EXPECT_EQ(inspect_spool(files, "/spool", {})->front().missing.entries, 0u);
  const auto segments = segments_of(kLogA);
  const uint64_t lost = events_of_file(segments[1]) + events_of_file(segments[2]);
  ASSERT_TRUE(files.remove(segments[1]).has_value());
  ASSERT_TRUE(files.remove(segments[2]).has_value());
  const auto logs = *inspect_spool(files, "/spool", {.every_payload = true});
  EXPECT_EQ(logs.front().missing.events, lost);
  EXPECT_EQ(logs.front().missing.files, "0000000000000002.seg to 0000000000000003.seg");
  open();
  close();
  EXPECT_EQ(inspect_spool(files, "/spool", {})->front().missing.entries, 0u);
}

}  // namespace
}  // namespace penstock::spool
