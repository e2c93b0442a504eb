// What happens to a spool while no process uses it: bits flip, files go, are cut, swapped, emptied.
// Never a crash, never a wrong stream; what is lost is said and counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
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

// One segment that is being filled: three runs of three entries of 3,000 bytes.
class OpenDamage : public Damage {
 protected:
  static constexpr size_t kEntryBytes = 96 + 16 + 3008;  // header, texts, payload
  static constexpr size_t kRunBytes = 12288;
  static size_t place_of(size_t run, size_t entry) {
    return 4096 + run * kRunBytes + entry * kEntryBytes;
  }
  void fill_and_flip(std::vector<size_t> places) {
    open();
    for (int i = 0; i < 9; ++i) {
      append("x", {"a:" + std::to_string(i) + std::string(3000, 'x')});
      if (i % 3 == 2) commit();
    }
    kill();
    const std::string path = segment_files().front();
    for (const size_t place : places) flip(path, place);
    open();
  }
};

TEST_F(OpenDamage, APayloadBeforeWhatWasWrittenLastIsSaidAndCounted) {
  fill_and_flip({place_of(1, 1) + 500});
  EXPECT_EQ(dropped(), 1u);
  EXPECT_EQ(deliver(a).size(), 8u);
  expect_balance();
}

TEST_F(OpenDamage, AHeaderBeforeWhatWasWrittenLastIsSaidAndCounted) {
  fill_and_flip({place_of(1, 1) + 20});
  EXPECT_EQ(dropped(), 1u);
  EXPECT_EQ(deliver(a).size(), 8u);
  expect_balance();
}

TEST_F(OpenDamage, WhatIsBrokenInTheLastRunMayNeverHaveBeenAcknowledgedAndIsNotCounted) {
  fill_and_flip({place_of(2, 0) + 500});
  EXPECT_EQ(dropped(), 0u);
  EXPECT_EQ(deliver(a).size(), 8u);
  expect_balance();
}

TEST_F(OpenDamage, ALaterRunShowsThatAnEarlierOneWasSyncedThoughNothingInItIsWhole) {
  fill_and_flip(
      {place_of(1, 2) + 500, place_of(2, 0) + 500, place_of(2, 1) + 500, place_of(2, 2) + 500});
  EXPECT_EQ(dropped(), 1u);
  EXPECT_EQ(deliver(a).size(), 5u);
  expect_balance();
}

TEST_F(OpenDamage, OfWhatWasBeingDeliveredOnlyTheRestIsCounted) {
  open();
  for (int i = 0; i < 4; ++i) {
    append("x", {"a:" + std::to_string(i) + std::string(3000, 'x')});
    commit();
  }
  const auto first = next(a);
  const auto second = next(a);
  release(a, *first);
  clock.advance(seconds(1));
  commit();
  kill();
  const std::string path = segment_files().front();
  flip(path, 4096 + 20);         // final
  flip(path, 4096 + 4096 + 20);  // being sent
  open();
  EXPECT_EQ(dropped(), 1u);
  EXPECT_EQ(deliver(a).size(), 2u);
  expect_balance();
}

class SealedDamage : public Damage {
 protected:
  // Several sealed segments of stream a and one of b, none of it delivered.
  void fill() {
    options.bytes_max = 16 << 20;
    options.cache_bytes_max = 0;
    open();
    for (int i = 0; i < 40; ++i) append("x", {"a:" + std::to_string(i) + std::string(8000, 'x')});
    append("y", {"b:of b"});
    commit();
    kill();
    for (const std::string& path : segment_files()) {
      if (path.starts_with("/spool/streams/a.1/")) of_a.push_back(path);
    }
    ASSERT_GE(of_a.size(), 4u);
  }
  void expect_said(size_t delivered_max) {
    open();
    EXPECT_GE(dropped(), 1u);
    EXPECT_THAT(spool->last_error(), HasSubstr("events of stream a are lost"));
    const auto texts = deliver(a);
    EXPECT_LE(texts.size(), delivered_max);
    EXPECT_GE(texts.size(), 20u);
    for (const std::string& text : texts) EXPECT_THAT(text, HasSubstr("xxxx"));
    EXPECT_THAT(deliver(b), ElementsAre("of b"));
    expect_balance();
    spool->close();
    spool.reset();
    open();
    EXPECT_EQ(dropped(), 0u);  // once
  }
  std::vector<std::string> of_a;
};

