#include "spool/spool_core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace penstock::spool {
namespace {

using record::Ledger;

uint64_t size_in_memory(const record::Batch& batch) { return batch.entries_size; }

uint64_t events_in(const Append& append) {
  uint64_t events = 0;
  for (const auto& part : append.parts) events += part.batch.event_count;
  for (const auto& refused : append.refused) events += refused.batch.event_count;
  for (const auto& dropped : append.dropped) events += dropped.events;
  return events;
}

bool contains(const std::vector<std::string>& streams, const std::string& stream) {
  return std::find(streams.begin(), streams.end(), stream) != streams.end();
}

// Batches give memory back when they go, and whoever waits for memory is called then: not while
// the lock is held.
void discard_later(std::shared_ptr<const void> what, Calls& calls) {
  calls.emplace_back([what = std::move(what)] {});
}

void log_dropped(std::string_view stream, std::string_view reason, std::string_view detail,
                 uint64_t events) {
  log_limited(LogLevel::warn, "spool/dropped/" + std::string(reason),
              "events dropped: there is no dead-letter directory",
              {{"stream", stream}, {"reason", reason}, {"detail", detail}, {"events", events}});
}

}  // namespace

SpoolCore::SpoolCore(SpoolOptions options, Ledger& ledger, const Clock& clock)
    : options_(std::move(options)),
      ledger_(ledger),
      clock_(clock),
      chunks_(options_.repeats_max, nanoseconds(options_.repeat_window).count()) {}

SpoolCore::~SpoolCore() { close(); }

void SpoolCore::make(Calls& calls) {
  for (const auto& call : calls) call();
}

Result<StreamLog*, Error> SpoolCore::open_stream(const StreamOptions& options) {
  ledger_.announce_stream(options.stream);
  Calls calls;
  StreamQueue* opened = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return run_error("the spool is closed");
    opened = open_queue(options.stream);
    if (opened != nullptr && opened->options_.target == options.target) {
      opened->take_over(options);
    } else {
      if (opened != nullptr) opened->open_ = false;
      opened = queues_.emplace_back(std::make_unique<StreamQueue>(*this, options)).get();
    }
    admit_waiting(calls);
  }
  make(calls);
  return opened;
}

std::vector<StreamLog*> SpoolCore::logs() {
  const std::lock_guard lock(mutex_);
  std::vector<StreamLog*> found;
  for (const auto& queue : queues_) {
    if (queue->open_ || queue->bytes_ > 0) found.push_back(queue.get());
  }
  return found;
}

AppendHandle SpoolCore::append(Append append) {
  auto state = std::make_shared<AppendHandle::State>();
  state->append = std::move(append);
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    state->ack = options_.ack;
    if (closed_) {
      state->phase = AppendHandle::State::Phase::over;
      calls.emplace_back([done = std::move(state->append.done)] { done(AppendOutcome::closed); });
    } else {
      waiting_.push_back(state);
      admit_waiting(calls);
    }
  }
  make(calls);
  return AppendHandle(std::move(state));
}

bool AppendHandle::cancel() {
  if (!state_) return false;
  Append taken_back;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->phase != State::Phase::waiting) return false;
    state_->phase = State::Phase::over;
    taken_back = std::move(state_->append);
  }
  taken_back.done(AppendOutcome::cancelled);
  return true;
}

// One pass over those who wait, first come first served for each stream: who has to wait for a
// full stream holds back later ones for that stream, and nobody else.
void SpoolCore::admit_waiting(Calls& calls) {
  std::vector<std::string> full;
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    const std::lock_guard lock((*waiting)->mutex);
    AppendHandle::State& state = **waiting;
    const bool gone = state.phase != AppendHandle::State::Phase::waiting;
    if (gone || admit(state, full, calls)) {
      waiting = waiting_.erase(waiting);
    } else {
      ++waiting;
    }
  }
  note_pressure();
}

void SpoolCore::forget_cancelled() {
  waiting_.remove_if([](const Waiting& waiting) {
    const std::lock_guard lock(waiting->mutex);
    return waiting->phase != AppendHandle::State::Phase::waiting;
  });
}

void SpoolCore::note_pressure() {
  if (waiting_.empty()) {
    pushing_back_since_.reset();
  } else if (!pushing_back_since_) {
    pushing_back_since_ = clock_.steady();
  }
}

bool SpoolCore::admit(AppendHandle::State& state, std::vector<std::string>& full, Calls& calls) {
  if (admit_repeat(state, calls)) return true;
  if (!has_room(state.append, full, calls)) return false;
  keep(state, calls);
  return true;
}

