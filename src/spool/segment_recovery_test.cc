#include "spool/segment_recovery.h"

#include <gtest/gtest.h>

#include <string>

#include "record/event.h"
#include "spool/faulty_file_system.h"
#include "spool/segment_writer.h"

namespace penstock::spool {
namespace {

constexpr const char* kPath = "/1.seg";

class SegmentRecovery : public testing::Test {
 protected:
  // A sealed segment of so many entries, each in a run of its own. Returns where they begin.
  std::vector<uint32_t> write_sealed(size_t entries) {
    SegmentWriter::Options options;
    options.path = kPath;
    options.number = 1;
    options.salt = 7;
    options.file_bytes = 64 * 1024;
    auto writer = SegmentWriter::create(files, options, staging);
    EXPECT_TRUE(writer);
    std::vector<uint32_t> offsets;
    for (size_t i = 0; i < entries; ++i) {
      record::Batch batch;
      batch.encoding = record::Encoding::json;
      batch.event_count = 1;
      record::append_json_entry(batch.storage, {}, as_bytes("{\"n\":" + std::to_string(i) + "}"));
      batch.entries_size = batch.storage.size();
      EntryToStore entry;
      entry.batch = &batch;
      const auto offset = (*writer)->append(entry);
      EXPECT_TRUE(offset);
      offsets.push_back(*offset);
      EXPECT_TRUE((*writer)->finish_run());
      EXPECT_TRUE((*writer)->sync());
    }
    EXPECT_TRUE((*writer)->seal());
    EXPECT_TRUE((*writer)->sync());
    EXPECT_TRUE(files.sync_directory("/"));
    return offsets;
  }
  [[nodiscard]] std::vector<uint32_t> found(Verify verify) {
    const auto segment = recover_segment(*files.open(kPath, {}), 1, verify);
    EXPECT_TRUE(segment);
    std::vector<uint32_t> offsets;
    for (const IndexEntry& entry : segment->entries) offsets.push_back(entry.offset);
    return offsets;
  }

  FaultyFileSystem files{1};
  AlignedBuffer staging{1 << 20};
};

// What is believed by its index has to be whole: its sender is told that it is stored.
TEST_F(SegmentRecovery, ACutThatIsInterruptedLeavesNoIndexOfEntriesThatItWroteOver) {
  const std::vector<uint32_t> written = write_sealed(4);
  const auto image = files.content(kPath);
  for (const bool is_power_lost : {false, true}) {
    bool is_done = false;
    for (uint64_t operation = 1; !is_done; ++operation) {
      ASSERT_LT(operation, 20u);
      files.set_content(kPath, image);
      auto segment = recover_segment(*files.open(kPath, {}), 1);
      ASSERT_TRUE(segment);
      ASSERT_EQ(segment->entries.size(), 4u);
      segment->entries_end = written[1];
      cut_entries(*segment, written[1]);
      files.crash_after(operation);
      try {
        is_done = seal_recovered(files, kPath, *segment).has_value();
      } catch (const FaultyFileSystem::Crash&) {
      }
      is_power_lost ? files.lose_power() : files.kill();
      const auto believed = found(Verify::what_is_unsure);
      EXPECT_EQ(believed, found(Verify::every_payload)) << "operation " << operation;
      ASSERT_FALSE(believed.empty());
      EXPECT_EQ(believed.front(), written.front());
    }
    EXPECT_EQ(found(Verify::every_payload), std::vector<uint32_t>{written.front()});
  }
}

}  // namespace
}  // namespace penstock::spool