TEST_F(SealedDamage, AnEmptySegmentIsSaidAndSetAside) {
  fill();
  files.set_content(of_a[1], {});
  expect_said(39);
  EXPECT_EQ(names_aside().size(), 1u);
}

TEST_F(SealedDamage, AZeroedSegmentIsSaidAndSetAside) {
  fill();
  files.set_content(of_a[1], std::vector<uint8_t>(files.content(of_a[1]).size()));
  expect_said(39);
  EXPECT_EQ(names_aside().size(), 1u);
}

TEST_F(SealedDamage, ASegmentThatIsCutGivesWhatIsLeftAndIsSaid) {
  fill();
  auto bytes = files.content(of_a[1]);
  bytes.resize(bytes.size() / 2);
  files.set_content(of_a[1], bytes);
  expect_said(39);
}

TEST_F(SealedDamage, ASegmentOfAnotherStreamIsNotDelivered) {
  fill();
  for (const std::string& path : segment_files()) {
    if (path.starts_with("/spool/streams/b.1/")) files.set_content(of_a[0], files.content(path));
  }
  expect_said(39);
  EXPECT_EQ(names_aside().size(), 1u);
}

TEST_F(SealedDamage, AnotherSegmentOfTheSameLogInItsPlaceIsSaid) {
  fill();
  files.set_content(of_a[1], files.content(of_a[2]));
  expect_said(39);
  EXPECT_EQ(names_aside().size(), 1u);
}

TEST_F(SealedDamage, AnyFlipsCutsAndSwapsLeaveNoCrashNoWrongStreamAndABalance) {
  fill();
  const std::vector<std::string> all = files.files();
  std::map<std::string, std::vector<uint8_t>> whole;
  for (const std::string& path : all) whole[path] = files.content(path);
  for (uint32_t seed = 0; seed < 300; ++seed) {
    FaultyFileSystem damaged;
    for (const char* const directory : {"/spool", "/spool/streams", "/spool/streams/a.1",
                                        "/spool/streams/b.1", "/spool/dead-letter"}) {
      ASSERT_TRUE(damaged.make_directory(directory).has_value());
      (void)damaged.sync_directory(directory);
    }
    std::mt19937 random(seed);
    const std::string& victim = all[random() % all.size()];
    for (const auto& [path, bytes] : whole) {
      if (path != "/spool/lock") damaged.set_content(path, bytes);
    }
    auto bytes = whole[victim];
    switch (random() % 4) {
      case 0:
        if (!bytes.empty()) bytes[random() % bytes.size()] ^= 0x10;
        break;
      case 1:
        bytes.resize(bytes.empty() ? 0 : random() % bytes.size());
        break;
      case 2:
        bytes = whole[all[random() % all.size()]];
        break;
      default:
        std::fill(bytes.begin(), bytes.end(), uint8_t{0});
    }
    damaged.set_content(victim, bytes);
    ++internals.salt_seed;
    ledger = std::make_unique<record::Ledger>();
    auto opened = SpoolCore::open(options, internals, *ledger, budget, clock, damaged);
    if (!opened) {  // the format file: said, and nothing is touched
      ASSERT_EQ(victim, "/spool/format") << seed << ": " << opened.error().message;
      continue;
    }
    spool = std::move(*opened);
    a = *spool->open_stream({"a", target, "settings of a", 0});
    b = *spool->open_stream({"b", "target", "settings of b", 0});
    size_t delivered = 0;
    for (const std::string& text : deliver(a)) {
      ASSERT_THAT(text, HasSubstr("xxxx")) << seed << " " << victim;
      ++delivered;
    }
    for (const std::string& text : deliver(b)) {
      ASSERT_EQ(text, "of b") << seed << " " << victim;
      ++delivered;
    }
    const bool newest = victim == of_a.back() || victim.starts_with("/spool/streams/b.1/");
    if (delivered < 41 && !newest) {
      ASSERT_GE(dropped(), 1u) << seed << " " << victim;
    }
    expect_balance();
    spool->abandon();
    damaged.kill();
    spool.reset();
  }
}

}  // namespace
}  // namespace penstock::spool
