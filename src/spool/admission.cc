#include "spool/admission.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace penstock::spool {
namespace {

using record::Ledger;
using Phase = AppendHandle::State::Phase;

// Tells the parts of one chunk apart, the same when it is sent again.
uint64_t part_key_of(std::string_view name, uint64_t seed) {
  return checksum64(as_bytes(name), seed);
}

void enter_received(SpoolState& state, const Append& append) {
  std::vector<Ledger::Admitted> admitted;
  for (const auto& part : append.parts) admitted.push_back({part.stream, part.batch.event_count});
  for (const auto& refused : append.refused) admitted.push_back({"", refused.batch.event_count});
  for (const auto& dropped : append.dropped) admitted.push_back({"", dropped.events});
  state.ledger.receive(append.source, admitted);
}

void enter_duplicate(SpoolState& state, const Append& append) {
  for (const auto& part : append.parts) {
    state.ledger.duplicate(part.stream, append.source, part.batch.event_count);
  }
  for (const auto& refused : append.refused) {
    state.ledger.duplicate("", append.source, refused.batch.event_count);
  }
  for (const auto& dropped : append.dropped) {
    state.ledger.duplicate("", append.source, dropped.events);
  }
}

bool admit_repeat(SpoolState& state, AppendHandle::State& waiting, Calls& calls) {
  Append& append = waiting.append;
  if (!append.fingerprint || state.options.repeat_window.count() == 0) return false;
  const ChunkTable::Known known = state.chunks.look_up(*append.fingerprint, state.wall_ns());
  if (known == ChunkTable::Known::no || known == ChunkTable::Known::partly) return false;

  waiting.phase = Phase::admitted;
  enter_received(state, append);
  enter_duplicate(state, append);
  if (append.admitted) calls.push_back(std::move(append.admitted));
  if (known == ChunkTable::Known::held) {
    state.chunks.wait(*append.fingerprint, {waiting.ack, std::move(append.done)}, calls);
  } else {
    calls.emplace_back([done = std::move(append.done)] { done(AppendOutcome::done); });
  }
  discard_later(std::make_shared<Append>(std::exchange(append, {})), calls);
  return true;
}

// In memory: the oldest that nobody is delivering go at once. On disk the commit thread drops a
// whole segment, and the append waits that long.
void drop_oldest(SpoolState& state, std::string_view stream, const auto& fits, Calls& calls) {
  for (const auto& queue : state.logs.all()) {
    if (queue->stream() != stream) continue;
    if (queue->files != nullptr) {
      queue->upkeep.drop_wanted = true;
      state.wake.commit.raise();
      continue;
    }
    while (queue->cursor.has_ready() && !fits()) {
      const ReadyEntry oldest = queue->cursor.take();
      queue->reservation.give_back(oldest.bytes);
      const uint64_t events = oldest.batch->event_count;
      discard_later(oldest.batch, calls);
      state.ledger.drop(stream, "spool_full", events);
      state.chunks.released(oldest.chunk.key, state.wall_ns(), calls);
      log_limited(LogLevel::warn, "spool/full/" + std::string(stream),
                  "stream is full: oldest events dropped",
                  {{"stream", stream}, {"events", events}});
    }
  }
}

// What another entry of this size takes beyond what the log holds now.
uint64_t more_bytes(const StreamQueue& queue, uint64_t bytes) {
  if (queue.files == nullptr) return bytes;
  return queue.reservation.planned_with(bytes) - queue.reservation.held();
}

// An entry larger than the share fits when its stream holds nothing else.
bool make_room(SpoolState& state, const std::string& stream, uint64_t bytes, Calls& calls) {
  StreamQueue& queue = *state.logs.open_log(stream);
  if (queue.writes.retry_at) return false;
  const auto fits = [&] {
    const bool alone = std::all_of(
        state.logs.all().begin(), state.logs.all().end(),
        [&](const auto& other) { return other->stream() != stream || other->holds_nothing(); });
    if (alone) return true;
    const uint64_t more = more_bytes(queue, bytes);
    return state.shares.bytes_of(stream) + more + state.shares.overflow_reserve_of(stream) <=
               state.shares.share_of(stream) &&
           state.shares.bytes_of_all() + more <= state.options.bytes_max;
  };
  if (fits()) return true;
  if (state.options.when_full != WhenFull::drop_oldest) return false;
  drop_oldest(state, stream, fits, calls);
  return fits();
}

// The whole share is there for it, the reserve as well. Where the log holds nothing one entry is
// taken in any case, so that an entry larger than the reserve gets through.
bool overflow_has_room(SpoolState& state, StreamQueue& overflow, const QueuedEntry& entry) {
  if (overflow.writes.retry_at) return false;
  const std::string& stream = overflow.stream();
  const uint64_t more = more_bytes(overflow, entry.bytes);
  if (state.shares.bytes_of_all() + more > state.options.bytes_max) return false;
  const bool alone = overflow.writes.empty() && overflow.segments.entries_left() == 0;
  return alone || state.shares.bytes_of(stream) + more <= state.shares.share_of(stream);
}

bool letters_have_room(SpoolState& state, uint64_t bytes) {
  if (state.logs.dead_letters() == nullptr || bytes == 0) return true;
  StreamQueue& letters = *state.logs.dead_letters();
  if (letters.writes.retry_at) return false;
  if (letters.reservation.planned_with(bytes) <= state.options.dead_letter_bytes_max) return true;
  if (letters.holds_nothing()) return true;
  if (state.options.dead_letters_when_full == WhenFull::drop_oldest) {
    letters.upkeep.drop_wanted = true;
    state.wake.commit.raise();
  }
  return false;
}

uint64_t size_to_hold(const SpoolState& state, const record::Batch& batch) {
  if (!state.on_disk()) return batch.entries_size;
  EntryToStore entry;
  entry.batch = &batch;
  return stored_size(entry);
}

// `full` are the streams that earlier appends wait for; "" stands for the dead letters.
bool has_room(SpoolState& state, const Append& append, std::set<std::string>& full, Calls& calls) {
  std::map<std::string, uint64_t> wanted;
  for (const auto& part : append.parts) {
    CHECK(state.logs.open_log(part.stream) != nullptr);
    wanted[part.stream] += size_to_hold(state, part.batch);
  }
  uint64_t letters = 0;
  if (state.logs.dead_letters() != nullptr) {
    for (const auto& refused : append.refused) {
      EntryToStore letter;
      letter.batch = &refused.batch;
      letter.reason = refused.reason;
      letters += stored_size(letter);
    }
  }
  if (letters > 0 && (full.contains("") || !letters_have_room(state, letters))) {
    full.insert("");
    return false;
  }
  // Nothing is dropped to make room for an append that waits for another stream anyway.
  for (const auto& [stream, bytes] : wanted) {
    if (full.contains(stream)) return false;
  }
  for (const auto& [stream, bytes] : wanted) {
    if (make_room(state, stream, bytes, calls)) continue;
    full.insert(stream);
    return false;
  }
  return true;
}

void queue_part(SpoolState& state, StreamQueue& queue, QueuedEntry entry, Calls& calls) {
  entry.bytes = queue.files != nullptr ? stored_size(entry.as_stored()) : entry.batch->entries_size;
  entry.admitted = state.clock.steady();
  if (queue.files != nullptr) {
    queue.reservation.plan(entry.bytes);
    queue.writes.unsynced.push_back(std::move(entry));
    state.wake.commit.raise();
    return;
  }
  queue.reservation.hold(entry.bytes);
  const uint64_t number = queue.segments.number_unstored();
  queue.cursor.keep({{number + 1, 0}, 0, std::move(entry.batch), entry.bytes, number, entry.chunk});
  queue.wake.wake(calls);
  state.chunks.synced(entry.chunk.key, state.wall_ns(), calls);
}

// The parts of one append that are to be kept, on their way into the queues.
class Keeping {
 public:
  Keeping(SpoolState& state, Append& append, AckMode ack, Calls& calls)
      : state_(state), append_(append), ack_(ack), calls_(calls) {}

