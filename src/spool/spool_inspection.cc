#include "spool/spool_inspection.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "spool/checkpoint.h"
#include "spool/dead_letter.h"
#include "spool/missing_entries.h"
#include "spool/recovered_entries.h"
#include "spool/segment_recovery.h"
#include "spool/set_aside.h"

namespace penstock::spool {
namespace {

auto cannot_read(const std::string& path, const IoError& error) {
  return run_error("cannot read " + path + ": " + error.text() +
                   "; give the spool's directory, as a user who may read it");
}

// What is final of a log, by its checkpoint or by the letters that are gone.
class Finality {
 public:
  static IoResult<Finality> of(FileSystem& file_system, const std::string& directory) {
    Finality finality;
    auto gone = GoneFile::load(file_system, directory);
    if (!gone) return failure(gone.error());
    finality.gone_ = std::move(*gone);
    const auto checkpoint = CheckpointFile::load(file_system, directory + "/checkpoint");
    if (!checkpoint) return failure(checkpoint.error());
    if (!checkpoint->has_value()) return finality;
    finality.recovered_.set(**checkpoint);
    finality.totals_ = (*checkpoint)->totals;
    finality.sequence_ = (*checkpoint)->sequence;
    return finality;
  }

  [[nodiscard]] bool is_final(Position position) const {
    return gone_.contains(position) || recovered_.is_final(position);
  }
  [[nodiscard]] const std::optional<LogTotals>& totals() const { return totals_; }
  [[nodiscard]] uint64_t sequence() const { return sequence_; }
  [[nodiscard]] uint64_t first_segment() const { return recovered_.pending_from().segment; }

 private:
  std::optional<LogTotals> totals_;
  uint64_t sequence_ = 0;
  RecoveredEntries recovered_;
  GoneLetters gone_;
};

IoResult<RecoveredSegment> look_at(FileSystem& file_system, const std::string& path,
                                   uint64_t number, InspectOptions options) {
  auto file = file_system.open(path, {});
  if (!file) return failure(file.error());
  return recover_segment(std::move(*file), number,
                         options.every_payload ? Verify::every_payload : Verify::what_is_unsure);
}

// nullopt: it is no segment (any more).
IoResult<std::optional<InspectedSegment>> inspect_segment(FileSystem& file_system,
                                                          const std::string& directory,
                                                          uint64_t number, InspectOptions options,
                                                          const Finality& finality) {
  const std::string path = segment_path(directory, number);
  auto found = look_at(file_system, path, number, options);
  // It may have been released and used again while it was being read: then a second look finds
  // another file, or none.
  if (found && found->damaged_bytes > 0) found = look_at(file_system, path, number, options);
  if (!found) {
    if (found.error().code == ENOENT) return std::nullopt;
    return failure(found.error());
  }
  InspectedSegment segment;
  segment.number = number;
  segment.path = path;
  segment.sealed = found->state == RecoveredSegment::State::sealed;
  segment.file_bytes = found->file_bytes;
  segment.torn_bytes = found->torn_bytes;
  segment.damaged_bytes = found->damaged_bytes;
  if (found->state != RecoveredSegment::State::unborn) segment.header = found->header;
  for (const LostEntry& lost : found->lost) segment.broken += {1, lost.events};
  for (const IndexEntry& entry : found->entries) {
    ++segment.entries;
    segment.events += entry.event_count;
    if (finality.is_final({number, entry.offset})) continue;
    ++segment.entries_pending;
    segment.events_pending += entry.event_count;
  }
  return segment;
}

// Only of what stayed the same while it was looked at: segments are removed after a checkpoint.
InspectedGap missing_in(FileSystem& file_system, const InspectedLog& log,
                        const Finality& finality) {
  const auto since = Finality::of(file_system, log.directory);
  if (!finality.totals() || !since || since->sequence() != finality.sequence()) return {};
  MissingEntries entries(finality.totals());
  const bool of_letters = finality.totals()->log == log_id(log.directory, true);
  for (auto segment = log.segments.rbegin(); segment != log.segments.rend(); ++segment) {
    if (!segment->header) continue;
    const Tally stored = Tally{segment->entries, segment->events} + segment->broken;
    const Tally pending{segment->entries_pending, segment->events_pending};
    entries.found(*segment->header, stored, of_letters ? stored : pending);
  }
  const Tally missing = entries.missing();
  if (missing.entries == 0) return {};
  return {missing.entries, missing.events, entries.missing_files(finality.first_segment())};
}

Result<InspectedLog, Error> inspect_log(FileSystem& file_system, const std::string& directory,
                                        const InspectOptions& options) {
  InspectedLog log;
  log.directory = directory;
  auto names = file_system.list(directory);
  if (!names) return cannot_read(directory, names.error());
  const auto finality = Finality::of(file_system, directory);
  if (!finality) return cannot_read(directory, finality.error());
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    if (is_set_aside(name)) ++log.set_aside;
    if (const auto number = parse_segment_name(name)) {
      auto segment = inspect_segment(file_system, directory, *number, options, *finality);
      if (!segment) {
        if (!options.unreadable) return cannot_read(path, segment.error());
        options.unreadable("cannot read " + path + ": " + segment.error().text());
        continue;
      }
      if (segment->has_value()) log.segments.push_back(std::move(**segment));
    }
    if (is_overflow_name(name)) continue;
    const auto file = file_system.open(path, {});
    const auto size = file ? (*file)->size() : IoResult<uint64_t>(0);
    log.file_bytes += size.value_or(0);
  }
  log.missing = missing_in(file_system, log, *finality);
  return log;
}

}  // namespace

