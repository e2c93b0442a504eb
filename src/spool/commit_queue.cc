#include "spool/commit_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
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

Checkpoint checkpoint_of(const StreamQueue& queue) {
  Checkpoint checkpoint;
  checkpoint.read = queue.ahead.empty() ? queue.cursor : queue.ahead.front().position;
  for (const auto& [position, entry] : queue.in_flight) {
    checkpoint.pending.push_back({position, entry.events_final});
    if (checkpoint.pending.size() > CheckpointFile::kPendingMax) return checkpoint;  // no more fit
  }
  if (checkpoint.read >= queue.recovered_read) return checkpoint;
  // Delivery has not come as far again as it was before the restart.
  const auto unread = queue.recovered_pending.lower_bound(checkpoint.read);
  for (auto entry = unread; entry != queue.recovered_pending.end(); ++entry) {
    checkpoint.pending.push_back({entry->first, entry->second});
  }
  checkpoint.read = queue.recovered_read;
  return checkpoint;
}

}  // namespace

void CommitQueue::start() {
  last_turn_ = state_.clock.steady().time_since_epoch().count();
  thread_ = std::thread([this] { run(); });
}

void CommitQueue::stop() {
  {
    const std::lock_guard lock(state_.mutex);
    state_.stopping = true;
    state_.commit_wake.raise();
  }
  if (thread_.joinable()) thread_.join();
}

void CommitQueue::run() {
  for (;;) {
    if (turn()) continue;
    nanoseconds wait = kIdleTurn;
    {
      const std::lock_guard lock(state_.mutex);
      if (state_.stopping) return;
      if (const auto deadline = next_deadline()) {
        wait = std::clamp<nanoseconds>(*deadline - state_.clock.steady(), nanoseconds(0), wait);
      }
    }
    if (wait.count() > 0) state_.commit_wake.wait_for(wait);
  }
}

std::vector<StreamQueue*> CommitQueue::all_queues() const {
  std::vector<StreamQueue*> queues;
  for (const auto& queue : state_.queues) {
    if (queue->files != nullptr && !queue->removed) queues.push_back(queue.get());
  }
  if (state_.dead_letters != nullptr) queues.push_back(state_.dead_letters.get());
  return queues;
}

std::optional<SteadyTime> CommitQueue::next_deadline() const {
  std::optional<SteadyTime> earliest;
  const auto consider = [&](SteadyTime time) {
    if (!earliest || time < *earliest) earliest = time;
  };
  for (const StreamQueue* queue : all_queues()) {
    if (!queue->unsynced.empty()) consider(queue->retry_at.value_or(SteadyTime{}));
    if (queue->drop_wanted) consider(SteadyTime{});
    if (!queue->leaving.empty()) consider(queue->upkeep_retry_at);
    if (queue->checkpoint_due) consider(queue->checkpoint_at);
    for (const auto& [number, segment] : queue->segments) {
      if (queue->may_retire(number, segment)) consider(queue->upkeep_retry_at);
    }
  }
  return earliest;
}

bool CommitQueue::turn() {
  last_turn_ = state_.clock.steady().time_since_epoch().count();
  std::vector<LogTurn> turns;
  Calls calls;
  {
    const std::lock_guard lock(state_.mutex);
    turns = collect();
    calls = std::exchange(collected_calls_, {});
    if (state_.internals.planted_ack_before_sync) {
      for (LogTurn& turn : turns) {
        for (QueuedEntry& entry : turn.entries) {
          if (!std::exchange(entry.answered, true)) {
            state_.chunks.synced(entry.chunk.key, state_.wall_ns(), calls);
          }
        }
      }
    }
  }
  make(calls);
  if (turns.empty()) return false;
  is_at_disk_ = true;
  write(turns);
  for (LogTurn& turn : turns) look_after(turn);
  last_turn_ = state_.clock.steady().time_since_epoch().count();
  is_at_disk_ = false;
  {
    const std::lock_guard lock(state_.mutex);
    for (LogTurn& turn : turns) publish(turn, calls);
    admit_letters(state_, calls);
    admit_overflow(state_, calls);
    admit_waiting(state_, calls);
  }
  make(calls);
  return true;
}

