#include "spool/log_recovery.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "spool/dead_letter.h"
#include "spool/log_directory.h"
#include "spool/overflow_recovery.h"
#include "spool/segment_recovery.h"
#include "spool/set_aside.h"

namespace penstock::spool {

RecoveredChunks::Found* RecoveredChunks::find(const Hash128& key, int64_t received_ns) {
  if (received_ns <= window_begin_ns_) return nullptr;
  const auto known = found_.find(key);
  if (known != found_.end()) return &known->second;
  if (found_.size() >= count_max_) return nullptr;
  Found& found = found_[key];
  found.received_ns = received_ns;
  return &found;
}

void RecoveredChunks::add(const IndexEntry& entry, bool final) {
  if ((entry.flags & kFingerprint) == 0) return;
  Found* found = find(entry.key, entry.received_ns);
  if (found == nullptr) return;
  found->parts.push_back(entry.part_key);
  found->part_count = entry.part_count;
  const bool tracked = until_released_ || (entry.flags & kReplayed) != 0;
  if (!final && tracked) ++found->unreleased;
}

void RecoveredChunks::take_back(const IndexEntry& entry) {
  const auto found = found_.find(entry.key);
  if ((entry.flags & kFingerprint) == 0 || found == found_.end()) return;
  if (found->second.unreleased > 0) --found->second.unreleased;
}

void RecoveredChunks::add(const RepeatRecord& record) {
  Found* found = find(record.fingerprint, record.received_ns);
  if (found == nullptr) return;
  found->parts.push_back(record.part_key);
  found->part_count = record.part_count;
  found->complete |= record.complete;
}

void RecoveredChunks::settle(ChunkTable& chunks) {
  std::vector<std::pair<int64_t, Hash128>> safe;
  for (auto& [key, found] : found_) {
    auto& parts = found.parts;
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    const bool complete = found.complete || parts.size() >= found.part_count;
    if (complete && found.unreleased == 0) {
      safe.emplace_back(found.received_ns, key);
    } else {
      chunks.recover(key, found.received_ns, std::move(parts), complete, found.unreleased);
    }
  }
  found_.clear();
  std::sort(safe.begin(), safe.end());
  for (const auto& [received_ns, key] : safe) chunks.window().remember(key, received_ns);
}

namespace {

// What the names in a log's directory say.
struct LogNames {
  std::vector<uint64_t> segments;  // in order
  bool spare = false;
  std::vector<std::string> leftovers;  // half-written replacements
};

LogNames sort_names(const std::vector<std::string>& names) {
  LogNames sorted;
  for (const std::string& name : names) {
    if (const auto number = parse_segment_name(name)) {
      sorted.segments.push_back(*number);
    } else if (name == "spare.seg") {
      sorted.spare = true;
    } else if (name.ends_with(".new")) {
      sorted.leftovers.push_back(name);
    }
  }
  std::sort(sorted.segments.begin(), sorted.segments.end());
  return sorted;
}

class LogRecovery {
 public:
  // overflow: null for dead letters.
  LogRecovery(SpoolState& state, std::string directory, StreamQueue& queue, RecoveredChunks& chunks,
              OverflowRecovery* overflow)
      : state_(state),
        directory_(std::move(directory)),
        queue_(queue),
        chunks_(chunks),
        overflow_(overflow),
        of_letters_(overflow == nullptr) {}

  IoResult<void> run(const LogNames& names);
  [[nodiscard]] const std::vector<SegmentCut>& cuts() const { return cuts_; }
  [[nodiscard]] uint64_t next_number() const { return next_number_; }
  [[nodiscard]] uint64_t spare_bytes() const { return spare_bytes_; }
  [[nodiscard]] bool of_letters() const { return of_letters_; }
  [[nodiscard]] bool of_overflow() const { return queue_.is_overflow(); }

 private:
  IoResult<void> find_checkpoint();
  IoResult<void> find_gone();
  IoResult<void> find_cuts(const std::vector<uint64_t>& numbers);
  IoResult<RecoveredSegment> read_durable(const std::string& path, uint64_t number);
  IoResult<void> recover_one(uint64_t number);
  IoResult<void> keep(uint64_t number, RecoveredSegment& segment);
  IoResult<void> look_at_spare();

