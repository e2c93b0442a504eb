#include "spool/stream_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "spool/admission.h"
#include "spool/log_directory.h"
#include "spool/spool_state.h"

namespace penstock::spool {

EntryToStore QueuedEntry::as_stored() const {
  return {batch.get(), chunk, stream, reason, detail, origin.get()};
}

ChunkPart chunk_part_of(const EntryHeader& header) {
  return {header.key, (header.flags & kFingerprint) != 0, (header.flags & kReplayed) != 0,
          header.part_key, header.part_count};
}

StreamQueue::StreamQueue(SpoolState& state, const StreamOptions& options)
    : log_settings(options), allowance(state.wake.read), state_(state) {}

std::optional<Entry> StreamQueue::read() {
  const std::lock_guard lock(state_.mutex);
  const ReadyEntry* const next = cursor.next();
  if (next == nullptr) {
    wake.wait();
    if (has_backlog()) state_.wake.read->raise();
    return std::nullopt;
  }
  const bool is_behind_large = in_flight.has_large() && !allowance.one_more_is_allowed();
  if (is_behind_large || !next->is_loaded()) {
    wake.wait();
    if (!in_flight.has_large() && cursor.want_large()) state_.wake.read->raise();
    return std::nullopt;
  }
  if (!may_hand_out(next->position.segment)) {
    wake.wait();
    return std::nullopt;
  }
  ReadyEntry ready = cursor.take();
  allowance.one_was_taken();
  segments.read(ready.position.segment, ready.events_left());
  in_flight.add(ready);
  Entry entry;
  entry.is_large = ready.is_large;
  entry.position = ready.position;
  entry.batch = std::move(ready.batch);
  if (ready.overflowed) entry.overflowed = *ready.overflowed;
  if (ready.origin) {
    entry.origin = ready.origin->position;
    entry.origin_events = ready.origin->events;
    entry.buckets = ready.origin->buckets;
  }
  if (!ready.is_fresh && has_backlog()) state_.wake.read->raise();
  return entry;
}

void StreamQueue::unread(Position position) {
  state_.mutex.change([&](Calls& calls) {
    discard_later(in_flight.take_reloaded(), calls);
    ReadyEntry entry = in_flight.give_back(position);
    segments.unread(position.segment, entry.events_left());
    cursor.put_back(std::move(entry));
    wake.wait();
  });
}

StreamLog::Reloaded StreamQueue::reload(Position position) {
  const std::lock_guard lock(state_.mutex);
  const bool is_new = in_flight.want_reload(position);
  Reloaded reloaded{in_flight.take_reloaded(), in_flight.is_lost()};
  if (reloaded.batch != nullptr) return reloaded;
  wake.wait();
  if (reloaded.is_lost) {
    const uint64_t events = in_flight.give_back(position).events_left();
    segments.unread(position.segment, events);
    pass_over_damage(position.segment, 1, events);
    state_.wake.read->raise();  // the entries after it may be read now
    return reloaded;
  }
  if (is_new) state_.wake.read->raise();
  return reloaded;
}

bool StreamQueue::awaits_large(Position position) {
  if (!in_flight.has_large()) return cursor.large_batch_at(position) != nullptr;
  const ReadyEntry* const wanted = in_flight.wanted_reload();
  return wanted != nullptr && wanted->position == position;
}

void StreamQueue::large_was_read(Position position, std::shared_ptr<const record::Batch> batch) {
  if (in_flight.has_large()) return in_flight.reloaded(std::move(batch));
  if (batch != nullptr) {
    *cursor.large_batch_at(position) = std::move(batch);
  } else {
    const ReadyEntry damaged = cursor.drop_large();
    pass_over_damage(damaged.position.segment, 1, damaged.events_left());
  }
}

bool StreamQueue::has_untaken_large(Position position) {
  if (in_flight.has_reloaded(position)) return true;
  const auto* const batch = cursor.large_batch_at(position);
  return batch != nullptr && !(*batch)->storage.empty();
}

std::shared_ptr<const record::Batch> StreamQueue::take_back_large(Position position) {
  if (in_flight.has_reloaded(position)) return in_flight.take_reloaded();
  auto* const batch = cursor.large_batch_at(position);
  CHECK(batch != nullptr);
  cursor.forget_wanted_large();
  auto bare = without_storage(**batch);
  return std::exchange(*batch, std::move(bare));
}

// With drop_oldest most of a share stays where it can be dropped: what delivery has cannot.
bool StreamQueue::may_hand_out(uint64_t segment) const {
  constexpr ptrdiff_t kSegmentsMax = 2;
  if (state_.options.when_full != WhenFull::drop_oldest || files == nullptr) return true;
  if (in_flight.all().empty() || allowance.one_more_is_allowed()) return true;
  const auto& all = segments.all();
  const auto first = all.lower_bound(in_flight.all().begin()->first.segment);
  return std::distance(first, all.upper_bound(segment)) <= kSegmentsMax;
}

bool StreamQueue::next_is_large() const {
  const std::lock_guard lock(state_.mutex);
  return cursor.next() != nullptr && cursor.next()->is_large;
}

std::optional<Position> StreamQueue::next_origin() const {
  const std::lock_guard lock(state_.mutex);
  const ReadyEntry* const next = cursor.next();
  return next != nullptr && next->origin ? std::optional(next->origin->position) : std::nullopt;
}

bool StreamQueue::memory_is_awaited() const { return state_.memory.waiting() > 0; }

void StreamQueue::allow_one_more() {
  const std::lock_guard lock(state_.mutex);
  allowance.allow_one_more();
  wake.wait();
  if (has_backlog()) state_.wake.read->raise();
}

void StreamQueue::append_overflow(size_t slot, OverflowEntry entry,
                                  std::function<void(bool)> done) {
  CHECK(!entry.events.empty() && entry.events.size() == entry.batch.event_count);
  state_.mutex.change([&](Calls& calls) {
    StreamQueue* const overflow_queue = overflow_part.logs.at(slot);
    if (overflow_queue == nullptr || state_.closed) {
      calls.emplace_back([done = std::move(done)] { done(false); });
    } else {
      QueuedEntry queued;
      queued.batch = std::make_shared<const record::Batch>(std::move(entry.batch));
      queued.origin = std::make_shared<const OverflowOrigin>(
          OverflowOrigin{entry.origin, std::move(entry.events), entry.buckets});
      queued.overflowed = std::move(done);
      queued.chunk = in_flight.at(entry.origin).chunk;
      state_.chunks.add_entry(queued.chunk.key);
      queued.bytes = stored_size(queued.as_stored());
      overflow_queue->overflow_part.waiting.push_back(std::move(queued));
      admit_overflow(state_, calls);
    }
  });
}

StreamLog::RecoveredOverflow StreamQueue::recovered_overflow(size_t slot) const {
  const std::lock_guard lock(state_.mutex);
  const StreamQueue* const overflow_queue = overflow_part.logs.at(slot);
  return overflow_queue == nullptr ? RecoveredOverflow{} : overflow_queue->overflow_part.recovered;
}

bool StreamQueue::may_retire(uint64_t number, const SegmentState& segment) const {
  if (!segment.sealed || segment.gone || segment.entries_left > 0) return false;
  // Room that is waited for counts for more: a crash then repeats what came from such an entry.
  if (!is_overflow() || segment.dropped || overflow_part.any_waits()) return true;
  const Position pending_from = overflow_part.main->overflow_part.pending_from;
  return number == segments.all().begin()->first && segment.origin_max < pending_from;
}

void StreamQueue::on_readable(std::function<void()> callback) {
  wake.set(std::move(callback));
  state_.mutex.change([&](Calls& calls) {
    if (cursor.has_ready()) wake.wake(calls);
  });
}

bool StreamQueue::wants_room() const {
  const std::lock_guard lock(state_.mutex);
  const ReadyEntry* const next = cursor.next();
  if (next != nullptr) return !may_hand_out(next->position.segment);
  return has_backlog() && allowance.room(state_.shares.read_share()) != ReadAllowance::Room::within;
}

void StreamQueue::release(Position position) {
  state_.mutex.change([&](Calls& calls) {
    const bool was_large = in_flight.is_large(position);
    if (was_large) discard_later(in_flight.take_reloaded(), calls);
    const EntryInFlight entry = in_flight.release(position);
    if (files == nullptr) reservation.give_back(entry.bytes);
    if (was_large || state_.options.when_full == WhenFull::drop_oldest) wake.wake(calls);
    settle(position.segment, 1);
    state_.chunks.released(entry.chunk.key, state_.wall_ns(), calls);
    if (!state_.waiting.appends.empty()) admit_waiting(state_, calls);
  });
}

void StreamQueue::release_letter(Position position) {
  const std::lock_guard lock(state_.mutex);
  letters.leaving.push_back(position);
  state_.wake.commit.raise();
}

void StreamQueue::settle(uint64_t segment, uint32_t entries) {
  const SegmentTable::Settled settled = segments.settle(segment, entries);
  if (settled == SegmentTable::Settled::none) return;
  if (!upkeep.checkpoint_due || settled == SegmentTable::Settled::last) state_.wake.commit.raise();
  upkeep.checkpoint_due = true;
}

void StreamQueue::pass_over_damage(uint64_t segment, uint32_t entries, uint64_t events) {
  const SegmentState* const damaged = segments.find(segment);
  if (damaged == nullptr || damaged->dropped) return;
  const uint64_t lost = segments.lose(segment, events);
  state_.ledger.drop(stream(), "damaged", lost);
  log_error("damaged entries in the spool were passed over",
            {{"file", segment_path(files->directory(), segment)},
             {"entries", entries},
             {"events", lost}});
  settle(segment, entries);
}

bool StreamQueue::holds_nothing() const {
  return writes.empty() && overflow_part.waiting.empty() && !cursor.has_ready() &&
         in_flight.all().empty() && segments.entries_left() == 0;
}

void StreamQueue::set_removed(bool removed) {
  use.removed = removed;
  for (StreamQueue* const overflow_queue : overflow_part.logs) {
    if (overflow_queue != nullptr) overflow_queue->use.removed = removed;
  }
}

bool StreamQueue::empty() const {
  const std::lock_guard lock(state_.mutex);
  return holds_nothing() && !append_waits_for(state_, *this) && overflow_part.holds_nothing();
}

bool StreamQueue::OverflowPart::holds_nothing() const {
  return std::all_of(logs.begin(), logs.end(),
                     [](const auto* log) { return log == nullptr || log->holds_nothing(); });
}

bool StreamQueue::OverflowPart::any_waits() const {
  const auto& all = main != nullptr ? main->overflow_part.logs : logs;
  return std::any_of(all.begin(), all.end(), [](const auto* log) {
    return log != nullptr && !log->overflow_part.waiting.empty();
  });
}

int64_t StreamQueue::oldest_received_ns() const {
  if (!in_flight.all().empty()) return in_flight.all().begin()->second.received_ns;
  if (const ReadyEntry* const next = cursor.next()) return next->batch->received_ns;
  if (has_backlog()) {
    for (const auto& [number, segment] : segments.all()) {
      if (segment.events_unread > 0) return segment.first_received_ns;
    }
  }
  return writes.unsynced.empty() ? 0 : writes.unsynced.front().batch->received_ns;
}

}  // namespace penstock::spool
