// CommitQueue: writes what is queued for all logs, syncs the touched files together, then tells
// those who wait. Besides, it writes checkpoints and gives back segments that are no longer needed.
//
// One turn is: collect (with the lock), write and sync (without it), publish (with it). While a
// sync is under way appends gather for the next one, so rounds grow with the load by themselves
// and nothing waits when there is none.
//
// It has 24 functions because a turn has that many steps, with the lock and without it. What a step
// changes belongs to others (StreamQueue's parts, LogWriter): here is the order of the steps.
//
// Thread: one of its own between start() and stop(); or none, and turn() is called by hand.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "spool/repeat_log.h"
#include "spool/spool_state.h"

namespace penstock::spool {

class CommitQueue {
 public:
  CommitQueue(SpoolState& state, std::string streams_directory, std::optional<RepeatLog> repeat_log)
      : state_(state),
        streams_directory_(std::move(streams_directory)),
        repeat_log_(std::move(repeat_log)),
        opened_at_(state.clock.steady()) {}
  ~CommitQueue() { stop(); }

  void start();
  // Ends the thread after the turn it is in.
  void stop();

  // One round; false when nothing was to be done.
  bool turn();
  // Rounds until all that was admitted is safe, or the disk fails; then the last checkpoints.
  void drain();
  // A disk that does not answer is no standstill of ours.
  [[nodiscard]] SteadyTime last_turn() const {
    return is_at_disk_ ? state_.clock.steady() : SteadyTime(nanoseconds(last_turn_.load()));
  }

 private:
  // A segment whose file is to go.
  struct Retiring {
    uint64_t number = 0;
    uint64_t file_bytes = 0;
    uint64_t end = 0;          // of its entries
    bool dropped = false;      // its entries were not final: those who track them are told
    bool has_repeats = false;  // some of its fingerprints are within the window
    std::vector<IndexEntry> entries;
    bool removed = false;
  };
  // What is to be done for one log in this turn, and what came of it.
  struct LogTurn {
    StreamQueue* queue = nullptr;
    std::vector<QueuedEntry> entries;
    std::optional<Checkpoint> checkpoint;
    Position pending_from;  // nothing before it is pending when the checkpoint is written
    std::vector<Retiring> retiring;
    std::vector<Position> leaving;  // dead letters that were delivered
    bool remove_log = false;
    bool drop_spare = false;
    bool room_wanted = false;  // no file is kept to be used again
    uint64_t segment_bytes = 0;

    IoResult<void> stored;
    LogWriter::Round round;
    struct Upkeep {
      IoResult<void> outcome;
      bool checkpointed = false;
      bool left = false;  // what was to leave is written down
      uint64_t freed_bytes = 0;
    };
    Upkeep upkeep;
  };

  void run();
  [[nodiscard]] std::optional<SteadyTime> next_deadline() const;

  // With the lock held:
  [[nodiscard]] std::vector<LogTurn> collect(Calls& calls);
  void collect_entries(LogTurn& turn, uint64_t& room_in_round);
  void collect_upkeep(LogTurn& turn, SteadyTime now);
  void drop_oldest_segments(Calls& calls);
  bool drop_oldest_segment(StreamQueue& queue, Calls& calls);
  [[nodiscard]] bool may_remove(const StreamQueue& queue, SteadyTime now) const;
  void publish(LogTurn& turn, Calls& calls);
  void publish_entries(LogTurn& turn, Calls& calls);
  void publish_failure(LogTurn& turn);
  void publish_upkeep(LogTurn& turn, Calls& calls);
  void keep_fresh(StreamQueue& queue, ReadyEntry entry, Calls& calls);

  // Without it:
  void write(std::vector<LogTurn>& turns);
  void look_after(LogTurn& turn);
  IoResult<void> write_gone(const LogTurn& turn);
  IoResult<void> remember_fingerprints(LogTurn& turn);

  SpoolState& state_;
  const std::string streams_directory_;
  std::optional<RepeatLog> repeat_log_;
  std::optional<GoneFile> gone_file_;
  const SteadyTime opened_at_;
  bool closing_ = false;
  int upkeep_failures_ = 0;
  std::atomic<int64_t> last_turn_{0};
  std::atomic<bool> is_at_disk_{false};
  std::thread thread_;
};

}  // namespace penstock::spool
