#include "spool/commit_queue.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "base/log.h"
#include "spool/admission.h"
#include "spool/log_directory.h"
#include "spool/segment_recovery.h"

namespace penstock::spool {
namespace {

// A round is at most this much, so that the one behind it is not kept waiting for long.
constexpr uint64_t kRoundBytesMax = 8 << 20;
// A checkpoint is as old as this at most: what it saves is only sending again after a crash.
constexpr milliseconds kCheckpointInterval{100};
// Logs that nobody has opened are left alone this long after the start.
constexpr seconds kRemovalDelay{10};
constexpr milliseconds kIdleTurn{1000};
// Of a disk that fails while the spool is being closed.
constexpr int kLastTriesMax = 3;
// The file of letters that are gone is written anew when it has grown to this.
constexpr uint64_t kGoneBytesMax = 4 << 20;

// What a checkpoint leaves pending, beginning with the entry of this number, and what was stored.
LogTotals totals_of(const StreamQueue& queue, const Checkpoint& checkpoint, uint64_t number) {
  LogTotals totals = queue.segments.totals_from(number);
  totals.log = log_id(queue.files->directory(), false);
  for (const Position& position : checkpoint.pending) {
    const SegmentState* const segment = queue.segments.find(position.segment);
    if (segment == nullptr || segment->gone || segment->dropped) continue;
    ++totals.pending.entries;
  }
  for (const auto& [position, entry] : queue.in_flight.all()) totals.pending.events += entry.events;
  // What an overflow log has of an entry of the main log is not among these.
  totals.exact = !queue.recovered.any_overflowed_from(checkpoint.read);
  return totals;
}

// Of dead letters only how many are stored, gone or not.
Checkpoint totals_of_letters(const StreamQueue& queue) {
  Checkpoint checkpoint;
  LogTotals& totals = checkpoint.totals.emplace(queue.segments.totals_from(0));
  totals.log = log_id(queue.files->directory(), true);
  totals.exact = false;
  totals.pending.events = 0;
  return checkpoint;
}

Checkpoint checkpoint_of(const StreamQueue& queue) {
  Checkpoint checkpoint;
  checkpoint.read = queue.cursor.taken_to();
  uint64_t number = queue.cursor.taken_to_number();
  for (const auto& [position, entry] : queue.in_flight.all()) {
    if (checkpoint.pending.size() == CheckpointFile::kPendingMax) {  // no more fit
      checkpoint.read = position;
      checkpoint.totals = totals_of(queue, checkpoint, entry.number);
      checkpoint.totals->exact = false;
      return checkpoint;
    }
    checkpoint.pending.push_back(position);
  }
  if (checkpoint.read < queue.recovered.read()) {
    // Delivery has not come as far again as it was before the restart.
    const auto& recovered = queue.recovered.pending();
    checkpoint.pending.insert(checkpoint.pending.end(), recovered.lower_bound(checkpoint.read),
                              recovered.end());
    checkpoint.read = queue.recovered.read();
    number = queue.recovered.read_number();
  }
  checkpoint.totals = totals_of(queue, checkpoint, number);
  return checkpoint;
}

// What the segment that is about to be removed has.
IoResult<std::vector<IndexEntry>> entries_of(FileSystem& file_system, const std::string& path,
                                             uint64_t number, uint64_t end) {
  auto file = file_system.open(path, {});
  if (!file && file.error().code == ENOENT) return std::vector<IndexEntry>{};  // removed by others
  if (!file) return failure(file.error());
  auto recovered = recover_segment(std::move(*file), number);
  if (!recovered) return failure(recovered.error());
  // What a failed round left behind is not in it, though it may look whole.
  std::erase_if(recovered->entries, [end](const IndexEntry& entry) { return entry.offset >= end; });
  return std::move(recovered->entries);
}

}  // namespace

void CommitQueue::start() {
  last_turn_ = state_.clock.steady().time_since_epoch().count();
  thread_ = std::thread([this] { run(); });
}

void CommitQueue::stop() {
  {
    const std::lock_guard lock(state_.mutex);
    state_.wake.stopping = true;
    state_.wake.commit.raise();
  }
  if (thread_.joinable()) thread_.join();
}

void CommitQueue::run() {
  for (;;) {
    if (turn()) continue;
    nanoseconds wait = kIdleTurn;
    {
      const std::lock_guard lock(state_.mutex);
      if (state_.wake.stopping) return;
      if (const auto deadline = next_deadline()) {
        wait = std::clamp<nanoseconds>(*deadline - state_.clock.steady(), nanoseconds(0), wait);
      }
    }
    if (wait.count() > 0) state_.wake.commit.wait_for(wait);
  }
}

std::optional<SteadyTime> CommitQueue::next_deadline() const {
  std::optional<SteadyTime> earliest;
  const auto consider = [&](SteadyTime time) {
    if (!earliest || time < *earliest) earliest = time;
  };
  for (const StreamQueue* queue : state_.logs.on_disk()) {
    if (!queue->writes.unsynced.empty()) consider(queue->writes.retry_at.value_or(SteadyTime{}));
    if (queue->upkeep.drop_wanted) consider(SteadyTime{});
    if (!queue->letters.leaving.empty()) consider(queue->upkeep.retry_at);
    if (queue->upkeep.checkpoint_due) consider(queue->upkeep.checkpoint_at);
    const auto& totals_at = queue->upkeep.totals_at;
    if (totals_at) consider(std::max(*totals_at, queue->upkeep.retry_at));
    for (const auto& [number, segment] : queue->segments.all()) {
      if (queue->may_retire(number, segment)) consider(queue->upkeep.retry_at);
    }
  }
  return earliest;
}

bool CommitQueue::turn() {
  last_turn_ = state_.clock.steady().time_since_epoch().count();
  std::vector<LogTurn> turns;
  state_.mutex.change([&](Calls& calls) {
    turns = collect(calls);
    if (state_.internals.planted_ack_before_sync) {
      for (LogTurn& turn : turns) {
        for (QueuedEntry& entry : turn.entries) {
          if (!std::exchange(entry.answered, true)) {
            state_.chunks.synced(entry.chunk.key, state_.wall_ns(), calls);
          }
        }
      }
    }
  });
  if (turns.empty()) return false;
  is_at_disk_ = true;
  write(turns);
  for (LogTurn& turn : turns) look_after(turn);
  last_turn_ = state_.clock.steady().time_since_epoch().count();
  is_at_disk_ = false;
  state_.mutex.change([&](Calls& calls) {
    for (LogTurn& turn : turns) publish(turn, calls);
    admit_letters(state_, calls);
    admit_overflow(state_, calls);
    admit_waiting(state_, calls);
  });
  return true;
}

void CommitQueue::drain() {
  closing_ = true;
  upkeep_failures_ = 0;
  {
    const std::lock_guard lock(state_.mutex);
    for (StreamQueue* const queue : state_.logs.on_disk()) {
      if (!queue->segments.all().empty()) queue->upkeep.totals_at = state_.clock.steady();
    }
  }
  while (upkeep_failures_ < kLastTriesMax) {
    {
      const std::lock_guard lock(state_.mutex);
      const auto queues = state_.logs.on_disk();
      const bool left = std::any_of(queues.begin(), queues.end(), [](const StreamQueue* queue) {
        return (!queue->writes.unsynced.empty() && !queue->writes.retry_at) ||
               queue->upkeep.checkpoint_due || queue->upkeep.totals_at ||
               !queue->letters.leaving.empty();
      });
      if (!left) return;
    }
    if (!turn()) return;
  }
}

std::vector<CommitQueue::LogTurn> CommitQueue::collect(Calls& calls) {
  std::vector<LogTurn> turns;
  const SteadyTime now = state_.clock.steady();
  uint64_t room_in_round = kRoundBytesMax;
  drop_oldest_segments(calls);
  for (StreamQueue* queue : state_.logs.on_disk()) {
    LogTurn turn;
    turn.queue = queue;
    turn.segment_bytes = queue->reservation.segment_bytes();
    const std::optional<SteadyTime> retry_at = queue->writes.retry_at;
    if (!retry_at || now >= *retry_at) collect_entries(turn, room_in_round);
    if (now >= queue->upkeep.retry_at || closing_) collect_upkeep(turn, now);
    const bool nothing = turn.entries.empty() && !turn.checkpoint && turn.retiring.empty() &&
                         turn.leaving.empty() && !turn.remove_log && !turn.drop_spare;
    if (!nothing) turns.push_back(std::move(turn));
  }
  return turns;
}

void CommitQueue::collect_entries(LogTurn& turn, uint64_t& room_in_round) {
  StreamQueue::Writes& writes = turn.queue->writes;
  auto& unsynced = writes.unsynced;
  // At least one from every log, however full the round is: logs share rounds fairly.
  while (!unsynced.empty() && (turn.entries.empty() || unsynced.front().bytes <= room_in_round)) {
    room_in_round -= std::min(room_in_round, unsynced.front().bytes);
    turn.entries.push_back(std::move(unsynced.front()));
    unsynced.pop_front();
  }
  writes.in_round = turn.entries.size();
  writes.round_admitted = oldest_admitted(turn.entries);
}

void CommitQueue::collect_upkeep(LogTurn& turn, SteadyTime now) {
  StreamQueue& queue = *turn.queue;
  if (may_remove(queue, now)) {
    turn.remove_log = true;
    queue.set_removed(true);  // nothing more is begun for it
    return;
  }
  const int64_t window_begin = state_.wall_ns() - nanoseconds(state_.options.repeat_window).count();
  for (const auto& [number, segment] : queue.segments.all()) {
    if (!queue.may_retire(number, segment)) continue;
    queue.segments.begin_retiring(number);
    Retiring& retiring = turn.retiring.emplace_back();
    retiring.number = number;
    retiring.file_bytes = segment.file_bytes;
    retiring.end = segment.end;
    retiring.dropped = segment.dropped;
    // An overflow log's are those of the main log.
    retiring.has_repeats = segment.last_received_ns > window_begin && !queue.is_overflow();
  }
  if (queue.overflow_part.any_waits()) {
    turn.drop_spare = queue.reservation.spare() > 0;
    turn.room_wanted = true;
  }
  turn.leaving = std::exchange(queue.letters.leaving, {});
  StreamQueue::Upkeep& upkeep = queue.upkeep;
  const bool of_letters = state_.logs.is_dead_letters(queue);
  // What is gone of the letters is written down letter by letter.
  if (of_letters) upkeep.checkpoint_due = false;
  const bool is_due = (upkeep.checkpoint_due && (now >= upkeep.checkpoint_at || closing_)) ||
                      (upkeep.totals_at && (now >= *upkeep.totals_at || closing_));
  if (!is_due && turn.retiring.empty()) return;
  turn.checkpoint = of_letters ? totals_of_letters(queue) : checkpoint_of(queue);
  turn.checkpoint->totals->closed = closing_;
  turn.pending_from =
      turn.checkpoint->pending.empty() ? turn.checkpoint->read : turn.checkpoint->pending.front();
  if (state_.internals.planted_checkpoint_before_release) {
    turn.checkpoint->pending.clear();
    turn.checkpoint->totals.reset();  // which would show it at the next start
  }
  upkeep.checkpoint_due = false;
  upkeep.totals_at.reset();
  upkeep.checkpoint_at = now + kCheckpointInterval;
}

// Of a stream that wants room one segment, the oldest: its logs stand in the order of their age,
// overflow logs before their main log.
void CommitQueue::drop_oldest_segments(Calls& calls) {
  std::set<std::string> done;
  for (StreamQueue* queue : state_.logs.on_disk()) {
    if (!std::exchange(queue->upkeep.drop_wanted, false) || done.contains(queue->stream()))
      continue;
    if (drop_oldest_segment(*queue, calls)) done.insert(queue->stream());
  }
}

// The oldest segment of which delivery has taken nothing. Without one the append waits, and
// delivery is woken to make room (StreamLog::wants_room()).
bool CommitQueue::drop_oldest_segment(StreamQueue& queue, Calls& calls) {
  const auto may_drop = [&](uint64_t number, const SegmentState& segment) {
    if (!segment.sealed || segment.gone || segment.entries_left == 0) return false;
    if (number > queue.cursor.position().segment) return true;
    // One of which something is final already would be released twice.
    const bool is_whole = segment.entries_left == segment.entries;
    return is_whole && !queue.in_flight.any_of_segment(number) && !queue.cursor.is_reading(number);
  };
  for (const auto& [number, segment] : queue.segments.all()) {
    if (!may_drop(number, segment)) continue;
    queue.cursor.drop_segment(number, calls);
    const uint64_t events = queue.segments.drop(number);
    if (!state_.logs.is_dead_letters(queue)) {
      state_.ledger.drop(queue.stream(), "spool_full", events);
    }
    log_limited(LogLevel::warn, "spool/full/" + queue.stream(),
                "stream is full: oldest events dropped",
                {{"stream", queue.stream()}, {"events", events}});
    return true;
  }
  queue.wake.wake_always(calls);
  return false;
}

bool CommitQueue::may_remove(const StreamQueue& queue, SteadyTime now) const {
  // Overflow logs go with their main log.
  return !queue.use.open && !queue.is_overflow() && !state_.logs.is_dead_letters(queue) &&
         queue.holds_nothing() && queue.overflow_part.holds_nothing() &&
         now - opened_at_ >= kRemovalDelay;
}

void CommitQueue::write(std::vector<LogTurn>& turns) {
  for (LogTurn& turn : turns) {
    if (turn.entries.empty()) continue;
    std::vector<EntryToStore> entries;
    entries.reserve(turn.entries.size());
    for (const QueuedEntry& entry : turn.entries) entries.push_back(entry.as_stored());
    turn.stored = turn.queue->files->store(entries, turn.segment_bytes);
  }
  for (LogTurn& turn : turns) {
    if (turn.entries.empty() || !turn.stored) continue;
    turn.stored = turn.queue->files->sync();
  }
  for (LogTurn& turn : turns) {
    if (turn.stored && !turn.entries.empty()) turn.round = turn.queue->files->keep_round();
  }
}

// What is final first, then the fingerprints, then the files: whatever a crash leaves undone is
// found and done again at the next start.
void CommitQueue::look_after(LogTurn& turn) {
  LogWriter& files = *turn.queue->files;
  if (turn.remove_log) {
    turn.upkeep.outcome = files.remove_all(streams_directory_);
    return;
  }
  if (!turn.leaving.empty()) turn.upkeep.outcome = write_gone(turn);
  if (!turn.upkeep.outcome) return;
  turn.upkeep.left = true;
  // Into both slots before a file goes: when one of them is damaged the other must not say that
  // the file is missing.
  for (int i = turn.retiring.empty() ? 1 : 2; turn.checkpoint && i > 0; --i) {
    turn.upkeep.outcome = files.write_checkpoint(*turn.checkpoint);
    turn.upkeep.checkpointed = turn.upkeep.outcome.has_value();
    if (!turn.upkeep.outcome) return;
  }
  if (!turn.upkeep.outcome || (turn.retiring.empty() && !turn.drop_spare)) return;
  if (turn.drop_spare) {
    const auto freed = files.drop_spare();
    if (!freed) {
      turn.upkeep.outcome = failure(freed.error());
      return;
    }
    turn.upkeep.freed_bytes += *freed;
  }
  turn.upkeep.outcome = remember_fingerprints(turn);
  for (Retiring& retiring : turn.retiring) {
    if (!turn.upkeep.outcome) return;
    const auto freed = files.retire(retiring.number, retiring.file_bytes,
                                    turn.room_wanted ? 0 : turn.segment_bytes);
    if (!freed) {
      turn.upkeep.outcome = failure(freed.error());
      return;
    }
    retiring.removed = true;
    turn.upkeep.freed_bytes += *freed;
  }
  turn.upkeep.outcome = files.sync_directory();
}

IoResult<void> CommitQueue::write_gone(const LogTurn& turn) {
  if (!gone_file_ || gone_file_->size() > kGoneBytesMax) {
    GoneLetters letters;
    {
      const std::lock_guard lock(state_.mutex);
      letters = turn.queue->letters.gone;
    }
    auto file = GoneFile::begin(state_.file_system, turn.queue->files->directory(), letters);
    if (!file) return failure(file.error());
    gone_file_ = std::move(*file);
  }
  auto done = gone_file_->append(turn.leaving);
  if (!done) gone_file_.reset();
  return done;
}

IoResult<void> CommitQueue::remember_fingerprints(LogTurn& turn) {
  std::vector<RepeatRecord> records;
  for (Retiring& retiring : turn.retiring) {
    if (!retiring.dropped && (!retiring.has_repeats || !repeat_log_)) continue;
    const std::string path = segment_path(turn.queue->files->directory(), retiring.number);
    auto entries = entries_of(state_.file_system, path, retiring.number, retiring.end);
    if (!entries) return failure(entries.error());
    retiring.entries = std::move(*entries);
    if (!retiring.has_repeats || !repeat_log_) continue;
    for (const IndexEntry& entry : retiring.entries) {
      if ((entry.flags & kFingerprint) == 0) continue;
      records.push_back({entry.key, entry.received_ns, entry.part_key, entry.part_count, false});
    }
  }
  if (records.empty()) return {};
  {
    const std::lock_guard lock(state_.mutex);
    for (RepeatRecord& record : records) {
      record.complete = !state_.chunks.is_incomplete(record.fingerprint);
    }
  }
  if (auto done = repeat_log_->append(records); !done) return done;
  return repeat_log_->sync();
}

}  // namespace penstock::spool