  SpoolState& state_;
  const std::string directory_;
  StreamQueue& queue_;
  RecoveredChunks& chunks_;
  OverflowRecovery* const overflow_;
  const bool of_letters_;
  std::vector<SegmentCut> cuts_;
  uint64_t next_number_ = 1;
  uint64_t spare_bytes_ = 0;
};

IoResult<void> LogRecovery::run(const LogNames& names) {
  FileSystem& files = state_.file_system;
  for (const std::string& name : names.leftovers) (void)files.remove(directory_ + "/" + name);
  auto found = of_letters_ ? find_gone() : find_checkpoint();
  if (!found) return found;
  if (!names.segments.empty()) next_number_ = std::max(next_number_, names.segments.back() + 1);
  if (auto done = find_cuts(names.segments); !done) return done;
  // Newest first: what is remembered of chunks is bounded, and the newest count.
  for (auto number = names.segments.rbegin(); number != names.segments.rend(); ++number) {
    if (auto done = recover_one(*number); !done) return done;
  }
  for (auto& [number, segment] : queue_.segments) {
    segment.first_number = queue_.synced_count;
    queue_.synced_count += segment.entries;
  }
  if (names.spare) {
    if (auto done = look_at_spare(); !done) return done;
  }
  return files.sync_directory(directory_);
}

IoResult<void> LogRecovery::find_checkpoint() {
  // Only read: on a full disk nothing can be made, and a start must not fail for that.
  const auto file = state_.file_system.open(directory_ + "/checkpoint", {});
  if (!file) {
    if (file.error().code == ENOENT) return {};
    return failure(file.error());
  }
  const auto checkpoint = CheckpointFile::load(**file);
  if (!checkpoint) return failure(checkpoint.error());
  if (!checkpoint->has_value()) return {};
  queue_.recovered_read = (*checkpoint)->read;
  for (const PendingEntry& entry : (*checkpoint)->pending) {
    queue_.recovered_pending[entry.position] = entry.events_final;
  }
  queue_.pending_from = queue_.recovered_pending.empty() ? queue_.recovered_read
                                                         : queue_.recovered_pending.begin()->first;
  next_number_ = queue_.recovered_read.segment + 1;
  return {};
}

IoResult<void> LogRecovery::find_gone() {
  auto gone = GoneFile::load(state_.file_system, directory_);
  if (!gone) return failure(gone.error());
  queue_.gone_letters = std::move(*gone);
  // A number is not used again while it stands in that file.
  const auto& segments = queue_.gone_letters.by_segment();
  if (!segments.empty()) next_number_ = segments.rbegin()->first + 1;
  return {};
}

IoResult<void> LogRecovery::find_cuts(const std::vector<uint64_t>& numbers) {
  for (const uint64_t number : numbers) {
    auto file = state_.file_system.open(segment_path(directory_, number), {});
    if (!file) return failure(file.error());
    const auto reader = SegmentReader::open(std::move(*file), 2 * kBlockBytes);
    if (!reader) return failure(reader.error());
    const auto& header = reader->header();
    if (!header || header->number != number) continue;
    for (uint32_t i = 0; i < header->cut_count; ++i) {
      const SegmentCut& cut = header->cuts[i];
      if (!std::binary_search(numbers.begin(), numbers.end(), cut.segment)) continue;
      const bool known = std::any_of(cuts_.begin(), cuts_.end(), [&](const SegmentCut& other) {
        return other.segment == cut.segment && other.end == cut.end;
      });
      if (!known) cuts_.push_back(cut);
    }
  }
  return {};
}

// What is believed at a start may be in the page cache only: the process died, the machine did not.
// So it is synced first; and what was being written is looked at as the disk has it.
IoResult<RecoveredSegment> LogRecovery::read_durable(const std::string& path, uint64_t number) {
  for (const bool again : {false, true}) {
    auto file = state_.file_system.open(path, {.write = true});
    if (!file) return failure(file.error());
    if (auto done = (*file)->sync(); !done) return failure(done.error());
    if (again) (*file)->drop_cache();
    auto segment = recover_segment(std::move(*file), number);
    if (!segment || again || segment->state == RecoveredSegment::State::sealed) return segment;
  }
  return failure(IoError{EIO});  // not reached
}

IoResult<void> LogRecovery::recover_one(uint64_t number) {
  using State = RecoveredSegment::State;
  const std::string path = segment_path(directory_, number);
  auto segment = read_durable(path, number);
  if (!segment) return failure(segment.error());
  if (segment->state == State::no_header) {
    queue_.held_bytes += segment->file_bytes;
    const auto aside = set_aside(state_.file_system, path);
    if (!aside) return failure(aside.error());
    log_error("a file of the spool is damaged from its beginning; it is set aside",
              {{"file", *aside}, {"bytes", segment->file_bytes}});
    return {};
  }
  bool cut = false;
  for (const SegmentCut& end : cuts_) {
    if (end.segment != number || end.end >= segment->entries_end) continue;
    segment->entries_end = end.end;
    cut = true;
  }
  cut_entries(*segment, segment->entries_end);
  if (segment->damaged_bytes > 0) {
    log_error("damage in the spool: entries in it are lost",
              {{"file", path}, {"bytes", segment->damaged_bytes}});
  }
  if (segment->torn_bytes > 0) {
    log_info("an unfinished entry was cut off", {{"file", path}, {"bytes", segment->torn_bytes}});
  }
  if (segment->entries.empty()) return state_.file_system.remove(path);
  if (segment->state == State::open || cut) {
    if (auto done = seal_recovered(state_.file_system, path, *segment); !done) return done;
  }
  return keep(number, *segment);
}

IoResult<void> LogRecovery::keep(uint64_t number, RecoveredSegment& segment) {
  SegmentState& books = queue_.segments[number];
  books.file_bytes = segment.file_bytes;
  books.end = segment.entries_end;
  books.sealed = true;
  books.entries = static_cast<uint32_t>(segment.entries.size());
  books.first_received_ns = segment.entries.front().received_ns;
  queue_.held_bytes += segment.file_bytes;
  if (queue_.is_overflow()) {
    overflow_->add(segment);
    queue_.recovered_buckets |= segment.buckets;
    for (const IndexOrigin& origin : segment.origins) {
      books.origin_max = std::max(books.origin_max, Position{origin.segment, origin.offset});
    }
  }
  for (auto entry = segment.entries.rbegin(); entry != segment.entries.rend(); ++entry) {
    const Position position{number, entry->offset};
    books.last_received_ns = std::max(books.last_received_ns, entry->received_ns);
    uint32_t events_final = 0;
    bool final = of_letters_ && queue_.gone_letters.contains(position);
    if (position < queue_.recovered_read) {
      const auto pending = queue_.recovered_pending.find(position);
      final = pending == queue_.recovered_pending.end();
      if (!final) events_final = std::min(pending->second, entry->event_count);
    }
    chunks_.add(*entry, final || of_letters_);
    if (final) continue;
    ++books.entries_left;
    books.events_unread += entry->event_count - events_final;
    if (!of_letters_ && !queue_.is_overflow()) overflow_->ask(position, *entry, events_final);
  }
  return {};
}

IoResult<void> LogRecovery::look_at_spare() {
  auto file = state_.file_system.open(spare_path(directory_), {});
  if (!file) return failure(file.error());
  const auto size = (*file)->size();
  if (!size) return failure(size.error());
  spare_bytes_ = *size;
  queue_.held_bytes += *size;
  queue_.spare_bytes = *size;
  return {};
}

std::unique_ptr<LogWriter> writer_of(SpoolState& state, AlignedBuffer& staging,
                                     LogWriter::Options options) {
  options.direct = state.internals.direct_io;
  options.make_salt = [&state] { return state.make_salt(); };
  options.wall_ns = [&state] { return state.wall_ns(); };
  return std::make_unique<LogWriter>(state.file_system, staging, std::move(options));
}

std::unique_ptr<LogWriter> writer_after(const LogRecovery& recovery, SpoolState& state,
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

// The segments that belong to no log any more are no loss: they are left to the next start.
IoResult<void> recover_overflow(SpoolState& state, AlignedBuffer& staging,
                                const std::string& directory, StreamQueue& queue,
                                RecoveredChunks& chunks, OverflowRecovery& overflow) {
  LogRecovery recovery(state, directory, queue, chunks, &overflow);
  auto listed = state.file_system.list(directory);
  if (!listed && listed.error().code != ENOENT) return failure(listed.error());
  if (listed) {
    queue.held_bytes = CheckpointFile::kFileBytes;
    if (auto done = recovery.run(sort_names(*listed)); !done) return done;
  }
  queue.recovered_end = {recovery.next_number(), 0};
  queue.files = writer_after(recovery, state, staging, directory);
  overflow.add_done();
  return {};
}

// What is in this directory, opened. It belongs to the log that the description names.
IoResult<LogPair> recover_pair(SpoolState& state, AlignedBuffer& staging,
                               const std::string& directory, const std::vector<std::string>& listed,
                               const LogDescription& description, uint64_t generation,
                               RecoveredChunks& chunks) {
  StreamOptions options;
  options.stream = description.stream;
  options.target = description.target;
  options.settings = description.settings;
  LogPair logs = make_pair_of_logs(state, options);
  StreamQueue& main = *logs.main;
  main.open = false;
  main.generation = logs.overflow->generation = generation;
  main.held_bytes = kLogFixedBytes;
  OverflowRecovery overflow;
  // First, so that it can be asked about what the main log holds.
  if (auto done = recover_overflow(state, staging, overflow_path(directory), *logs.overflow, chunks,
                                   overflow);
      !done) {
    return failure(done.error());
  }
  LogRecovery recovery(state, directory, main, chunks, &overflow);
  if (auto done = recovery.run(sort_names(listed)); !done) return failure(done.error());
  main.files = writer_after(recovery, state, staging, directory);
  if (auto done = overflow.resolve(state.file_system, overflow_path(directory), main,
                                   *logs.overflow, chunks);
      !done) {
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
  const auto overflow = file_system.list(overflow_path(directory));
  return overflow && std::any_of(overflow->begin(), overflow->end(), is_kept);
}

// A log whose target nobody knows any more. Its events are counted as lost, and its chunks are not
// known as repeats: a sender that still has one may send it again.
IoResult<void> set_aside_log(SpoolState& state, AlignedBuffer& staging,
                             const std::string& directory, const std::vector<std::string>& listed,
                             const DirectoryName& name) {
  RecoveredChunks nobodys(0, 0, false);
  uint64_t events = 0;
  {
    auto logs = recover_pair(state, staging, directory, listed, {name.stream, "", ""},
                             name.generation, nobodys);
    if (!logs) return failure(logs.error());
    for (const auto& queue : {logs->main.get(), logs->overflow.get()}) {
      for (const auto& [number, segment] : queue->segments) events += segment.events_unread;
    }
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

LogPair make_pair_of_logs(SpoolState& state, const StreamOptions& options) {
  LogPair logs;
  logs.main = std::make_unique<StreamQueue>(state, options);
  if (!state.on_disk()) return logs;
  logs.overflow = std::make_unique<StreamQueue>(state, options);
  logs.overflow->open = false;
  logs.overflow->main_queue = logs.main.get();
  logs.main->overflow_queue = logs.overflow.get();
  return logs;
}

IoResult<LogPair> recover_log(SpoolState& state, AlignedBuffer& staging,
                              const std::string& streams_path, const std::string& name,
                              RecoveredChunks& chunks) {
  const auto parsed = parse_directory_name(name);
  if (!parsed) return LogPair{};  // not made by us, or set aside: left alone
  const std::string directory = streams_path + "/" + name;
  auto listed = state.file_system.list(directory);
  if (!listed) return failure(listed.error());
  auto description = read_description(state.file_system, directory);
  if (!description) return failure(description.error());
  if (description->has_value()) {
    mend_description(state.file_system, directory, **description);
    return recover_pair(state, staging, directory, *listed, **description, parsed->generation,
                        chunks);
  }
  if (!holds_segments(state.file_system, directory, *listed)) {
    // Being made, or being removed, when the process stopped.
    for (const std::string& left : *listed) {
      (void)state.file_system.remove(directory + "/" + left);
    }
    (void)state.file_system.remove_directory(overflow_path(directory));
    (void)state.file_system.remove_directory(directory);
    return LogPair{};
  }
  if (auto done = set_aside_log(state, staging, directory, *listed, *parsed); !done) {
    return failure(done.error());
  }
  return LogPair{};
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
  LogRecovery recovery(state, directory, *queue, chunks, nullptr);
  if (auto done = recovery.run(sort_names(*listed)); !done) return failure(done.error());
  queue->files = writer_after(recovery, state, staging, directory);
  return queue;
}

IoResult<LogPair> create_log(SpoolState& state, AlignedBuffer& staging,
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
  LogPair logs = make_pair_of_logs(state, options);
  LogWriter::Options overflow;
  overflow.directory = overflow_path(writing.directory);
  overflow.overflow = true;
  logs.main->files = writer_of(state, staging, std::move(writing));
  logs.main->held_bytes = kLogFixedBytes;
  logs.overflow->files = writer_of(state, staging, std::move(overflow));
  return logs;
}

}  // namespace penstock::spool
