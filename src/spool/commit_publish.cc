// What a round of the commit thread did, entered under the lock and told to those who wait.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "spool/commit_queue.h"

namespace penstock::spool {
namespace {

constexpr milliseconds kRetryInterval{1000};

}  // namespace

void CommitQueue::publish(LogTurn& turn, Calls& calls) {
  turn.queue->in_round = 0;
  if (!turn.entries.empty()) {
    if (turn.stored) {
      publish_entries(turn, calls);
    } else {
      publish_failure(turn);
    }
  }
  publish_upkeep(turn, calls);
  if (!turn.queue->removed) turn.queue->plan_afresh();
}

void CommitQueue::publish_entries(LogTurn& turn, Calls& calls) {
  StreamQueue& queue = *turn.queue;
  if (queue.held_bytes == 0 && !turn.round.born.empty()) {
    queue.held_bytes =
        CheckpointFile::kFileBytes;  // an overflow log's, made with its first segment
  }
  for (const LogWriter::SegmentBirth& born : turn.round.born) {
    queue.segments[born.number].file_bytes = born.file_bytes;
    queue.held_bytes += born.file_bytes - (born.from_spare ? queue.spare_bytes : 0);
    if (born.from_spare) queue.spare_bytes = 0;
  }
  for (size_t i = 0; i < turn.entries.size(); ++i) {
    QueuedEntry& entry = turn.entries[i];
    const Position position = turn.round.positions[i];
    SegmentState& segment = queue.segments.at(position.segment);
    if (segment.entries++ == 0) {
      segment.first_number = queue.synced_count;
      segment.first_received_ns = entry.batch->received_ns;
    }
    ++segment.entries_left;
    segment.events_unread += entry.batch->event_count;
    segment.last_received_ns = std::max(segment.last_received_ns, entry.batch->received_ns);
    segment.end = turn.round.ends[i];
    if (&queue == state_.dead_letters.get()) {
      ++queue.synced_count;
      state_.ledger.dead_letter(entry.stream, entry.reason, entry.batch->event_count);
    } else {
      keep_fresh(queue, entry, position, turn.round.ends[i], calls);
    }
    if (entry.overflowed) {
      calls.emplace_back([done = std::move(entry.overflowed)] { done(true); });
      segment.origin_max = std::max(segment.origin_max, entry.origin->position);
    } else if (entry.letters) {
      if (--entry.letters->left == 0) {
        calls.emplace_back([done = std::move(entry.letters->done)] { done(true); });
      }
    } else {
      if (!entry.answered) {
        state_.chunks.synced(entry.chunk.key, state_.wall_ns(), calls);
      }
      if (&queue == state_.dead_letters.get()) {
        state_.chunks.released(entry.chunk.key, state_.wall_ns(), calls);
      }
    }
    discard_later(std::move(entry.batch), calls);
  }
  for (const uint64_t number : turn.round.sealed) queue.segments.at(number).sealed = true;
  if (queue.retry_at) {
    log_info("spool writes again", {{"directory", queue.files->directory()}});
    queue.retry_at.reset();
    queue.failures = 0;
  }
}

// Kept in memory for delivery when it directly follows what delivery has or will find there. A
// batch on the budget's one large loan is not kept: others wait for that loan. Neither is a large
// one: delivery takes those one at a time.
void CommitQueue::keep_fresh(StreamQueue& queue, const QueuedEntry& entry, Position position,
                             uint64_t end, Calls& calls) {
  const uint64_t number = queue.synced_count++;
  const uint64_t bytes = entry.batch->storage.capacity();
  // What overflows waits for long: its memory is given back.
  const bool may_keep =
      !entry.batch->lease.large() && !queue.is_overflow() && !is_large(entry.batch->entries_size);
  const bool follows = queue.fresh.empty() ? queue.next_number == number && !queue.reading
                                           : queue.fresh.back().number + 1 == number;
  const uint64_t held = queue.fresh_bytes + queue.kept_in_flight;
  if (follows && may_keep && held + bytes <= state_.cache_share()) {
    queue.fresh.push_back(
        {position, static_cast<uint32_t>(end), entry.batch, 0, bytes, number, entry.chunk});
    queue.fresh_bytes += bytes;
    queue.wake_reader(calls);
  } else {
    state_.read_wake->raise();
  }
}

void CommitQueue::publish_failure(LogTurn& turn) {
  StreamQueue& queue = *turn.queue;
  if (const auto closed = queue.files->fail_round()) queue.segments.at(*closed).sealed = true;
  queue.unsynced.insert(queue.unsynced.begin(), std::make_move_iterator(turn.entries.begin()),
                        std::make_move_iterator(turn.entries.end()));
  const SteadyTime now = state_.clock.steady();
  // The first time at once, in a new segment; then by and by.
  ++queue.failures;
  queue.retry_at = queue.failures == 1 ? now : now + kRetryInterval;
  state_.note_error("cannot write to " + queue.files->directory() + ": " +
                    turn.stored.error().text());
  state_.note_pressure();
}

void CommitQueue::publish_upkeep(LogTurn& turn, Calls& calls) {
  StreamQueue& queue = *turn.queue;
  if (!turn.upkeep) {
    ++upkeep_failures_;
    state_.note_error("cannot tidy " + queue.files->directory() + ": " +
                      turn.upkeep.error().text());
    queue.upkeep_retry_at = state_.clock.steady() + kRetryInterval;
    queue.checkpoint_due = true;
    queue.checkpoint_at = queue.upkeep_retry_at;
    if (turn.remove_log) queue.removed = false;
    for (StreamQueue* const overflow : queue.overflow_queues) {
      if (turn.remove_log && overflow != nullptr) overflow->removed = false;
    }
  } else if (turn.remove_log) {
    queue.held_bytes = 0;
    queue.segments.clear();
    for (StreamQueue* const overflow : queue.overflow_queues) {
      if (overflow == nullptr) continue;
      overflow->held_bytes = 0;
      overflow->segments.clear();
    }
  }
  if (turn.checkpointed) queue.pending_from = turn.pending_from;
  for (const Position& position : turn.leaving) {
    if (!turn.left) {
      queue.leaving.push_back(position);
    } else {
      queue.gone_letters.add(position);
      queue.settle_segment(position, 1);
    }
  }
  queue.held_bytes -= std::min(queue.held_bytes, turn.freed_bytes);
  queue.spare_bytes = queue.files->spare_bytes();
  for (const Retiring& retiring : turn.retiring) {
    if (!retiring.removed) {
      queue.segments.at(retiring.number).gone = false;
      continue;
    }
    queue.segments.erase(retiring.number);
    queue.gone_letters.forget_segment(retiring.number);
    if (!retiring.dropped) continue;
    for (const IndexEntry& entry : retiring.entries) {
      state_.chunks.released(entry.key, state_.wall_ns(), calls);
    }
  }
}

}  // namespace penstock::spool
