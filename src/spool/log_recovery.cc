#include "spool/log_recovery.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "spool/directory_recovery.h"
#include "spool/log_directory.h"
#include "spool/overflow_recovery.h"
#include "spool/recovered_chunks.h"
#include "spool/set_aside.h"

namespace penstock::spool {
namespace {

// What a log takes besides its segments: two descriptions and the checkpoint.
constexpr uint64_t kLogFixedBytes = 2 * 4096 + CheckpointFile::kFileBytes;

LogGroup make_logs(SpoolState& state, const StreamOptions& options, uint64_t generation) {
  LogGroup logs;
  logs.main = std::make_unique<StreamQueue>(state, options);
  logs.main->use.generation = generation;
  if (!state.on_disk()) return logs;
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    auto overflow = std::make_unique<StreamQueue>(state, options);
    overflow->use.open = false;
    overflow->use.generation = generation;
    overflow->overflow_part.main = logs.main.get();
    logs.main->overflow_part.logs[slot] = overflow.get();
    logs.overflow[slot] = std::move(overflow);
  }
  return logs;
}

std::unique_ptr<LogWriter> writer_of(SpoolState& state, AlignedBuffer& staging,
                                     LogWriter::Options options) {
  options.direct = state.internals.direct_io;
  options.make_salt = [&state] { return state.salts.make(); };
  options.wall_ns = [&state] { return state.wall_ns(); };
  return std::make_unique<LogWriter>(state.file_system, staging, std::move(options));
}

std::unique_ptr<LogWriter> writer_after(const DirectoryRecovery& recovery, SpoolState& state,
                                        AlignedBuffer& staging, const std::string& directory) {
  LogWriter::Options writing;
  writing.directory = directory;
  writing.next_number = recovery.next_number();
  writing.cuts = recovery.cuts();
  writing.spare_bytes = recovery.spare_bytes();
  writing.stored = recovery.stored();
  writing.with_checkpoint = !recovery.of_letters();
  writing.overflow = recovery.of_overflow();
  return writer_of(state, staging, std::move(writing));
}

IoResult<void> recover_overflow(SpoolState& state, AlignedBuffer& staging,
                                const std::string& directory, StreamQueue& queue,
                                RecoveredChunks& chunks, OverflowRecovery& overflow) {
  DirectoryRecovery recovery(state, directory, queue, chunks, &overflow);
  auto listed = state.file_system.list(directory);
  if (!listed && listed.error().code != ENOENT) return failure(listed.error());
  if (listed) {
    queue.reservation.hold(CheckpointFile::kFileBytes);
    if (auto done = recovery.load_books(); !done) return done;
    if (auto done = recovery.run(*listed); !done) return done;
  }
  queue.overflow_part.recovered.end = {recovery.next_number(), 0};
  queue.files = writer_after(recovery, state, staging, directory);
  return {};
}

// What is in this directory, opened. It belongs to the log that the description names.
IoResult<LogGroup> recover_logs(SpoolState& state, AlignedBuffer& staging,
                                const std::string& directory,
                                const std::vector<std::string>& listed,
                                const LogDescription& description, uint64_t generation,
                                RecoveredChunks& chunks) {
  LogGroup logs =
      make_logs(state, {description.stream, description.target, description.settings}, generation);
  StreamQueue& main = *logs.main;
  main.use.open = false;
  main.reservation.hold(kLogFixedBytes);
  OverflowRecovery overflow;
  DirectoryRecovery recovery(state, directory, main, chunks, &overflow);
  if (auto done = recovery.load_books(); !done) return failure(done.error());
  // Before the main log, so that they can be asked about what it holds.
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    StreamQueue& queue = *logs.overflow[slot];
    const std::string path = overflow_path(directory, slot);
    auto done = recover_overflow(state, staging, path, queue, chunks, overflow);
    if (!done) return failure(done.error());
  }
  overflow.add_done();
  if (auto done = recovery.run(listed); !done) return failure(done.error());
  main.files = writer_after(recovery, state, staging, directory);
  if (auto done = overflow.resolve(state.file_system, directory, main, chunks); !done) {
    return failure(done.error());
  }
  return logs;
}

// Best effort: where the disk is full the next start has another try.
void mend_description(FileSystem& file_system, const std::string& directory,
                      const LogDescription& description) {
  if (has_both_descriptions(file_system, directory)) return;
  log_info("description of a log written again: one of its two copies was missing or damaged",
           {{"directory", directory}});
  (void)write_description(file_system, directory, description);
}