  void keep() {
    enter_received(state_, append_);
    for (const auto& dropped : append_.dropped) {
      state_.ledger.drop("", dropped.reason, dropped.events);
    }
    if (append_.admitted) calls_.push_back(std::move(append_.admitted));
    repeatable_ = append_.fingerprint && state_.options.repeat_window.count() > 0;
    key_ = repeatable_ ? *append_.fingerprint : state_.salts.make_key();
    collect();
    // One more than there are entries: taken back below, so that a chunk without any is settled.
    const auto entries = static_cast<uint32_t>(entries_.size() + 1);
    state_.chunks.begin(key_, repeatable_, ack_ == AckMode::delivered, entries,
                        {ack_, std::move(append_.done)});
    for (auto& [queue, entry] : entries_) queue_part(state_, *queue, std::move(entry), calls_);
    state_.chunks.synced(key_, state_.wall_ns(), calls_);
    state_.chunks.released(key_, state_.wall_ns(), calls_);
    discard_later(std::make_shared<Append>(std::exchange(append_, {})), calls_);
  }

 private:
  void collect() {
    size_t part_count = append_.parts.size();
    if (state_.logs.dead_letters() != nullptr) part_count += append_.refused.size();
    for (Append::Part& part : append_.parts) {
      QueuedEntry entry = begin_entry(part_key_of(part.stream, part.batch.first_index), part_count);
      if (is_there(entry.chunk.part_key)) {
        state_.ledger.duplicate(part.stream, append_.source, part.batch.event_count);
        continue;
      }
      entry.batch = std::make_shared<const record::Batch>(std::move(part.batch));
      entries_.emplace_back(state_.logs.open_log(part.stream), std::move(entry));
    }
    uint64_t index = 0;
    for (Append::Refused& refused : append_.refused) {
      if (state_.logs.dead_letters() == nullptr) {
        state_.ledger.drop("", refused.reason, refused.batch.event_count);
        log_dropped("", refused.reason, "", refused.batch.event_count);
        continue;
      }
      QueuedEntry entry = begin_entry(part_key_of(refused.reason, ~index++), part_count);
      if (is_there(entry.chunk.part_key)) {
        state_.ledger.duplicate("", append_.source, refused.batch.event_count);
        continue;
      }
      entry.reason = refused.reason;
      entry.batch = std::make_shared<const record::Batch>(std::move(refused.batch));
      entries_.emplace_back(state_.logs.dead_letters(), std::move(entry));
    }
  }

