// What a round of the commit thread did, entered under the lock and told to those who wait.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "spool/commit_queue.h"

namespace penstock::spool {
namespace {

constexpr milliseconds kRetryInterval{1000};
// While nothing is released, a checkpoint is written after this time to say what was stored.
constexpr milliseconds kTotalsInterval{1000};

}  // namespace

void CommitQueue::publish(LogTurn& turn, Calls& calls) {
  StreamQueue& queue = *turn.queue;
  queue.writes.in_round = 0;
  if (!turn.entries.empty()) {
    if (turn.stored) {
      publish_entries(turn, calls);
    } else {
      publish_failure(turn);
    }
    queue.reservation.give_back(queue.files->take_lost_bytes());
  }
  publish_upkeep(turn, calls);
  if (!queue.use.removed) {
    queue.reservation.plan_again(queue.files->room(), queue.writes.unsynced);
  }
}

void CommitQueue::publish_entries(LogTurn& turn, Calls& calls) {
  StreamQueue& queue = *turn.queue;
  if (queue.reservation.held() == 0 && !turn.round.born.empty()) {
    queue.reservation.hold(CheckpointFile::kFileBytes);  // made with the first segment
  }
  for (const LogWriter::SegmentBirth& born : turn.round.born) {
    queue.segments.add(born.number, born.file_bytes);
    queue.reservation.add_segment(born.file_bytes, born.from_spare);
  }
  for (size_t i = 0; i < turn.entries.size(); ++i) {
    QueuedEntry& entry = turn.entries[i];
    const Position position = turn.round.positions[i];
    const uint64_t end = turn.round.ends[i];
    const uint64_t number = queue.segments.add_synced(position, end, entry);
    if (state_.logs.is_dead_letters(queue)) {
      state_.ledger.dead_letter(entry.stream, entry.reason, entry.batch->event_count);
    } else {
      keep_fresh(queue,
                 {position, static_cast<uint32_t>(end), entry.batch,
                  entry.batch->storage.capacity(), number, entry.chunk},
                 calls);
    }
    if (entry.overflowed) {
      calls.emplace_back([done = std::move(entry.overflowed)] { done(true); });
    } else if (entry.letters) {
      if (--entry.letters->left == 0) {
        calls.emplace_back([done = std::move(entry.letters->done)] { done(true); });
      }
    } else {
      if (!entry.answered) {
        state_.chunks.synced(entry.chunk.key, state_.wall_ns(), calls);
      }
      if (state_.logs.is_dead_letters(queue)) {
        state_.chunks.released(entry.chunk.key, state_.wall_ns(), calls);
      }
    }
    discard_later(std::move(entry.batch), calls);
  }
  for (const uint64_t number : turn.round.sealed) queue.segments.seal(number);
  auto& totals_at = queue.upkeep.totals_at;
  if (!totals_at) totals_at = state_.clock.steady() + kTotalsInterval;
  if (queue.writes.retry_at) {
    log_info("spool writes again", {{"directory", queue.files->directory()}});
    queue.writes.retry_at.reset();
    queue.writes.failures = 0;
  }
}

// Kept in memory for delivery when it directly follows what delivery has or will find there. A
// batch on the budget's one large lease is not kept: others wait for that lease. Neither is a large
// one: delivery takes those one at a time. And nothing is kept while memory is so short that its
// reserve is in use.
void CommitQueue::keep_fresh(StreamQueue& queue, ReadyEntry entry, Calls& calls) {
  // What overflows waits for long: its memory is given back.
  const bool may_keep = !entry.batch->lease.large() && !queue.is_overflow() &&
                        !state_.is_large(entry.batch->entries_size) &&
                        !(state_.on_disk() && state_.memory.is_reserve_in_use());
  const uint64_t held = queue.cursor.fresh_bytes() + queue.in_flight.fresh_bytes();
  if (may_keep && queue.cursor.may_keep(entry.number) &&
      held + entry.bytes <= state_.shares.cache_share()) {
    queue.cursor.keep(std::move(entry));
    queue.wake.wake(calls);
  } else {
    state_.wake.read->raise();
  }
}

void CommitQueue::publish_failure(LogTurn& turn) {
  StreamQueue& queue = *turn.queue;
  if (const auto closed = queue.files->fail_round()) queue.segments.seal(*closed);
  StreamQueue::Writes& writes = queue.writes;
  writes.unsynced.insert(writes.unsynced.begin(), std::make_move_iterator(turn.entries.begin()),
                         std::make_move_iterator(turn.entries.end()));
  const SteadyTime now = state_.clock.steady();
  // The first time at once, in a new segment; then by and by.
  ++writes.failures;
  writes.retry_at = writes.failures == 1 ? now : now + kRetryInterval;
  state_.note_error("cannot write to " + queue.files->directory() + ": " +
                    turn.stored.error().text());
  state_.note_pressure();
}

void CommitQueue::publish_upkeep(LogTurn& turn, Calls& calls) {
  StreamQueue& queue = *turn.queue;
  if (!turn.upkeep.outcome) {
    ++upkeep_failures_;
    state_.note_error("cannot tidy " + queue.files->directory() + ": " +
                      turn.upkeep.outcome.error().text());
    queue.upkeep.retry_at = state_.clock.steady() + kRetryInterval;
    queue.upkeep.checkpoint_due = true;
    queue.upkeep.checkpoint_at = queue.upkeep.retry_at;
    if (turn.remove_log) queue.set_removed(false);
  } else if (turn.remove_log) {
    queue.reservation.clear();
    queue.segments.clear();
    for (StreamQueue* const overflow : queue.overflow_part.logs) {
      if (overflow == nullptr) continue;
      overflow->reservation.clear();
      overflow->segments.clear();
    }
    return;
  }
  if (turn.upkeep.checkpointed) queue.overflow_part.pending_from = turn.pending_from;
  for (const Position& position : turn.leaving) {
    if (!turn.upkeep.left) {
      queue.letters.leaving.push_back(position);
    } else {
      queue.letters.gone.add(position);
      queue.settle(position.segment, 1);
    }
  }
  queue.reservation.give_back(turn.upkeep.freed_bytes);
  queue.reservation.set_spare(queue.files->spare_bytes());
  for (const Retiring& retiring : turn.retiring) {
    if (!retiring.removed) {
      queue.segments.cancel_retiring(retiring.number);
      continue;
    }
    queue.segments.erase(retiring.number);
    queue.letters.gone.forget_segment(retiring.number);
    if (!retiring.dropped) continue;
    for (const IndexEntry& entry : retiring.entries) {
      state_.chunks.released(entry.key, state_.wall_ns(), calls);
    }
  }
}

}  // namespace penstock::spool
