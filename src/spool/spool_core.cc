#include "spool/spool_core.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "spool/admission.h"
#include "spool/log_directory.h"

namespace penstock::spool {

using Phase = AppendHandle::State::Phase;

Result<std::unique_ptr<Spool>, Error> Spool::open(SpoolOptions options, record::Ledger& ledger,
                                                  memory::MemoryBudget& budget, const Clock& clock,
                                                  FileSystem* file_system) {
  return SpoolCore::open(std::move(options), {}, ledger, budget, clock,
                         file_system != nullptr ? *file_system : FileSystem::posix());
}

Result<std::unique_ptr<SpoolCore>, Error> SpoolCore::open(
    SpoolOptions options, SpoolInternals internals, record::Ledger& ledger,
    memory::MemoryBudget& budget, const Clock& clock, FileSystem& file_system) {
  if (options.directory.empty() && options.ack == AckMode::stored) {
    return usage_error("ack: stored needs spool.directory; give one, or set ack: delivered");
  }
  std::unique_ptr<SpoolCore> core(
      new SpoolCore(std::move(options), internals, ledger, budget, clock, file_system));
  SpoolState& state = *core->state_;
  if (state.options.dead_letter_directory.empty() && state.on_disk()) {
    state.options.dead_letter_directory = state.options.directory + "/dead-letter";
  }
  const bool letters = !state.options.dead_letter_directory.empty();
  if (!state.on_disk() && !letters) return core;

  if (state.on_disk()) {
    // Half of what there is at most, so that sessions always have something left.
    state.options.read_bytes_max =
        std::min<uint64_t>(state.options.read_bytes_max, budget.options().ordinary_bytes / 2);
    core->read_ahead_lease_ = budget.try_acquire(state.options.read_bytes_max);
  }
  if (auto recovered = core->recover(); !recovered) return failure(recovered.error());
  std::optional<RepeatLog> repeat_log;
  std::string streams_path;
  if (core->directory_) {
    repeat_log = core->directory_->take_repeat_log();
    streams_path = core->directory_->streams_path();
    core->reader_.emplace(state);
  }
  core->commit_queue_.emplace(state, std::move(streams_path), std::move(repeat_log));
  if (letters) core->replay_.emplace(state, state.options.dead_letter_directory);
  if (!internals.manual) {
    core->commit_queue_->start();
    if (core->reader_) core->reader_->start();
    if (core->replay_) core->replay_->start();
  }
  return core;
}

SpoolCore::~SpoolCore() { close(); }

Result<void, Error> SpoolCore::recover() {
  SpoolState& state = *state_;
  const int64_t window_begin = state.wall_ns() - nanoseconds(state.options.repeat_window).count();
  RecoveredChunks chunks(state.options.repeats_max, window_begin,
                         state.options.ack == AckMode::delivered);
  if (state.on_disk()) {
    if (auto done = recover_logs(chunks); !done) return done;
  }
  if (!state.options.dead_letter_directory.empty()) {
    if (auto done = recover_letters(chunks); !done) return done;
  }
  chunks.settle(state.chunks, state.wall_ns());
  for (const auto& queue : state.queues) {
    uint64_t events = queue->lost_events;
    for (const auto& [number, segment] : queue->segments) events += segment.events_unread;
    if (events == 0) continue;
    const record::Ledger::Admitted admitted{queue->stream(), events};
    state.ledger.receive("recovered", {&admitted, 1});
    if (queue->lost_events > 0) {
      state.ledger.drop(queue->stream(), "damaged", queue->lost_events);
      state.note_error("damage in the spool: at least " + std::to_string(queue->lost_events) +
                       " events of stream " + queue->stream() + " are lost; see the log");
    }
    log_info("backlog found in the spool", {{"stream", queue->stream()},
                                            {"events", events - queue->lost_events},
                                            {"bytes", queue->held_bytes}});
  }
  state.share_out();
  return {};
}

Result<void, Error> SpoolCore::recover_logs(RecoveredChunks& chunks) {
  SpoolState& state = *state_;
  const std::string& path = state.options.directory;
  // Together with its blocks' overhead at most a sixteenth of the spool.
  const uint64_t repeats_max =
      std::min<uint64_t>(state.options.repeats_max, state.options.bytes_max / 16 / 41);
  auto directory = SpoolDirectory::open(state.file_system, path, repeats_max);
  if (!directory) return failure(directory.error());
  directory_ = std::move(*directory);
  state.fixed_bytes = directory_->repeat_log().file_bytes() + 2 * kBlockBytes;

  const auto unreadable = [&](const IoError& error) {
    return run_error("cannot recover the spool " + path + ": " + error.text() +
                     "; see the log, check the disk and that this user may write there");
  };
  // A process that was killed may have made logs here without getting so far as this.
  if (auto done = state.file_system.sync_directory(directory_->streams_path()); !done) {
    return unreadable(done.error());
  }
  auto names = state.file_system.list(directory_->streams_path());
  if (!names) return unreadable(names.error());
  for (const std::string& name : *names) {
    auto logs = recover_log(state, staging_, directory_->streams_path(), name, chunks);
    if (!logs) return unreadable(logs.error());
    add(std::move(*logs));
  }
  for (const RepeatRecord& record : directory_->repeat_log().take_found()) chunks.add(record);
  // Stable: overflow logs stay before their main log.
  std::stable_sort(state.queues.begin(), state.queues.end(),
                   [](const auto& one, const auto& other) {
                     return std::pair(one->stream(), one->generation) <
                            std::pair(other->stream(), other->generation);
                   });
  return {};
}

void SpoolCore::add(LogGroup logs) {
  for (auto& overflow : logs.overflow) {
    if (overflow) state_->queues.push_back(std::move(overflow));
  }
  if (logs.main) state_->queues.push_back(std::move(logs.main));
}

Result<void, Error> SpoolCore::recover_letters(RecoveredChunks& chunks) {
  SpoolState& state = *state_;
  const std::string& path = state.options.dead_letter_directory;
  const auto cannot = [&](const IoError& error) {
    return run_error("cannot open the dead letters in " + path + ": " + error.text() +
                     "; make room, or let this user write there");
  };
  if (auto done = state.file_system.make_directory(path); !done) return cannot(done.error());
  if (!path.starts_with(state.options.directory + "/") || !state.on_disk()) {
    auto lock = state.file_system.lock(path + "/lock");
    if (!lock && lock.error().code == EWOULDBLOCK) {
      return run_error("the dead letters " + path +
                       " are in use by another process: stop it, or use another directory");
    }
    if (!lock) return cannot(lock.error());
    letters_lock_ = std::move(*lock);
  }
  auto queue = recover_dead_letters(state, staging_, path, chunks);
  if (!queue) return cannot(queue.error());
  state.dead_letters = std::move(*queue);
  return {};
}

Result<StreamLog*, Error> SpoolCore::open_stream(const StreamOptions& options) {
  SpoolState& state = *state_;
  const std::lock_guard opening(open_mutex_);
  state.ledger.announce_stream(options.stream);
  StreamQueue* newest = nullptr;
  {
    const std::lock_guard lock(state.mutex);
    if (state.closed) return run_error("the spool is closed");
    for (const auto& queue : state.queues) {
      if (queue->stream() != options.stream || queue->removed || queue->is_overflow()) continue;
      newest = queue.get();
    }
    // From here on the commit thread does not remove it for being empty.
    if (newest != nullptr && newest->options.target == options.target) {
      newest->open = true;
      newest->is_configured = true;
    } else {
      newest = nullptr;
    }
  }
  auto opened = newest != nullptr ? adopt(*newest, options) : begin_log(options);
  if (!opened) return failure(opened.error());
  Calls calls;
  {
    const std::lock_guard lock(state.mutex);
    state.share_out();
    admit_waiting(state, calls);
  }
  make(calls);
  return *opened;
}

Result<StreamQueue*, Error> SpoolCore::adopt(StreamQueue& queue, const StreamOptions& options) {
  SpoolState& state = *state_;
  bool changed = false;
  {
    const std::lock_guard lock(state.mutex);
    changed = queue.settings() != options.settings;
    queue.take_over(options);
  }
  if (changed && queue.files != nullptr) {
    const LogDescription description{options.stream, options.target, options.settings};
    if (auto done = write_description(state.file_system, queue.files->directory(), description);
        !done) {
      // Delivery goes on with the new settings; only a restart would find the old ones.
      const std::lock_guard lock(state.mutex);
      state.note_error("cannot write to " + queue.files->directory() + ": " + done.error().text());
    }
  }
  return &queue;
}

Result<StreamQueue*, Error> SpoolCore::begin_log(const StreamOptions& options) {
  SpoolState& state = *state_;
  uint64_t generation = 1;
  {
    const std::lock_guard lock(state.mutex);
    for (const auto& other : state.queues) {
      if (other->stream() == options.stream) {
        generation = std::max(generation, other->generation + 1);
      }
    }
  }
  LogGroup logs;
  if (state.on_disk()) {
    auto created = create_log(state, staging_, directory_->streams_path(),
                              directory_name(options.stream, generation), options);
    if (!created) {
      return run_error("cannot begin a log for stream " + options.stream + " in " +
                       directory_->streams_path() + ": " + created.error().text() +
                       "; make room, or let this user write there");
    }
    logs = std::move(*created);
  } else {
    logs = make_logs(state, options);
  }
  StreamQueue* const queue = logs.main.get();
  queue->generation = generation;
  for (const auto& overflow : logs.overflow) {
    if (overflow) overflow->generation = generation;
  }
  const std::lock_guard lock(state.mutex);
  if (StreamQueue* older = state.open_queue(options.stream)) older->open = false;
  add(std::move(logs));
  return queue;
}

void SpoolCore::keep_streams(const std::vector<std::string>& configured) {
  Calls calls;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& queue : state_->queues) {
      queue->is_configured =
          std::find(configured.begin(), configured.end(), queue->stream()) != configured.end();
    }
    state_->share_out();
    admit_waiting(*state_, calls);
  }
  make(calls);
}