void CommitQueue::drain() {
  closing_ = true;
  upkeep_failures_ = 0;
  while (upkeep_failures_ < kLastTriesMax) {
    {
      const std::lock_guard lock(state_.mutex);
      const auto queues = all_queues();
      const bool left = std::any_of(queues.begin(), queues.end(), [](const StreamQueue* queue) {
        return (!queue->unsynced.empty() && !queue->retry_at) || queue->checkpoint_due ||
               !queue->leaving.empty();
      });
      if (!left) return;
    }
    if (!turn()) return;
  }
}

std::vector<CommitQueue::LogTurn> CommitQueue::collect() {
  std::vector<LogTurn> turns;
  const SteadyTime now = state_.clock.steady();
  uint64_t room_in_round = kRoundBytesMax;
  drop_oldest_segments(collected_calls_);
  for (StreamQueue* queue : all_queues()) {
    LogTurn turn;
    turn.queue = queue;
    turn.segment_bytes = queue->segment_bytes;
    if (!queue->retry_at || now >= *queue->retry_at) collect_entries(turn, room_in_round);
    if (now >= queue->upkeep_retry_at || closing_) collect_upkeep(turn, now);
    const bool nothing = turn.entries.empty() && !turn.checkpoint && turn.retiring.empty() &&
                         turn.leaving.empty() && !turn.remove_log && !turn.drop_spare;
    if (!nothing) turns.push_back(std::move(turn));
  }
  return turns;
}

void CommitQueue::collect_entries(LogTurn& turn, uint64_t& room_in_round) {
  auto& unsynced = turn.queue->unsynced;
  // At least one from every log, however full the round is: logs share rounds fairly.
  while (!unsynced.empty() && (turn.entries.empty() || unsynced.front().bytes <= room_in_round)) {
    room_in_round -= std::min(room_in_round, unsynced.front().bytes);
    turn.entries.push_back(std::move(unsynced.front()));
    unsynced.pop_front();
  }
  turn.queue->in_round = turn.entries.size();
  turn.queue->round_admitted = oldest_admitted(turn.entries);
}

void CommitQueue::collect_upkeep(LogTurn& turn, SteadyTime now) {
  StreamQueue& queue = *turn.queue;
  if (may_remove(queue, now)) {
    turn.remove_log = true;
    queue.removed = true;  // nothing more is begun for it
    for (StreamQueue* const overflow : queue.overflow_queues) {
      if (overflow != nullptr) overflow->removed = true;
    }
    return;
  }
  const int64_t window_begin = state_.wall_ns() - nanoseconds(state_.options.repeat_window).count();
  for (auto& [number, segment] : queue.segments) {
    if (!queue.may_retire(number, segment)) continue;
    segment.gone = true;
    Retiring& retiring = turn.retiring.emplace_back();
    retiring.number = number;
    retiring.file_bytes = segment.file_bytes;
    retiring.end = segment.end;
    retiring.dropped = segment.dropped;
    // An overflow log's are those of the main log.
    retiring.has_repeats = segment.last_received_ns > window_begin && !queue.is_overflow();
  }
  if (queue.overflow_waits()) {
    turn.drop_spare = queue.spare_bytes > 0;
    turn.room_wanted = true;
  }
  turn.leaving = std::exchange(queue.leaving, {});
  if (&queue == state_.dead_letters.get()) {
    queue.checkpoint_due = false;  // what is gone is written down letter by letter
    return;
  }
  if ((queue.checkpoint_due && (now >= queue.checkpoint_at || closing_)) ||
      !turn.retiring.empty()) {
    turn.checkpoint = checkpoint_of(queue);
    turn.pending_from = turn.checkpoint->pending.empty()
                            ? turn.checkpoint->read
                            : turn.checkpoint->pending.front().position;
    if (state_.internals.planted_checkpoint_before_release) turn.checkpoint->pending.clear();
    queue.checkpoint_due = false;
    queue.checkpoint_at = now + kCheckpointInterval;
  }
}

// Of a stream that wants room one segment, the oldest: its logs stand in the order of their age,
// overflow logs before their main log.
void CommitQueue::drop_oldest_segments(Calls& calls) {
  std::vector<std::string> done;
  for (StreamQueue* queue : all_queues()) {
    if (!std::exchange(queue->drop_wanted, false)) continue;
    if (std::find(done.begin(), done.end(), queue->stream()) != done.end()) continue;
    if (drop_oldest_segment(*queue, calls)) done.push_back(queue->stream());
  }
}

