// For tests: a log of the spool with entries that a test names, and what became of them.
//
// Thread: the test's.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codec/msgpack_cursor.h"
#include "record/event.h"
#include "spool/spool.h"

namespace penstock::delivery {

class SourceLog final : public spool::StreamLog {
 public:
  enum class Kind : uint8_t { in_memory, on_disk };  // on disk it has overflow logs
  explicit SourceLog(Kind kind = Kind::in_memory) {
    if (kind == Kind::in_memory) return;
    for (auto& log : overflow_) log = std::make_unique<SourceLog>();
  }

  struct Added {
    uint32_t events = 1;
    bool is_large = false;
    std::vector<uint32_t> overflowed = {};
    std::optional<uint32_t> origin = {};  // of an overflow log's: the place in the main log
  };
  // Its position is its number, from 1.
  void add(const Added& added) { entries_.push_back(entry(++added_, added)); }
  // The same, for a test that opens it itself.
  [[nodiscard]] static spool::Entry entry(uint32_t offset, const Added& added) {
    auto batch = std::make_shared<record::Batch>();
    batch->encoding = record::Encoding::json;
    batch->event_count = added.events;
    for (uint32_t i = 0; i < added.events; ++i) {
      record::append_json_entry(batch->storage, {}, as_bytes("{}"));
    }
    batch->entries_size = batch->storage.size();
    spool::Entry made;
    made.position = {0, offset};
    made.batch = std::move(batch);
    made.overflowed = added.overflowed;
    made.is_large = added.is_large;
    if (added.origin) made.origin = {0, *added.origin};
    return made;
  }
  // All that was added was there at start-up, with events of these buckets.
  void recover(const spool::BucketSet& buckets) { recovered_ = {buckets, {0, added_ + 1}}; }
  [[nodiscard]] SourceLog& overflow_log(size_t number) { return *overflow_.at(number); }

  [[nodiscard]] const std::string& stream() const override { return name_; }
  [[nodiscard]] const std::string& settings() const override { return name_; }
  [[nodiscard]] std::optional<spool::Entry> read() override {
    if (entries_.empty()) return std::nullopt;
    spool::Entry entry = std::move(entries_.front());
    entries_.pop_front();
    if (entry.is_large) large_ = entry;
    return entry;
  }
  void on_readable(std::function<void()>) override {}
  void release(spool::Position position) override { released.push_back(position.offset); }
  void unread(spool::Position position) override {
    unread_offsets.push_back(position.offset);
    if (large_) entries_.push_front(*std::exchange(large_, std::nullopt));
  }
  [[nodiscard]] Reloaded reload(spool::Position position) override {
    ++reloads;
    if (is_lost) return {nullptr, true};
    if (!is_reloadable) return {};
    return {entry(position.offset, {}).batch};
  }
  [[nodiscard]] bool next_is_large() const override {
    return !entries_.empty() && entries_.front().is_large;
  }
  [[nodiscard]] std::optional<spool::Position> next_origin() const override {
    return entries_.empty() ? std::nullopt : entries_.front().origin;
  }
  [[nodiscard]] bool memory_is_awaited() const override { return is_memory_awaited; }
  [[nodiscard]] bool empty() const override { return entries_.empty(); }
  [[nodiscard]] StreamLog* overflow(size_t number) override { return overflow_.at(number).get(); }
  [[nodiscard]] RecoveredOverflow recovered_overflow(size_t number) const override {
    return overflow_.at(number)->recovered_;
  }

  bool is_memory_awaited = false;
  bool is_reloadable = false;
  bool is_lost = false;
  uint32_t reloads = 0;  // asked for
  std::vector<uint32_t> released;
  std::vector<uint32_t> unread_offsets;

 private:
  const std::string name_ = "test";
  uint32_t added_ = 0;
  std::deque<spool::Entry> entries_;
  RecoveredOverflow recovered_;
  std::optional<spool::Entry> large_;  // that was read last
  std::array<std::unique_ptr<SourceLog>, spool::kOverflowLogs> overflow_;
};

}  // namespace penstock::delivery
