// SpoolLogs: the logs of a spool, and which of a stream's logs is appended to.
//
// A stream has one log for each target it had while something was stored: its generations.
//
// Invariants, checked here:
//   the generations of a stream stand oldest first, the overflow logs of one before its main log
//   appends to a stream go to its newest generation, or to none
//
// Thread: SpoolState's lock guards it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spool/stream_queue.h"

namespace penstock::spool {

// A log and its overflow logs, which know each other. All null: there is none.
struct LogGroup {
  // Older than what the main log holds. Null in memory.
  std::array<std::unique_ptr<StreamQueue>, kOverflowLogs> overflow;
  std::unique_ptr<StreamQueue> main;
};

class SpoolLogs {
 public:
  // Those of streams.
  [[nodiscard]] const std::vector<std::unique_ptr<StreamQueue>>& all() const { return all_; }
  // Null: there is no directory for them.
  [[nodiscard]] StreamQueue* dead_letters() const { return dead_letters_.get(); }
  [[nodiscard]] bool is_dead_letters(const StreamQueue& log) const {
    return &log == dead_letters();
  }
  // All that have files, dead letters last.
  [[nodiscard]] std::vector<StreamQueue*> on_disk() const;
  // Main logs that are appended to, or hold something.
  [[nodiscard]] std::vector<StreamLog*> in_use() const;
  // The one that appends to this stream go to. Null: none.
  [[nodiscard]] StreamQueue* open_log(std::string_view stream) const;

  // The newest of its stream. If it is open, the one before is not any more.
  void add(LogGroup logs);
  void set_dead_letters(std::unique_ptr<StreamQueue> log) { dead_letters_ = std::move(log); }
  [[nodiscard]] uint64_t next_generation(std::string_view stream) const;
  // Opens the newest log of the stream if it goes to this target. Null: it does not, or there is
  // none.
  StreamQueue* reopen(const std::string& stream, const std::string& target);
  // See Spool::keep_streams().
  void keep(const std::vector<std::string>& configured);

 private:
  std::vector<std::unique_ptr<StreamQueue>> all_;
  std::unique_ptr<StreamQueue> dead_letters_;
};

}  // namespace penstock::spool
