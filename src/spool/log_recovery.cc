#include "spool/log_recovery.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "spool/directory_recovery.h"
#include "spool/log_directory.h"
#include "spool/overflow_recovery.h"
#include "spool/set_aside.h"

namespace penstock::spool {

namespace {

std::unique_ptr<LogWriter> writer_of(SpoolState& state, AlignedBuffer& staging,
                                     LogWriter::Options options) {
  options.direct = state.internals.direct_io;
  options.make_salt = [&state] { return state.make_salt(); };
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
    queue.held_bytes = CheckpointFile::kFileBytes;
    if (auto done = recovery.load_books(); !done) return done;
    if (auto done = recovery.run(*listed); !done) return done;
  }
  queue.recovered_end = {recovery.next_number(), 0};
  queue.files = writer_after(recovery, state, staging, directory);
  return {};
}

// What is in this directory, opened. It belongs to the log that the description names.
IoResult<LogGroup> recover_logs(SpoolState& state, AlignedBuffer& staging,
                               const std::string& directory, const std::vector<std::string>& listed,
                               const LogDescription& description, uint64_t generation,
                               RecoveredChunks& chunks) {
  StreamOptions options;
  options.stream = description.stream;
  options.target = description.target;
  options.settings = description.settings;
  LogGroup logs = make_logs(state, options);
  StreamQueue& main = *logs.main;
  main.open = false;
  main.generation = generation;
  main.held_bytes = kLogFixedBytes;
  OverflowRecovery overflow;
  DirectoryRecovery recovery(state, directory, main, chunks, &overflow);
  if (auto done = recovery.load_books(); !done) return failure(done.error());
  // Before the main log, so that they can be asked about what it holds.
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    StreamQueue& queue = *logs.overflow[slot];
    queue.generation = generation;
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
      events += queue.lost_events;
      for (const auto& [number, segment] : queue.segments) events += segment.events_unread;
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

}  // namespace

LogGroup make_logs(SpoolState& state, const StreamOptions& options) {
  LogGroup logs;
  logs.main = std::make_unique<StreamQueue>(state, options);
  if (!state.on_disk()) return logs;
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    auto overflow = std::make_unique<StreamQueue>(state, options);
    overflow->open = false;
    overflow->main_queue = logs.main.get();
    logs.main->overflow_queues[slot] = overflow.get();
    logs.overflow[slot] = std::move(overflow);
  }
  return logs;
}

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

IoResult<std::unique_ptr<StreamQueue>> recover_dead_letters(SpoolState& state,
                                                            AlignedBuffer& staging,
                                                            const std::string& directory,
                                                            RecoveredChunks& chunks) {
  if (auto done = state.file_system.make_directory(directory); !done) {
    return failure(done.error());
  }
  (void)state.file_system.sync_directory(directory.substr(0, directory.find_last_of('/')));
  auto listed = state.file_system.list(directory);
  if (!listed) return failure(listed.error());
  auto queue = std::make_unique<StreamQueue>(state, StreamOptions{});
  queue->held_bytes = kBlockBytes;
  DirectoryRecovery recovery(state, directory, *queue, chunks, nullptr);
  if (auto done = recovery.load_books(); !done) return failure(done.error());
  if (auto done = recovery.run(*listed); !done) return failure(done.error());
  queue->files = writer_after(recovery, state, staging, directory);
  return queue;
}

IoResult<LogGroup> create_log(SpoolState& state, AlignedBuffer& staging,
                             const std::string& streams_path, const std::string& name,
                             const StreamOptions& options) {
  LogWriter::Options writing;
  writing.directory = streams_path + "/" + name;
  if (auto done = state.file_system.make_directory(writing.directory); !done) {
    return failure(done.error());
  }
  const LogDescription description{options.stream, options.target, options.settings};
  auto done = write_description(state.file_system, writing.directory, description);
  if (done) done = state.file_system.sync_directory(streams_path);
  if (!done) return failure(done.error());
  LogGroup logs = make_logs(state, options);
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    LogWriter::Options overflow;
    overflow.directory = overflow_path(writing.directory, slot);
    overflow.overflow = true;
    logs.overflow[slot]->files = writer_of(state, staging, std::move(overflow));
  }
  logs.main->files = writer_of(state, staging, std::move(writing));
  logs.main->held_bytes = kLogFixedBytes;
  return logs;
}

}  // namespace penstock::spool