  [[nodiscard]] QueuedEntry begin_entry(uint64_t part_key, size_t part_count) const {
    QueuedEntry entry;
    entry.chunk.key = key_;
    entry.chunk.fingerprint = repeatable_;
    entry.chunk.replayed = append_.source == "dead_letter";
    entry.chunk.part_key = part_key;
    entry.chunk.part_count = static_cast<uint16_t>(std::min<size_t>(part_count, 0xffff));
    return entry;
  }
  // After a crash that only some parts of the chunk survived.
  [[nodiscard]] bool is_there(uint64_t part_key) const {
    return repeatable_ && state_.chunks.has_part(key_, part_key);
  }

  SpoolState& state_;
  Append& append_;
  const AckMode ack_;
  Calls& calls_;
  bool repeatable_ = false;
  Hash128 key_;
  std::vector<std::pair<StreamQueue*, QueuedEntry>> entries_;
};

}  // namespace

void log_dropped(std::string_view stream, std::string_view reason, std::string_view detail,
                 uint64_t events) {
  log_limited(LogLevel::warn, "spool/dropped/" + std::string(reason),
              "events dropped: there is no dead-letter directory",
              {{"stream", stream}, {"reason", reason}, {"detail", detail}, {"events", events}});
}

void admit_waiting(SpoolState& state, Calls& calls) {
  std::set<std::string> full;
  for (auto place = state.waiting.appends.begin(); place != state.waiting.appends.end();) {
    AppendHandle::State& waiting = **place;
    const std::lock_guard lock(waiting.mutex);
    bool stays = false;
    if (waiting.phase == Phase::waiting && !admit_repeat(state, waiting, calls)) {
      stays = !has_room(state, waiting.append, full, calls);
      if (!stays) {
        waiting.phase = Phase::admitted;
        Keeping(state, waiting.append, waiting.ack, calls).keep();
      }
    }
    if (stays) {
      ++place;
    } else {
      discard_later(*place, calls);  // it may hold the lock that is being held here
      place = state.waiting.appends.erase(place);
    }
  }
  state.note_pressure();
}