std::vector<StreamLog*> SpoolCore::logs() {
  const std::lock_guard lock(state_->mutex);
  std::vector<StreamLog*> found;
  for (const auto& queue : state_->queues) {
    if (queue->is_overflow()) continue;
    const bool is_used = queue->open || !queue->holds_nothing() || !queue->overflow_holds_nothing();
    if (is_used) found.push_back(queue.get());
  }
  return found;
}

AppendHandle SpoolCore::append(Append append) {
  AckMode ack;
  {
    const std::lock_guard lock(state_->mutex);
    ack = state_->options.ack;
  }
  return AppendHandle(submit(*state_, std::move(append), ack));
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

void SpoolCore::dead_letter(std::vector<DeadLetter> letters, std::function<void(bool)> done) {
  SpoolState& state = *state_;
  if (state.dead_letters == nullptr) {
    for (const DeadLetter& letter : letters) {
      state.ledger.drop(letter.stream, letter.reason, letter.batch.event_count);
      log_dropped(letter.stream, letter.reason, letter.detail, letter.batch.event_count);
    }
    letters.clear();
    return done(true);
  }
  auto group = std::make_shared<LetterGroup>();
  group->left = letters.size();
  group->done = std::move(done);
  if (letters.empty()) return group->done(true);
  WaitingLetters waiting;
  for (DeadLetter& letter : letters) {
    QueuedEntry& entry = waiting.entries.emplace_back();
    entry.batch = std::make_shared<const record::Batch>(std::move(letter.batch));
    entry.stream = std::move(letter.stream);
    entry.reason = std::move(letter.reason);
    entry.detail = std::move(letter.detail);
    entry.letters = group;
  }
  Calls calls;
  {
    const std::lock_guard lock(state.mutex);
    if (state.closed) {
      calls.emplace_back([group] { group->done(false); });
    } else {
      state.waiting_letters.push_back(std::move(waiting));
      admit_letters(state, calls);
    }
  }
  make(calls);
}

void SpoolCore::on_replay(std::function<Append(record::Batch)> route) {
  if (replay_) replay_->set_route(std::move(route));
}

void SpoolCore::reconfigure(const SpoolOptions& options) {
  SpoolState& state = *state_;
  Calls calls;
  {
    const std::lock_guard lock(state.mutex);
    state.options.bytes_max = options.bytes_max;
    state.options.when_full = options.when_full;
    state.options.ack = options.ack;
    state.options.repeat_window = options.repeat_window;
    state.options.cache_bytes_max = options.cache_bytes_max;
    state.options.dead_letter_bytes_max = options.dead_letter_bytes_max;
    state.options.dead_letters_when_full = options.dead_letters_when_full;
    state.chunks.window().set_window(nanoseconds(options.repeat_window).count());
    state.share_out();
    admit_letters(state, calls);
    admit_overflow(state, calls);
    admit_waiting(state, calls);
  }
  make(calls);
}

StreamFigures SpoolCore::figures(std::string_view stream) const {
  const std::lock_guard lock(state_->mutex);
  StreamFigures figures;
  figures.bytes_max = state_->share_of(stream);
  for (const auto& queue : state_->queues) {
    if (queue->stream() != stream) continue;
    figures.bytes += queue->held_bytes;
    figures.pushing_back |= append_waits_for(*state_, *queue);
    figures.disk_failing |= queue->retry_at.has_value();
    const int64_t oldest = queue->oldest_received_ns();
    if (oldest != 0 && (figures.oldest_received_ns == 0 || oldest < figures.oldest_received_ns)) {
      figures.oldest_received_ns = oldest;
    }
  }
  return figures;
}

uint64_t SpoolCore::bytes() const {
  const std::lock_guard lock(state_->mutex);
  uint64_t bytes = state_->fixed_bytes;
  for (const auto& queue : state_->queues) bytes += queue->held_bytes;
  return bytes;
}

uint64_t SpoolCore::dead_letter_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dead_letters ? state_->dead_letters->held_bytes : 0;
}