bool SpoolCore::admit_repeat(AppendHandle::State& state, Calls& calls) {
  Append& append = state.append;
  if (!append.fingerprint || options_.repeat_window.count() == 0) return false;
  const ChunkTable::Known known = chunks_.look_up(*append.fingerprint, wall_ns());
  if (known == ChunkTable::Known::no) return false;

  state.phase = AppendHandle::State::Phase::admitted;
  enter_received(append);
  for (const auto& part : append.parts) {
    ledger_.duplicate(part.stream, append.source, part.batch.event_count);
  }
  for (const auto& refused : append.refused) {
    ledger_.duplicate("", append.source, refused.batch.event_count);
  }
  for (const auto& dropped : append.dropped) ledger_.duplicate("", append.source, dropped.events);
  if (append.admitted) calls.push_back(std::move(append.admitted));
  if (known == ChunkTable::Known::held) {
    chunks_.wait(*append.fingerprint, {state.ack, std::move(append.done)}, calls);
  } else {
    calls.emplace_back([done = std::move(append.done)] { done(AppendOutcome::done); });
  }
  discard_later(std::make_shared<Append>(std::exchange(append, {})), calls);
  return true;
}

bool SpoolCore::has_room(const Append& append, std::vector<std::string>& full, Calls& calls) {
  std::map<std::string_view, uint64_t> wanted;
  bool room = true;
  for (const auto& part : append.parts) {
    CHECK(open_queue(part.stream) != nullptr);
    wanted[part.stream] += size_in_memory(part.batch);
    if (contains(full, part.stream)) room = false;
  }
  // Nothing is dropped to make room for an append that has to wait for another stream anyway:
  // first a look at those that block.
  for (const auto& [name, bytes] : wanted) {
    if (!room) break;
    const std::string stream(name);
    room = make_room(stream, bytes, calls);
    if (!room) full.push_back(stream);
  }
  return room;
}

// An entry larger than the share fits when its stream holds nothing else.
bool SpoolCore::make_room(const std::string& stream, uint64_t bytes, Calls& calls) {
  const auto fits = [&] {
    const uint64_t held = bytes_of(stream);
    if (held == 0) return true;
    uint64_t held_by_all = 0;
    for (const auto& queue : queues_) held_by_all += queue->bytes_;
    return held + bytes <= share_of(stream) && held_by_all + bytes <= options_.bytes_max;
  };
  if (fits()) return true;
  if (options_.when_full != WhenFull::drop_oldest) return false;
  for (const auto& queue : queues_) {
    if (queue->stream() != stream) continue;
    while (!queue->ready_.empty() && !fits()) {
      const ReadyEntry oldest = std::move(queue->ready_.front());
      queue->ready_.pop_front();
      queue->bytes_ -= oldest.bytes;
      const uint64_t events = oldest.batch->event_count - oldest.events_final;
      discard_later(oldest.batch, calls);
      ledger_.drop(stream, "spool_full", events);
      chunks_.released(oldest.chunk_key, wall_ns(), calls);
      log_limited(LogLevel::warn, "spool/full/" + stream, "stream is full: oldest events dropped",
                  {{"stream", stream}, {"events", events}});
    }
  }
  return fits();
}

void SpoolCore::enter_received(const Append& append) {
  std::vector<Ledger::Admitted> admitted;
  for (const auto& part : append.parts) admitted.push_back({part.stream, part.batch.event_count});
  for (const auto& refused : append.refused) admitted.push_back({"", refused.batch.event_count});
  for (const auto& dropped : append.dropped) admitted.push_back({"", dropped.events});
  ledger_.receive(append.source, admitted);
}

void SpoolCore::count_refused(const Append& append) {
  for (const auto& dropped : append.dropped) ledger_.drop("", dropped.reason, dropped.events);
  for (const auto& refused : append.refused) {
    ledger_.drop("", refused.reason, refused.batch.event_count);
    log_dropped("", refused.reason, "", refused.batch.event_count);
  }
}

void SpoolCore::keep(AppendHandle::State& state, Calls& calls) {
  Append& append = state.append;
  state.phase = AppendHandle::State::Phase::admitted;
  CHECK(events_in(append) > 0 || append.parts.empty());
  enter_received(append);
  count_refused(append);
  if (append.admitted) calls.push_back(std::move(append.admitted));

  const bool repeatable = append.fingerprint && options_.repeat_window.count() > 0;
  const Hash128 key = repeatable ? *append.fingerprint : Hash128{next_key_++, 0};
  const auto entries = static_cast<uint32_t>(append.parts.size());
  // One more than there are entries: taken back below, so that a chunk without any is settled.
  chunks_.begin(key, repeatable, state.ack == AckMode::delivered, entries + 1,
                {state.ack, std::move(append.done)});
  for (Append::Part& part : append.parts) {
    StreamQueue& queue = *open_queue(part.stream);
    const uint64_t bytes = size_in_memory(part.batch);
    queue.ready_.push_back({{queue.next_number_++, 0},
                            std::make_shared<const record::Batch>(std::move(part.batch)),
                            0,
                            bytes,
                            key});
    queue.bytes_ += bytes;
    queue.wake_reader(calls);
    chunks_.synced(key, wall_ns(), calls);
  }
  chunks_.synced(key, wall_ns(), calls);
  chunks_.released(key, wall_ns(), calls);
  discard_later(std::make_shared<Append>(std::exchange(append, {})), calls);
}

