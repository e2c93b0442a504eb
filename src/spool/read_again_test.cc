// Entries that delivery puts down, and asks for again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {
namespace {

class ReadAgain : public DiskSpool {
 protected:
  void store(int count, size_t size = 3000) {
    for (int i = 0; i < count; ++i) {
      append("x", {"a:" + std::to_string(i) + std::string(size, 'x')});
      commit();
    }
  }
  void put_down(Entry& entry) {
    a->put_down(entry.position);
    entry.batch.reset();
  }
  std::optional<EntryAgain> again(const Entry& entry) {
    a->read_again(entry.position);
    spool->read_turn();
    return a->take_again();
  }
  void let_go(const Entry& entry) {
    ledger->deliver("a", 1);
    a->release(entry.position);
  }
};

TEST_F(ReadAgain, GivesTheEntryAsItWas) {
  for (const uint64_t cache : {0, 1 << 20}) {
    options.cache_bytes_max = cache;
    options.directory = "/spool" + std::to_string(cache);
    open();
    int woken = 0;
    a->on_readable([&] { ++woken; });
    store(3);
    std::vector<Entry> entries;
    while (auto entry = next(a)) entries.push_back(*entry);
    ASSERT_EQ(entries.size(), 3u);
    const std::string text = text_of(entries[1]);
    put_down(entries[1]);
    woken = 0;
    const auto read = again(entries[1]);
    EXPECT_EQ(woken, 1);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->position, entries[1].position);
    EXPECT_EQ(as_text(read->batch->entries()), text);
    EXPECT_EQ(read->batch->tag, "app.x");
    EXPECT_FALSE(a->take_again().has_value());
    for (const Entry& entry : entries) let_go(entry);
    EXPECT_TRUE(a->empty());
    expect_balance();
    a->on_readable(nullptr);
    kill();
  }
}

TEST_F(ReadAgain, WhatIsHeldFillsTheShareUntilItIsPutDown) {
  options.cache_bytes_max = 0;
  options.read_bytes_max = 20'000;  // for two logs
  open();
  store(20);
  std::vector<Entry> entries;
  while (auto entry = next(a)) entries.push_back(*entry);
  EXPECT_LT(entries.size(), 5u);
  EXPECT_TRUE(a->wants_room());
  for (Entry& entry : entries) put_down(entry);
  EXPECT_FALSE(a->wants_room());
  size_t held = 0;
  while (auto entry = next(a)) {
    put_down(*entry);
    entries.push_back(*entry);
  }
  EXPECT_EQ(entries.size(), 20u);
  for (const Entry& entry : entries) {
    const auto read = again(entry);
    ASSERT_TRUE(read.has_value());
    ++held;
    let_go(entry);
  }
  EXPECT_EQ(held, 20u);
  EXPECT_TRUE(a->empty());
  commit();
  EXPECT_LE(segment_files().size(), 2u);
}

// Delivery may have to catch up before it takes anything new.
TEST_F(ReadAgain, WhatIsReadAheadAndNotTakenDoesNotStandInItsWay) {
  options.cache_bytes_max = 0;
  options.read_bytes_max = 20'000;  // for two logs
  open();
  store(20);
  std::vector<Entry> entries;
  for (int i = 0; i < 2; ++i) entries.push_back(*next(a));
  for (Entry& entry : entries) put_down(entry);
  while (spool->read_turn()) {  // ahead, as far as there is room
  }
  for (const Entry& entry : entries) {
    const auto read = again(entry);
    ASSERT_TRUE(read.has_value());
    EXPECT_NE(read->batch, nullptr);
  }
}

TEST_F(ReadAgain, OfAnEntryThatIsReleasedInTheMeantimeDoesNoHarm) {
  options.cache_bytes_max = 0;
  open();
  store(60);  // several segments
  std::vector<Entry> entries;
  while (auto entry = next(a)) {
    put_down(*entry);
    entries.push_back(*entry);
  }
  for (const Entry& entry : entries) a->read_again(entry.position);
  for (const Entry& entry : entries) let_go(entry);
  clock.advance(seconds(1));
  commit();
  while (spool->read_turn()) {
  }
  while (a->take_again()) {
  }
  store(3);
  EXPECT_EQ(deliver(a).size(), 3u);
}

TEST_F(ReadAgain, OfADamagedEntrySaysSo) {
  options.cache_bytes_max = 0;
  open();
  store(1);
  Entry entry = *next(a);
  put_down(entry);
  const std::string path = segment_files().front();
  auto bytes = files.content(path);
  bytes[4096 + 500] ^= 1;
  files.set_content(path, bytes);
  const auto read = again(entry);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->batch, nullptr);
}

// Many more than a checkpoint holds: what does not fit is sent again after a restart, nothing is
// lost.
TEST_F(ReadAgain, MoreThanACheckpointHoldsMayBePutDown) {
  open();
  for (int i = 0; i < 3000; ++i) append("x", {"a:" + std::to_string(i)});
  commit();
  std::vector<Entry> entries;
  while (auto entry = next(a)) {
    put_down(*entry);
    entries.push_back(*entry);
  }
  ASSERT_EQ(entries.size(), 3000u);
  for (size_t i = 0; i < entries.size(); i += 2) let_go(entries[i]);
  clock.advance(seconds(1));
  commit();
  lose_power();
  open();
  const auto texts = deliver(a);
  EXPECT_LT(texts.size(), 3000u);
  for (int i = 1; i < 3000; i += 2) {
    EXPECT_THAT(texts, testing::Contains(std::to_string(i))) << i;
  }
}

}  // namespace
}  // namespace penstock::spool