Result<std::vector<InspectedLog>, Error> inspect_spool(FileSystem& file_system,
                                                       const std::string& directory,
                                                       InspectOptions options) {
  const std::string streams = directory + "/streams";
  auto names = file_system.list(streams);
  if (!names) return cannot_read(streams, names.error());
  std::sort(names->begin(), names->end());
  std::vector<InspectedLog> logs;
  for (const std::string& name : *names) {
    const auto parsed = parse_directory_name(name);
    if (!parsed) continue;
    auto log = inspect_log(file_system, streams + "/" + name, options);
    if (!log && options.unreadable) {
      options.unreadable("cannot read " + streams + "/" + name + ": it is not a log");
      continue;
    }
    if (!log) return failure(log.error());
    auto description = read_description(file_system, log->directory);
    log->description.stream = parsed->stream;
    if (description && description->has_value()) log->description = std::move(**description);
    log->generation = parsed->generation;
    for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
      const std::string overflow_directory = overflow_path(log->directory, slot);
      if (!file_system.list(overflow_directory)) continue;
      auto overflow = inspect_log(file_system, overflow_directory, options);
      if (!overflow) return failure(overflow.error());
      overflow->description = log->description;
      overflow->generation = log->generation;
      overflow->overflow = true;
      if (!overflow->segments.empty()) logs.push_back(std::move(*overflow));
    }
    logs.push_back(std::move(*log));
  }
  return logs;
}

Result<InspectedLog, Error> inspect_dead_letters(FileSystem& file_system,
                                                 const std::string& directory,
                                                 InspectOptions options) {
  const std::string letters = dead_letter_directory_in(file_system, directory);
  if (letters == directory) {
    const auto names = file_system.list(directory);
    if (!names) return cannot_read(directory, names.error());
    const bool is_log = std::any_of(names->begin(), names->end(), [](const std::string& name) {
      return name == "description" || parse_segment_name(name).has_value();
    });
    if (!is_log) {
      return run_error("no dead letters are kept in " + directory +
                       "; give spool.directory, or dead_letters.directory where that is set");
    }
  }
  return inspect_log(file_system, letters, options);
}

Result<void, Error> visit_entries(FileSystem& file_system, const InspectedLog& log,
                                  const std::function<bool(const InspectedEntry&)>& visit,
                                  const InspectionProblem& damaged) {
  const auto finality = Finality::of(file_system, log.directory);
  if (!finality) return cannot_read(log.directory, finality.error());
  for (const InspectedSegment& segment : log.segments) {
    auto file = file_system.open(segment.path, {});
    if (!file && file.error().code == ENOENT) continue;  // released meanwhile
    if (!file) return cannot_read(segment.path, file.error());
    auto reader = SegmentReader::open(std::move(*file));
    if (!reader) return cannot_read(segment.path, reader.error());
    if (!reader->header() || reader->header()->number != segment.number) continue;
    for (;;) {
      auto stored = reader->next();
      if (!stored) return cannot_read(segment.path, stored.error());
      if (!stored->has_value()) {
        if (damaged && !reader->bad_ranges().empty()) {
          damaged("damaged entries in " + segment.path + " are not shown");
        }
        break;
      }
      auto payload = reader->read_payload();
      if (!payload) return cannot_read(segment.path, payload.error());
      if (!payload->has_value()) {
        if (damaged) {
          damaged("the entry at " + std::to_string((*stored)->offset) + " of " + segment.path +
                  " is damaged and not shown (" + std::to_string((*stored)->header.event_count) +
                  " events)");
        }
        continue;
      }
      InspectedEntry entry;
      entry.stored = &**stored;
      entry.final = finality->is_final({segment.number, (*stored)->offset});
      entry.batch = batch_of(**stored, std::move(**payload));
      if (!visit(entry)) return {};
    }
  }
  return {};
}

}  // namespace penstock::spool
