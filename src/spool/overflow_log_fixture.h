// A spool with a log whose events move to overflow logs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {

class OverflowLog : public DiskSpool {
 protected:
  ~OverflowLog() override { spool.reset(); }  // while there is what its callbacks write to

  static constexpr size_t kEventBytes = 8;

  // Events are texts of the same length: "c12 e3  ".
  static std::string event(int chunk, int index) {
    std::string text = "c" + std::to_string(chunk) + " e" + std::to_string(index);
    text.resize(kEventBytes, ' ');
    return text;
  }
  void append_chunk(int chunk, int events, std::optional<Hash128> fingerprint = {}) {
    Append append;
    append.source = "forward";
    append.fingerprint = fingerprint;
    std::string text;
    for (int i = 0; i < events; ++i) text += event(chunk, i);
    append.parts.push_back({"a", batch_of(text, static_cast<uint32_t>(events))});
    append.parts.back().batch.received_ns = unix_nanoseconds(clock.wall());
    append.done = [this, chunk](AppendOutcome outcome) {
      if (outcome == AppendOutcome::done) acked.insert(chunk);
    };
    spool->append(std::move(append));
  }
  static std::string event_of(const Entry& entry, uint32_t place) {
    return std::string(as_text(entry.batch->entries()).substr(place * kEventBytes, kEventBytes));
  }
  // The events that are to be sent: without those that recovery found elsewhere.
  static std::vector<std::string> events_of(const Entry& entry) {
    std::vector<std::string> events;
    for (uint32_t i = 0; i < entry.batch->event_count; ++i) {
      if (std::binary_search(entry.overflowed.begin(), entry.overflowed.end(), i)) continue;
      events.push_back(event_of(entry, i));
    }
    return events;
  }
  // These places of the entry of the main log as an overflow entry.
  static OverflowEntry copy_of(const Entry& entry, const std::vector<uint32_t>& places) {
    OverflowEntry copy;
    std::string text;
    for (const uint32_t place : places) {
      text += event_of(entry, place);
      copy.events.push_back(place);
      copy.buckets.set(place % 1024);
    }
    copy.batch = batch_of(text, static_cast<uint32_t>(places.size()));
    copy.batch.id = entry.batch->id;
    copy.batch.received_ns = entry.batch->received_ns;
    copy.origin = entry.position;
    return copy;
  }
  void overflow(const Entry& entry, const std::vector<uint32_t>& places, size_t slot = 0) {
    a->append_overflow(slot, copy_of(entry, places),
                       [this](bool moved) { moves.push_back(moved); });
  }
  void finish(StreamLog* log, const Entry& entry, uint64_t delivered) {
    if (delivered > 0) ledger->deliver("a", delivered);
    log->release(entry.position);
  }
  // The main log and its overflow logs.
  std::vector<StreamLog*> logs() {
    std::vector<StreamLog*> all{a};
    for (size_t slot = 0; slot < kOverflowLogs; ++slot) all.push_back(a->overflow(slot));
    return all;
  }
  // All that can be had of them.
  std::vector<std::string> drain() {
    std::vector<std::string> events;
    for (StreamLog* log : logs()) {
      while (auto entry = next(log)) {
        const auto some = events_of(*entry);
        EXPECT_FALSE(some.empty());
        events.insert(events.end(), some.begin(), some.end());
        finish(log, *entry, some.size());
      }
    }
    return events;
  }
  [[nodiscard]] size_t overflow_segments() const {
    size_t count = 0;
    for (const std::string& path : segment_files()) count += path.find("/overflow-") != path.npos;
    return count;
  }

  // The next entry, which is there.
  Entry must_read(StreamLog* log) {
    auto entry = next(log);
    EXPECT_TRUE(entry.has_value());
    if (!entry) throw std::runtime_error("nothing to read");
    return std::move(*entry);
  }

  std::set<int> acked;
  std::vector<bool> moves;
};

}  // namespace penstock::spool