uint64_t SpoolCore::dead_letter_count() const {
  const std::lock_guard lock(state_->mutex);
  uint64_t count = 0;
  if (state_->dead_letters == nullptr) return count;
  for (const auto& [number, segment] : state_->dead_letters->segments) {
    count += segment.entries_left;
  }
  return count;
}

std::optional<SteadyTime> SpoolCore::pushing_back_since() const {
  const std::lock_guard lock(state_->mutex);
  forget_cancelled(*state_);
  state_->note_pressure();
  const auto since = state_->pushing_back_since;
  const auto unsynced = state_->unsynced_since();
  return since && unsynced ? std::min(since, unsynced) : since ? since : unsynced;
}

SteadyTime SpoolCore::last_turn() const {
  return commit_queue_ && !state_->internals.manual ? commit_queue_->last_turn()
                                                    : state_->clock.steady();
}

std::string SpoolCore::last_error() const {
  const std::lock_guard lock(state_->mutex);
  return state_->last_error;
}

void SpoolCore::close() {
  SpoolState& state = *state_;
  Calls calls;
  {
    const std::lock_guard lock(state.mutex);
    if (state.closed) return;
    state.closed = true;
    for (const auto& waiting : state.waiting) {
      const std::lock_guard state_lock(waiting->mutex);
      if (waiting->phase != Phase::waiting) continue;
      waiting->phase = Phase::over;
      calls.emplace_back([done = std::move(waiting->append.done)] { done(AppendOutcome::closed); });
      discard_later(std::make_shared<Append>(std::exchange(waiting->append, {})), calls);
    }
    state.waiting.clear();
    state.note_pressure();
  }
  make(calls);
  if (replay_) replay_->stop();
  if (reader_) reader_->stop();
  if (commit_queue_) {
    commit_queue_->stop();
    commit_queue_->drain();
  }
  {
    const std::lock_guard lock(state.mutex);
    state.chunks.close(calls);
    close_letters(calls);
    close_overflow(calls);
  }
  make(calls);
}