void SpoolCore::release(StreamQueue& queue, Position position) {
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = queue.in_flight_.find(position);
    CHECK(entry != queue.in_flight_.end());
    queue.bytes_ -= entry->second.bytes;
    const Hash128 key = entry->second.chunk_key;
    queue.in_flight_.erase(entry);
    chunks_.released(key, wall_ns(), calls);
    if (!waiting_.empty()) admit_waiting(calls);
  }
  make(calls);
}

void SpoolCore::dead_letter(std::vector<DeadLetter> letters, std::function<void(bool)> done) {
  for (const DeadLetter& letter : letters) {
    ledger_.drop(letter.stream, letter.reason, letter.batch.event_count);
    log_dropped(letter.stream, letter.reason, letter.detail, letter.batch.event_count);
  }
  letters.clear();
  done(true);
}

void SpoolCore::reconfigure(const SpoolOptions& options) {
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    options_.bytes_max = options.bytes_max;
    options_.when_full = options.when_full;
    options_.ack = options.ack;
    options_.repeat_window = options.repeat_window;
    options_.cache_bytes_max = options.cache_bytes_max;
    chunks_.window().set_window(nanoseconds(options.repeat_window).count());
    admit_waiting(calls);
  }
  make(calls);
}

StreamFigures SpoolCore::figures(std::string_view stream) const {
  const std::lock_guard lock(mutex_);
  StreamFigures figures;
  for (const auto& queue : queues_) {
    if (queue->stream() != stream) continue;
    figures.bytes += queue->bytes_;
    const int64_t oldest = queue->oldest_received_ns();
    if (oldest != 0 && (figures.oldest_received_ns == 0 || oldest < figures.oldest_received_ns)) {
      figures.oldest_received_ns = oldest;
    }
  }
  return figures;
}

uint64_t SpoolCore::bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& queue : queues_) bytes += queue->bytes_;
  return bytes;
}

std::optional<SteadyTime> SpoolCore::pushing_back_since() const {
  auto& self = const_cast<SpoolCore&>(*this);  // what was cancelled is forgotten at a look
  const std::lock_guard lock(mutex_);
  self.forget_cancelled();
  self.note_pressure();
  return pushing_back_since_;
}

bool SpoolCore::append_waits_for(const StreamQueue& queue) const {
  if (!queue.open_) return false;
  return std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& waiting) {
    const std::lock_guard lock(waiting->mutex);
    if (waiting->phase != AppendHandle::State::Phase::waiting) return false;
    return std::any_of(waiting->append.parts.begin(), waiting->append.parts.end(),
                       [&](const Append::Part& part) { return part.stream == queue.stream(); });
  });
}

uint64_t SpoolCore::bytes_of(std::string_view stream) const {
  uint64_t bytes = 0;
  for (const auto& queue : queues_) {
    if (queue->stream() == stream) bytes += queue->bytes_;
  }
  return bytes;
}

// What a stream was given, else an equal share of what the others were not given.
uint64_t SpoolCore::share_of(std::string_view stream) const {
  uint64_t given = 0;
  uint64_t without = 0;
  for (const auto& queue : queues_) {
    if (!queue->open_) continue;
    if (queue->stream() == stream && queue->options_.bytes_max > 0) {
      return queue->options_.bytes_max;
    }
    given += queue->options_.bytes_max;
    if (queue->options_.bytes_max == 0) ++without;
  }
  if (without == 0 || given >= options_.bytes_max) return 0;
  return (options_.bytes_max - given) / without;
}

StreamQueue* SpoolCore::open_queue(std::string_view stream) const {
  for (const auto& queue : queues_) {
    if (queue->open_ && queue->stream() == stream) return queue.get();
  }
  return nullptr;
}

void SpoolCore::close() {
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    for (const Waiting& waiting : waiting_) {
      const std::lock_guard state_lock(waiting->mutex);
      if (waiting->phase != AppendHandle::State::Phase::waiting) continue;
      waiting->phase = AppendHandle::State::Phase::over;
      calls.emplace_back([done = std::move(waiting->append.done)] { done(AppendOutcome::closed); });
      discard_later(std::make_shared<Append>(std::exchange(waiting->append, {})), calls);
    }
    waiting_.clear();
    pushing_back_since_.reset();
    chunks_.close(calls);
  }
  make(calls);
}

}  // namespace penstock::spool
