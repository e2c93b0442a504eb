// The small language of the tests of a spool on disk: turned by hand, on a file system that fails
// when told to.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "spool/faulty_file_system.h"
#include "spool/spool_core.h"

namespace penstock::spool {

inline record::Batch batch_of(const std::string& text, uint32_t events = 1) {
  record::Batch batch;
  batch.source = "forward";
  batch.tag = "app.x";
  batch.event_count = events;
  batch.id = hash128(as_bytes(text));
  batch.storage = ByteBuffer::copy_of(as_bytes(text));
  batch.entries_size = text.size();
  return batch;
}

inline uint64_t sum(const auto& counts) {
  uint64_t all = 0;
  for (const auto& [label, count] : counts) all += count;
  return all;
}

class DiskSpool : public testing::Test {
 protected:
  DiskSpool() {
    options.directory = "/spool";
    options.bytes_max = 4 << 20;
    internals.manual = true;
    internals.segment_bytes = 64 << 10;
    internals.salt_seed = 17;
  }

  void open() {
    ++internals.salt_seed;
    ledger = std::make_unique<record::Ledger>();
    auto opened = SpoolCore::open(options, internals, *ledger, budget, clock, files);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    spool = std::move(*opened);
    a = *spool->open_stream({"a", target, "settings of a", 0});
    b = *spool->open_stream({"b", "target", "settings of b", 0});
  }
  void kill() {
    spool->abandon();
    files.kill();
    spool.reset();
  }
  void lose_power() {
    spool->abandon();
    files.lose_power();
    spool.reset();
  }

  AppendHandle append(std::string name, std::vector<std::string> parts,
                      std::optional<Hash128> fingerprint = {}) {
    Append append;
    append.source = "forward";
    append.fingerprint = fingerprint;
    for (const std::string& part : parts) {
      append.parts.push_back({part.substr(0, 1), batch_of(part.substr(2))});
      append.parts.back().batch.received_ns = unix_nanoseconds(clock.wall());
    }
    append.admitted = [this, name] { admitted.push_back(name); };
    append.done = [this, name](AppendOutcome outcome) {
      outcomes.push_back(name + (outcome == AppendOutcome::done        ? " done"
                                 : outcome == AppendOutcome::cancelled ? " cancelled"
                                                                       : " closed"));
    };
    return spool->append(std::move(append));
  }
  void commit() {
    while (spool->commit_turn()) {
    }
  }
  // Every log of a stream may have its turn before this one.
  static constexpr int kTurns = 3 + kOverflowLogs;
  std::optional<Entry> next(StreamLog* log) {
    auto entry = log->read();
    for (int i = 0; !entry && i < kTurns && spool->read_turn(); ++i) entry = log->read();
    return entry;
  }
  static std::string text_of(const Entry& entry) {
    return std::string(as_text(entry.batch->entries()));
  }
  void release(StreamLog* log, const Entry& entry) {
    ledger->deliver(log->stream(), entry.batch->event_count - entry.overflowed.size());
    log->release(entry.position);
  }
  static std::vector<uint32_t> all_of(const Entry& entry) {
    std::vector<uint32_t> places(entry.batch->event_count);
    std::iota(places.begin(), places.end(), 0u);
    return places;
  }
  // A whole entry of stream a.
  void move_to_overflow(const Entry& entry, size_t slot) {
    OverflowEntry copy;
    copy.batch = batch_of(text_of(entry), entry.batch->event_count);
    copy.batch.received_ns = entry.batch->received_ns;
    copy.origin = entry.position;
    copy.events = all_of(entry);
    a->append_overflow(slot, std::move(copy), [](bool) {});
    commit();
    a->release(entry.position);
  }
  std::vector<std::string> deliver(StreamLog* log) {
    std::vector<std::string> texts;
    while (auto entry = next(log)) {
      texts.push_back(text_of(*entry));
      release(log, *entry);
    }
    return texts;
  }
  void expect_balance() {
    const auto counts = ledger->snapshot();
    EXPECT_EQ(sum(counts.received), sum(counts.delivered) + sum(counts.dead_lettered) +
                                        sum(counts.dropped) + sum(counts.duplicate) +
                                        sum(counts.pending));
  }
  [[nodiscard]] std::vector<std::string> segment_files() const {
    std::vector<std::string> found;
    for (const std::string& path : files.files()) {
      if (path.ends_with(".seg") && path.starts_with("/spool/streams")) found.push_back(path);
    }
    return found;
  }

  FaultyFileSystem files;
  SpoolOptions options;
  SpoolInternals internals;
  ManualClock clock;
  memory::MemoryBudget budget{{}};
  std::unique_ptr<record::Ledger> ledger;
  std::vector<std::string> admitted;
  std::vector<std::string> outcomes;
  std::string target = "target";
  std::unique_ptr<SpoolCore> spool;
  StreamLog* a = nullptr;
  StreamLog* b = nullptr;
};

}  // namespace penstock::spool
