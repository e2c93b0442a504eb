#include "spool/spool_core.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "spool/admission.h"
#include "spool/log_directory.h"

namespace penstock::spool {
namespace {

void renew_settings(SpoolState& state, StreamQueue& queue, const StreamOptions& options) {
  bool changed = false;
  {
    const std::lock_guard lock(state.mutex);
    changed = queue.settings() != options.settings;
    queue.log_settings.renew(options);
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
}

}  // namespace

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
  std::unique_ptr<SpoolCore> core(new SpoolCore(
      new SpoolState{std::move(options), internals, ledger, budget, clock, file_system}));
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
  auto recovered = recover_spool(state, core->staging_);
  if (!recovered) return failure(recovered.error());
  core->directory_ = std::move(recovered->directory);
  core->letters_lock_ = std::move(recovered->letters_lock);
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

Result<StreamLog*, Error> SpoolCore::open_stream(const StreamOptions& options) {
  SpoolState& state = *state_;
  const std::lock_guard opening(open_mutex_);
  state.ledger.announce_stream(options.stream);
  StreamQueue* log = nullptr;
  {
    const std::lock_guard lock(state.mutex);
    if (state.closed) return run_error("the spool is closed");
    // From here on the commit thread does not remove it for being empty.
    log = state.logs.reopen(options.stream, options.target);
  }
  if (log != nullptr) {
    renew_settings(state, *log, options);
  } else {
    const auto begun = begin_log(options);
    if (!begun) return failure(begun.error());
    log = *begun;
  }
  state.mutex.change([&](Calls& calls) {
    state.shares.share_out();
    admit_waiting(state, calls);
  });
  return log;
}

Result<StreamQueue*, Error> SpoolCore::begin_log(const StreamOptions& options) {
  SpoolState& state = *state_;
  uint64_t generation = 1;
  {
    const std::lock_guard lock(state.mutex);
    generation = state.logs.next_generation(options.stream);
  }
  const std::string streams_path = directory_ ? directory_->streams_path() : "";
  auto logs = create_log(state, staging_, streams_path, options, generation);
  if (!logs) {
    return run_error("cannot begin a log for stream " + options.stream + " in " + streams_path +
                     ": " + logs.error().text() + "; make room, or let this user write there");
  }
  StreamQueue* const queue = logs->main.get();
  const std::lock_guard lock(state.mutex);
  state.logs.add(std::move(*logs));
  return queue;
}

void SpoolCore::keep_streams(const std::vector<std::string>& configured) {
  state_->mutex.change([&](Calls& calls) {
    state_->logs.keep(configured);
    state_->shares.share_out();
    admit_waiting(*state_, calls);
  });
}

std::vector<StreamLog*> SpoolCore::logs() {
  const std::lock_guard lock(state_->mutex);
  return state_->logs.in_use();
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
  if (state.logs.dead_letters() == nullptr) {
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
  std::vector<QueuedEntry> waiting;
  for (DeadLetter& letter : letters) {
    QueuedEntry& entry = waiting.emplace_back();
    entry.batch = std::make_shared<const record::Batch>(std::move(letter.batch));
    entry.stream = std::move(letter.stream);
    entry.reason = std::move(letter.reason);
    entry.detail = std::move(letter.detail);
    entry.letters = group;
  }
  state.mutex.change([&](Calls& calls) {
    if (state.closed) {
      calls.emplace_back([group] { group->done(false); });
    } else {
      state.waiting.letters.push_back(std::move(waiting));
      admit_letters(state, calls);
    }
  });
}

void SpoolCore::on_replay(std::function<Append(record::Batch)> route) {
  if (replay_) replay_->set_route(std::move(route));
}

void SpoolCore::reconfigure(const SpoolOptions& options) {
  SpoolState& state = *state_;
  state.mutex.change([&](Calls& calls) {
    state.options.bytes_max = options.bytes_max;
    state.options.when_full = options.when_full;
    state.options.ack = options.ack;
    state.options.repeat_window = options.repeat_window;
    state.options.cache_bytes_max = options.cache_bytes_max;
    state.options.dead_letter_bytes_max = options.dead_letter_bytes_max;
    state.options.dead_letters_when_full = options.dead_letters_when_full;
    state.chunks.window().set_window(nanoseconds(options.repeat_window).count());
    state.shares.share_out();
    admit_letters(state, calls);
    admit_overflow(state, calls);
    admit_waiting(state, calls);
  });
}

StreamFigures SpoolCore::figures(std::string_view stream) const {
  const std::lock_guard lock(state_->mutex);
  StreamFigures figures;
  figures.bytes_max = state_->shares.share_of(stream);
  for (const auto& queue : state_->logs.all()) {
    if (queue->stream() != stream) continue;
    figures.bytes += queue->reservation.held();
    figures.pushing_back |= append_waits_for(*state_, *queue);
    figures.disk_failing |= queue->writes.retry_at.has_value();
    const int64_t oldest = queue->oldest_received_ns();
    if (oldest != 0 && (figures.oldest_received_ns == 0 || oldest < figures.oldest_received_ns)) {
      figures.oldest_received_ns = oldest;
    }
  }
  return figures;
}

uint64_t SpoolCore::bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->shares.bytes_held();
}

uint64_t SpoolCore::dead_letter_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->logs.dead_letters() ? state_->logs.dead_letters()->reservation.held() : 0;
}

uint64_t SpoolCore::dead_letter_count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->logs.dead_letters() ? state_->logs.dead_letters()->segments.entries_left() : 0;
}

std::optional<SteadyTime> SpoolCore::pushing_back_since() const {
  const std::lock_guard lock(state_->mutex);
  forget_cancelled(*state_);
  state_->note_pressure();
  const auto since = state_->health.pushing_back_since;
  const auto unsynced = state_->unsynced_since();
  return since && unsynced ? std::min(since, unsynced) : since ? since : unsynced;
}

SteadyTime SpoolCore::last_turn() const {
  return commit_queue_ && !state_->internals.manual ? commit_queue_->last_turn()
                                                    : state_->clock.steady();
}

std::string SpoolCore::last_error() const {
  const std::lock_guard lock(state_->mutex);
  return state_->health.last_error;
}

void SpoolCore::close() {
  SpoolState& state = *state_;
  bool was_closed = false;
  state.mutex.change([&](Calls& calls) {
    was_closed = std::exchange(state.closed, true);
    if (was_closed) return;
    close_waiting(state, calls);
  });
  if (was_closed) return;
  if (replay_) replay_->stop();
  if (reader_) reader_->stop();
  if (commit_queue_) {
    commit_queue_->stop();
    commit_queue_->drain();
  }
  state.mutex.change([&](Calls& calls) {
    state.chunks.close(calls);
    close_unstored(state, calls);
  });
}

void SpoolCore::abandon() {
  if (replay_) replay_->stop();
  if (reader_) reader_->stop();
  if (commit_queue_) commit_queue_->stop();
  const std::lock_guard lock(state_->mutex);
  state_->closed = true;
}

}  // namespace penstock::spool
