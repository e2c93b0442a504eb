// StreamQueue: the log of one stream as delivery sees it: what is ready to be read, what is in
// flight, and what may be dropped. Where the bytes lie is none of its business.
//
// Thread: SpoolCore's lock guards every member; the StreamLog functions take it themselves.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "spool/chunk_table.h"
#include "spool/spool.h"

namespace penstock::spool {

class SpoolCore;

// An entry that is kept and not yet read.
struct ReadyEntry {
  Position position;
  std::shared_ptr<const record::Batch> batch;
  uint32_t events_final = 0;
  uint64_t bytes = 0;  // what it takes of the stream's share
  Hash128 chunk_key;
};

// An entry that delivery holds.
struct EntryInFlight {
  uint64_t bytes = 0;
  uint32_t event_count = 0;
  uint32_t events_final = 0;
  int64_t received_ns = 0;
  Hash128 chunk_key;
};

class StreamQueue final : public StreamLog {
 public:
  StreamQueue(SpoolCore& core, const StreamOptions& options)
      : core_(core), name_(options.stream), options_(options), settings_(&options_.settings) {}

  [[nodiscard]] const std::string& stream() const override { return name_; }
  [[nodiscard]] const std::string& settings() const override { return *settings_.load(); }
  [[nodiscard]] std::optional<Entry> read() override;
  void on_readable(std::function<void()> wake) override;
  void release(Position position) override;
  void progress(Position position, uint32_t events) override;
  [[nodiscard]] bool empty() const override;

 private:
  friend class SpoolCore;

  // New settings for the same target.
  void take_over(const StreamOptions& options);
  [[nodiscard]] int64_t oldest_received_ns() const;
  // Adds the wake-up to calls if delivery has found nothing and waits.
  void wake_reader(Calls& calls);

  SpoolCore& core_;
  const std::string name_;
  StreamOptions options_;
  // settings() hands out a reference: what was in force earlier stays alive.
  std::deque<std::string> later_settings_;
  std::atomic<const std::string*> settings_;
  bool open_ = true;  // appends go to it

  std::deque<ReadyEntry> ready_;
  std::map<Position, EntryInFlight> in_flight_;
  uint64_t bytes_ = 0;
  uint64_t next_number_ = 1;  // position of the next entry, in memory

  bool reader_waits_ = false;
  std::mutex wake_mutex_;  // held while wake_ runs; never taken while the core's lock is held
  std::function<void()> wake_;
};

}  // namespace penstock::spool
