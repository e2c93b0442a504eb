// SpoolCore: the spool behind spool.h: puts its parts together and gives them their threads.
//
// It has 24 functions because Spool has 17, and because tests give the parts their turns by hand.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "spool/backlog_reader.h"
#include "spool/commit_queue.h"
#include "spool/dead_letter_replay.h"
#include "spool/log_recovery.h"
#include "spool/spool_directory.h"
#include "spool/spool_state.h"

namespace penstock::spool {

class SpoolCore final : public Spool {
 public:
  static Result<std::unique_ptr<SpoolCore>, Error> open(
      SpoolOptions options, SpoolInternals internals, record::Ledger& ledger,
      memory::MemoryBudget& budget, const Clock& clock, FileSystem& file_system);
  ~SpoolCore() override;

  Result<StreamLog*, Error> open_stream(const StreamOptions& options) override;
  void keep_streams(const std::vector<std::string>& configured) override;
  [[nodiscard]] std::vector<StreamLog*> logs() override;
  AppendHandle append(Append append) override;
  void dead_letter(std::vector<DeadLetter> letters, std::function<void(bool)> done) override;
  void on_replay(std::function<Append(record::Batch)> route) override;
  void reconfigure(const SpoolOptions& options) override;
  [[nodiscard]] StreamFigures figures(std::string_view stream) const override;
  [[nodiscard]] uint64_t bytes() const override;
  [[nodiscard]] uint64_t dead_letter_bytes() const override;
  [[nodiscard]] uint64_t dead_letter_count() const override;
  [[nodiscard]] std::optional<SteadyTime> pushing_back_since() const override;
  [[nodiscard]] bool awaits_large_lease() const override {
    return reader_ && reader_->awaits_large_lease();
  }
  [[nodiscard]] SteadyTime last_turn() const override;
  [[nodiscard]] std::string last_error() const override;
  void close() override;

  // With SpoolInternals::manual: one turn of what the threads do.
  bool commit_turn() { return commit_queue_ && commit_queue_->turn(); }
  bool read_turn() { return reader_ && reader_->turn(); }
  bool replay_turn() { return replay_ && replay_->turn(); }
  // Leaves everything as a killed process does: nothing is written any more.
  void abandon();

 private:
  explicit SpoolCore(SpoolState* state) : state_(state) {}
  Result<StreamQueue*, Error> begin_log(const StreamOptions& options);

  memory::MemoryLease read_ahead_lease_;
  AlignedBuffer staging_{1 << 20};
  std::unique_ptr<SpoolState> state_;
  std::optional<SpoolDirectory> directory_;
  std::unique_ptr<File> letters_lock_;  // see RecoveredSpool
  std::optional<CommitQueue> commit_queue_;
  std::optional<BacklogReader> reader_;
  std::optional<DeadLetterReplay> replay_;
  std::mutex open_mutex_;  // one open_stream() at a time; taken before the state's lock
};

}  // namespace penstock::spool