bool holds_segments(FileSystem& file_system, const std::string& directory,
                    const std::vector<std::string>& listed) {
  const auto is_kept = [](const std::string& name) {
    return parse_segment_name(name).has_value() || is_set_aside(name);
  };
  if (std::any_of(listed.begin(), listed.end(), is_kept)) return true;
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    const auto overflow = file_system.list(overflow_path(directory, slot));
    if (overflow && std::any_of(overflow->begin(), overflow->end(), is_kept)) return true;
  }
  return false;
}

// A log whose target nobody knows any more. Its events are counted as lost, and its chunks are not
// known as repeats: a sender that still has one may send it again.
IoResult<void> set_aside_log(SpoolState& state, AlignedBuffer& staging,
                             const std::string& directory, const std::vector<std::string>& listed,
                             const DirectoryName& name) {
  RecoveredChunks nobodys(0, 0, false);
  uint64_t events = 0;
  {
    auto logs = recover_logs(state, staging, directory, listed, {name.stream, "", ""},
                             name.generation, nobodys);
    if (!logs) return failure(logs.error());
    const auto count = [&](const StreamQueue& queue) {
      events += queue.recovered.lost_events() + queue.segments.events_unread();
    };
    count(*logs->main);
    for (const auto& overflow : logs->overflow) count(*overflow);
  }
  const auto path = set_aside(state.file_system, directory);
  if (!path) return failure(path.error());
  const record::Ledger::Admitted admitted{name.stream, events};
  state.ledger.receive("recovered", {&admitted, 1});
  state.ledger.drop(name.stream, "damaged", events);
  state.note_error("the target of what is stored in " + directory + " is unknown, because both " +
                   "copies of its description are damaged: " + std::to_string(events) +
                   " events of stream " + name.stream + " are set aside in " + *path);
  return {};
}

// Torn tails are cut, segments get their index, what is being read afterwards is on stable storage.
// All null: there was nothing in it, and it is gone now.
IoResult<LogGroup> recover_log(SpoolState& state, AlignedBuffer& staging,
                               const std::string& streams_path, const std::string& name,
                               RecoveredChunks& chunks) {
  const auto parsed = parse_directory_name(name);
  if (!parsed) return LogGroup{};  // not made by us, or moved away: left alone
  const std::string directory = streams_path + "/" + name;
  auto listed = state.file_system.list(directory);
  if (!listed && listed.error().code == ENOTDIR) {
    log_warn("a file in the spool is ignored: it has the name of a log's directory",
             {{"file", directory}});
    return LogGroup{};
  }
  if (!listed) return failure(listed.error());
  auto description = read_description(state.file_system, directory);
  if (!description) return failure(description.error());
  if (description->has_value()) {
    mend_description(state.file_system, directory, **description);
    return recover_logs(state, staging, directory, *listed, **description, parsed->generation,
                        chunks);
  }
  if (!holds_segments(state.file_system, directory, *listed)) {
    // Being made, or being removed, when the process stopped.
    for (const std::string& left : *listed) {
      (void)state.file_system.remove(directory + "/" + left);
    }
    for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
      (void)state.file_system.remove_directory(overflow_path(directory, slot));
    }
    (void)state.file_system.remove_directory(directory);
    return LogGroup{};
  }
  if (auto done = set_aside_log(state, staging, directory, *listed, *parsed); !done) {
    return failure(done.error());
  }
  return LogGroup{};
}

Result<SpoolDirectory, Error> recover_streams(SpoolState& state, AlignedBuffer& staging,
                                              RecoveredChunks& chunks) {
  const std::string& path = state.options.directory;
  // Together with its blocks' overhead at most a sixteenth of the spool.
  const uint64_t repeats_max =
      std::min<uint64_t>(state.options.repeats_max, state.options.bytes_max / 16 / 41);
  auto directory = SpoolDirectory::open(state.file_system, path, repeats_max);
  if (!directory) return failure(directory.error());
  state.shares.set_fixed_bytes(directory->repeat_log().file_bytes() + 2 * kBlockBytes);

  const auto unreadable = [&](const IoError& error) {
    return run_error("cannot recover the spool " + path + ": " + error.text() +
                     "; see the log, check the disk and that this user may write there");
  };
  // A process that was killed may have made logs here without getting so far as this.
  if (auto done = state.file_system.sync_directory(directory->streams_path()); !done) {
    return unreadable(done.error());
  }
  auto names = state.file_system.list(directory->streams_path());
  if (!names) return unreadable(names.error());
  std::vector<LogGroup> found;
  for (const std::string& name : *names) {
    auto logs = recover_log(state, staging, directory->streams_path(), name, chunks);
    if (!logs) return unreadable(logs.error());
    if (logs->main) found.push_back(std::move(*logs));
  }
  for (const RepeatRecord& record : directory->repeat_log().take_found()) chunks.add(record);
  const auto place = [](const LogGroup& logs) {
    return std::pair(logs.main->stream(), logs.main->use.generation);
  };
  std::stable_sort(found.begin(), found.end(), [&](const LogGroup& one, const LogGroup& other) {
    return place(one) < place(other);
  });
  for (LogGroup& logs : found) state.logs.add(std::move(logs));
  return directory;
}