// Entries that could not be stored any more.
void SpoolCore::close_overflow(Calls& calls) {
  for (const auto& queue : state_->queues) {
    if (!queue->is_overflow()) continue;
    for (auto* const entries : {&queue->waiting, &queue->unsynced}) {
      for (QueuedEntry& entry : *entries) {
        calls.emplace_back([done = std::move(entry.overflowed)] { done(false); });
        discard_later(std::move(entry.batch), calls);
      }
      entries->clear();
    }
  }
}

// Those that could not be stored any more.
void SpoolCore::close_letters(Calls& calls) {
  std::vector<std::shared_ptr<LetterGroup>> groups;
  const auto collect = [&](auto& entries) {
    for (QueuedEntry& entry : entries) {
      if (entry.letters) groups.push_back(entry.letters);
      discard_later(std::move(entry.batch), calls);
    }
    entries.clear();
  };
  for (WaitingLetters& waiting : state_->waiting_letters) collect(waiting.entries);
  if (state_->dead_letters != nullptr) collect(state_->dead_letters->unsynced);
  state_->waiting_letters.clear();
  for (const auto& group : groups) {
    if (!group->done) continue;
    calls.emplace_back([done = std::move(group->done)] { done(false); });
    group->done = nullptr;
  }
}

void SpoolCore::abandon() {
  if (replay_) replay_->stop();
  if (reader_) reader_->stop();
  if (commit_queue_) commit_queue_->stop();
  const std::lock_guard lock(state_->mutex);
  state_->closed = true;
}

}  // namespace penstock::spool
