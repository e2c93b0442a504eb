// What happens to a spool while no process uses it: bits flip, files go, are cut, swapped, emptied.
// Never a crash, never a wrong stream; what is lost is said and counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "spool/disk_spool_fixture.h"
#include "spool/log_directory.h"
#include "spool/set_aside.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Damage : public DiskSpool {
 protected:
  void flip(const std::string& path, size_t byte) {
    auto bytes = files.content(path);
    ASSERT_LT(byte, bytes.size());
    bytes[byte] ^= 0x10;
    files.set_content(path, bytes);
  }
  [[nodiscard]] std::vector<std::string> names_aside() const {
    std::vector<std::string> found;
    for (const std::string& path : files.files()) {
      if (path.find(".damaged") != std::string::npos) found.push_back(path);
    }
    return found;
  }
  uint64_t dropped() { return ledger->snapshot().dropped["damaged"]; }
};

constexpr const char* kDescription = "/spool/streams/a.1/description";
constexpr const char* kCopy = "/spool/streams/a.1/description.copy";

TEST_F(Damage, ABitFlippedInOneDescriptionLosesNothing) {
  for (const char* const path : {kDescription, kCopy}) {
    open();
    append("x", {"a:kept"});
    commit();
    const size_t size = files.content(path).size();
    for (size_t byte = 0; byte < size; byte += 7) {
      kill();
      flip(path, byte);
      open();
      ASSERT_EQ(files.content(kDescription), files.content(kCopy)) << path << " byte " << byte;
    }
    EXPECT_THAT(deliver(a), ElementsAre("kept"));
    EXPECT_EQ(dropped(), 0u);
    EXPECT_THAT(names_aside(), ElementsAre());
    expect_balance();
    spool->close();
    spool.reset();
  }
}

TEST_F(Damage, ALogWithoutTheCopyOpensAsBefore) {
  open();
  append("x", {"a:kept"});
  commit();
  kill();
  ASSERT_TRUE(files.remove(kCopy).has_value());
  open();
  EXPECT_THAT(deliver(a), ElementsAre("kept"));
  EXPECT_EQ(files.content(kDescription), files.content(kCopy));
}

TEST_F(Damage, ALogWithoutAnyDescriptionIsSetAsideAndCountedAndItsStreamGoesOn) {
  for (int round = 0; round < 2; ++round) {
    const Hash128 chunk{7, static_cast<uint64_t>(round)};
    open();
    append("x", {"a:one", "a:two"}, chunk);
    append("y", {"b:other"});
    commit();
    kill();
    flip(kDescription, 40);
    flip(kCopy, 50);
    open();
    EXPECT_EQ(ledger->snapshot().received["recovered"], 3u);
    EXPECT_EQ(dropped(), 2u);
    EXPECT_THAT(spool->last_error(), HasSubstr("2 events of stream a are set aside"));
    EXPECT_FALSE(names_aside().empty());
    // A sender that was not acked sends it again: that is no repeat of something stored.
    append("x", {"a:one", "a:two"}, chunk);
    append("z", {"a:new"});
    commit();
    EXPECT_THAT(deliver(a), ElementsAre("one", "two", "new"));
    EXPECT_THAT(deliver(b), ElementsAre("other"));
    expect_balance();
    spool->close();
    spool.reset();
    open();
    EXPECT_EQ(dropped(), 0u);  // once
    kill();
  }
  EXPECT_TRUE(files.list("/spool/streams/a.1.damaged").has_value());
  EXPECT_TRUE(files.list("/spool/streams/a.1.damaged-2").has_value());
}

TEST_F(Damage, WhatIsSetAsideOutlivesTheRemovalOfItsLog) {
  open();
  append("x", {"a:one"});
  commit();
  kill();
  auto bytes = files.content(segment_files().front());
  std::fill(bytes.begin(), bytes.end(), uint8_t{0x55});
  files.set_content(segment_files().front(), bytes);
  target = "another";
  open();
  clock.advance(seconds(11));
  commit();
  EXPECT_TRUE(files.list("/spool/streams/a.1.damaged").has_value());
  EXPECT_FALSE(files.list("/spool/streams/a.1").has_value());
  kill();
  open();
  EXPECT_EQ(files.content("/spool/streams/a.1.damaged/0000000000000001.damaged"), bytes);
}

}  // namespace
}  // namespace penstock::spool