// The log of dead letters, made if there is none. Returns their lock; null where they lie in the
// spool's directory.
Result<std::unique_ptr<File>, Error> recover_letters(SpoolState& state, AlignedBuffer& staging,
                                                     RecoveredChunks& chunks) {
  const std::string& path = state.options.dead_letter_directory;
  const auto cannot = [&](const IoError& error) {
    return run_error("cannot open the dead letters in " + path + ": " + error.text() +
                     "; make room, or let this user write there");
  };
  if (auto done = state.file_system.make_directory(path); !done) return cannot(done.error());
  std::unique_ptr<File> own_lock;
  if (!path.starts_with(state.options.directory + "/") || !state.on_disk()) {
    auto lock = state.file_system.lock(path + "/lock");
    if (!lock && lock.error().code == EWOULDBLOCK) {
      return run_error("the dead letters " + path +
                       " are in use by another process: stop it, or use another directory");
    }
    if (!lock) return cannot(lock.error());
    own_lock = std::move(*lock);
  }
  (void)state.file_system.sync_directory(path.substr(0, path.find_last_of('/')));
  const auto listed = state.file_system.list(path);
  if (!listed) return cannot(listed.error());
  auto queue = std::make_unique<StreamQueue>(state, StreamOptions{});
  queue->reservation.hold(kBlockBytes);
  DirectoryRecovery recovery(state, path, *queue, chunks, nullptr);
  auto done = recovery.load_books();
  if (done) done = recovery.run(*listed);
  if (!done) return cannot(done.error());
  queue->files = writer_after(recovery, state, staging, path);
  state.logs.set_dead_letters(std::move(queue));
  return own_lock;
}

}  // namespace

Result<RecoveredSpool, Error> recover_spool(SpoolState& state, AlignedBuffer& staging) {
  RecoveredSpool spool;
  const int64_t window_begin = state.wall_ns() - nanoseconds(state.options.repeat_window).count();
  RecoveredChunks chunks(state.options.repeats_max, window_begin,
                         state.options.ack == AckMode::delivered);
  if (state.on_disk()) {
    auto directory = recover_streams(state, staging, chunks);
    if (!directory) return failure(directory.error());
    spool.directory = std::move(*directory);
  }
  if (!state.options.dead_letter_directory.empty()) {
    auto lock = recover_letters(state, staging, chunks);
    if (!lock) return failure(lock.error());
    spool.letters_lock = std::move(*lock);
  }
  chunks.settle(state.chunks, state.wall_ns());
  for (const auto& queue : state.logs.all()) {
    const uint64_t lost = queue->recovered.lost_events();
    const uint64_t events = lost + queue->segments.events_unread();
    if (events == 0) continue;
    const record::Ledger::Admitted admitted{queue->stream(), events};
    state.ledger.receive("recovered", {&admitted, 1});
    if (lost > 0) {
      state.ledger.drop(queue->stream(), "damaged", lost);
      state.note_error("damage in the spool: at least " + std::to_string(lost) +
                       " events of stream " + queue->stream() + " are lost; see the log");
    }
    log_info("backlog found in the spool", {{"stream", queue->stream()},
                                            {"events", events - lost},
                                            {"bytes", queue->reservation.held()}});
  }
  state.shares.share_out();
  return spool;
}

IoResult<LogGroup> create_log(SpoolState& state, AlignedBuffer& staging,
                              const std::string& streams_path, const StreamOptions& options,
                              uint64_t generation) {
  LogGroup logs = make_logs(state, options, generation);
  if (!state.on_disk()) return logs;
  LogWriter::Options writing;
  writing.directory = streams_path + "/" + directory_name(options.stream, generation);
  if (auto done = state.file_system.make_directory(writing.directory); !done) {
    return failure(done.error());
  }
  const LogDescription description{options.stream, options.target, options.settings};
  auto done = write_description(state.file_system, writing.directory, description);
  if (done) done = state.file_system.sync_directory(streams_path);
  if (!done) return failure(done.error());
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    LogWriter::Options overflow;
    overflow.directory = overflow_path(writing.directory, slot);
    overflow.overflow = true;
    logs.overflow[slot]->files = writer_of(state, staging, std::move(overflow));
  }
  logs.main->files = writer_of(state, staging, std::move(writing));
  logs.main->reservation.hold(kLogFixedBytes);
  return logs;
}

}  // namespace penstock::spool