// The oldest segment of which delivery has taken nothing. Without one the append waits, and
// delivery is woken to make room (StreamLog::wants_room()).
bool CommitQueue::drop_oldest_segment(StreamQueue& queue, Calls& calls) {
  for (auto& [number, segment] : queue.segments) {
    const auto held = queue.in_flight.lower_bound(Position{number, 0});
    const bool is_held = held != queue.in_flight.end() && held->first.segment == number;
    const bool is_being_read = queue.reading && number == queue.cursor.segment;
    // One of which something is final already would be released twice.
    const bool is_whole = segment.entries_left == segment.entries;
    const bool untouched =
        number > queue.cursor.segment || (!is_held && !is_being_read && is_whole);
    if (!segment.sealed || segment.gone || !untouched || segment.entries_left == 0) continue;
    const auto is_in_it = [n = number](const ReadyEntry& entry) {
      return entry.position.segment == n;
    };
    for (const ReadyEntry& entry : queue.fresh) {
      if (!is_in_it(entry)) continue;
      queue.fresh_bytes -= entry.bytes;
      discard_later(entry.batch, calls);
    }
    std::erase_if(queue.fresh, is_in_it);
    for (ReadyEntry& entry : queue.ahead) {
      if (is_in_it(entry)) discard_later(std::move(entry.batch), calls);
    }
    std::erase_if(queue.ahead, is_in_it);
    queue.large_wanted = false;
    if (&queue != state_.dead_letters.get()) {
      state_.ledger.drop(queue.stream(), "spool_full", segment.events_unread);
    }
    log_limited(LogLevel::warn, "spool/full/" + queue.stream(),
                "stream is full: oldest events dropped",
                {{"stream", queue.stream()}, {"events", segment.events_unread}});
    segment.dropped = true;
    segment.entries_left = 0;  // so that it is retired like any other
    segment.events_unread = 0;
    return true;
  }
  queue.wake_delivery(calls);
  return false;
}

bool CommitQueue::may_remove(const StreamQueue& queue, SteadyTime now) const {
  // Overflow logs go with their main log.
  return !queue.open && !queue.is_overflow() && &queue != state_.dead_letters.get() &&
         queue.in_round == 0 && queue.holds_nothing() && queue.overflow_holds_nothing() &&
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
    turn.upkeep = files.remove_all(streams_directory_);
    return;
  }
  if (!turn.leaving.empty()) turn.upkeep = write_gone(turn);
  if (!turn.upkeep) return;
  turn.left = true;
  if (turn.checkpoint) {
    turn.upkeep = files.write_checkpoint(std::move(*turn.checkpoint));
    turn.checkpointed = turn.upkeep.has_value();
  }
  if (!turn.upkeep || (turn.retiring.empty() && !turn.drop_spare)) return;
  if (turn.drop_spare) {
    const auto freed = files.drop_spare();
    if (!freed) {
      turn.upkeep = failure(freed.error());
      return;
    }
    turn.freed_bytes += *freed;
  }
  turn.upkeep = remember_fingerprints(turn);
  for (Retiring& retiring : turn.retiring) {
    if (!turn.upkeep) return;
    const auto freed = files.retire(retiring.number, retiring.file_bytes,
                                    turn.room_wanted ? 0 : turn.segment_bytes);
    if (!freed) {
      turn.upkeep = failure(freed.error());
      return;
    }
    retiring.removed = true;
    turn.freed_bytes += *freed;
  }
  turn.upkeep = files.sync_directory();
}

IoResult<void> CommitQueue::write_gone(const LogTurn& turn) {
  if (!gone_file_ || gone_file_->size() > kGoneBytesMax) {
    GoneLetters letters;
    {
      const std::lock_guard lock(state_.mutex);
      letters = turn.queue->gone_letters;
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
    auto entries = entries_of(*turn.queue, retiring);
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

IoResult<std::vector<IndexEntry>> CommitQueue::entries_of(const StreamQueue& queue,
                                                          const Retiring& retiring) {
  auto file = state_.file_system.open(segment_path(queue.files->directory(), retiring.number), {});
  if (!file) return failure(file.error());
  auto recovered = recover_segment(std::move(*file), retiring.number);
  if (!recovered) return failure(recovered.error());
  // What a failed round left behind is not in it, though it may look whole.
  std::erase_if(recovered->entries,
                [&](const IndexEntry& entry) { return entry.offset >= retiring.end; });
  return std::move(recovered->entries);
}

}  // namespace penstock::spool