std::shared_ptr<AppendHandle::State> submit(SpoolState& state, Append append, AckMode ack) {
  auto waiting = std::make_shared<AppendHandle::State>();
  waiting->append = std::move(append);
  waiting->ack = ack;
  state.mutex.change([&](Calls& calls) {
    if (state.closed) {
      waiting->phase = Phase::over;
      calls.emplace_back([done = std::move(waiting->append.done)] { done(AppendOutcome::closed); });
    } else {
      state.waiting.appends.push_back(waiting);
      admit_waiting(state, calls);
    }
  });
  return waiting;
}

void admit_overflow(SpoolState& state, Calls& calls) {
  for (const auto& queue : state.logs.all()) {
    auto& waiting = queue->overflow_part.waiting;
    while (!waiting.empty()) {
      if (!overflow_has_room(state, *queue, waiting.front())) {
        if (state.options.when_full == WhenFull::drop_oldest) {
          drop_oldest(
              state, queue->stream(), [] { return false; }, calls);
        }
        state.wake.commit.raise();  // what is kept for a restart only makes room
        break;
      }
      queue_part(state, *queue, std::move(waiting.front()), calls);
      waiting.pop_front();
    }
  }
}

void admit_letters(SpoolState& state, Calls& calls) {
  while (!state.waiting.letters.empty()) {
    std::vector<QueuedEntry>& waiting = state.waiting.letters.front();
    uint64_t bytes = 0;
    for (const QueuedEntry& entry : waiting) bytes += stored_size(entry.as_stored());
    if (!letters_have_room(state, bytes)) return;
    for (QueuedEntry& entry : waiting) {
      queue_part(state, *state.logs.dead_letters(), std::move(entry), calls);
    }
    state.waiting.letters.pop_front();
  }
}

void close_waiting(SpoolState& state, Calls& calls) {
  for (const auto& waiting : state.waiting.appends) {
    const std::lock_guard lock(waiting->mutex);
    if (waiting->phase != Phase::waiting) continue;
    waiting->phase = Phase::over;
    calls.emplace_back([done = std::move(waiting->append.done)] { done(AppendOutcome::closed); });
    discard_later(std::make_shared<Append>(std::exchange(waiting->append, {})), calls);
  }
  state.waiting.appends.clear();
  state.note_pressure();
}

void close_unstored(SpoolState& state, Calls& calls) {
  const auto give_up = [&calls](auto& entries) {
    for (QueuedEntry& entry : entries) {
      auto done = entry.letters ? std::exchange(entry.letters->done, nullptr)
                                : std::exchange(entry.overflowed, nullptr);
      if (done) calls.emplace_back([done = std::move(done)] { done(false); });
      discard_later(std::move(entry.batch), calls);
    }
    entries.clear();
  };
  for (auto& letters : state.waiting.letters) give_up(letters);
  state.waiting.letters.clear();
  for (StreamQueue* const log : state.logs.on_disk()) {
    if (!log->is_overflow() && !state.logs.is_dead_letters(*log)) continue;
    give_up(log->overflow_part.waiting);
    give_up(log->writes.unsynced);
  }
}

bool append_waits_for(SpoolState& state, const StreamQueue& queue) {
  if (!queue.use.open) return false;
  return std::any_of(
      state.waiting.appends.begin(), state.waiting.appends.end(), [&](const auto& waiting) {
        const std::lock_guard lock(waiting->mutex);
        if (waiting->phase != Phase::waiting) return false;
        return std::any_of(waiting->append.parts.begin(), waiting->append.parts.end(),
                           [&](const Append::Part& part) { return part.stream == queue.stream(); });
      });
}

void forget_cancelled(SpoolState& state) {
  state.waiting.appends.remove_if([](const auto& waiting) {
    const std::lock_guard lock(waiting->mutex);
    return waiting->phase != Phase::waiting;
  });
}

}  // namespace penstock::spool
