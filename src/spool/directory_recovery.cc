#include "spool/directory_recovery.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "spool/dead_letter.h"
#include "spool/segment_reader.h"
#include "spool/set_aside.h"

namespace penstock::spool {
namespace {

// What once was in it: whole or broken, final or not.
Tally stored_in(const RecoveredSegment& segment) {
  Tally stored;
  for (const IndexEntry& entry : segment.entries) stored += {1, entry.event_count};
  for (const LostEntry& entry : segment.lost) stored += {1, entry.events};
  return stored;
}

}  // namespace

IoResult<void> DirectoryRecovery::run(const std::vector<std::string>& listed) {
  FileSystem& files = state_.file_system;
  std::vector<uint64_t> numbers;
  for (const std::string& name : listed) {
    if (const auto number = parse_segment_name(name)) {
      numbers.push_back(*number);
    } else if (name.ends_with(".new")) {  // a half-written replacement
      (void)files.remove(directory_ + "/" + name);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  if (!numbers.empty()) next_number_ = std::max(next_number_, numbers.back() + 1);
  if (auto done = move_away_no_files(numbers); !done) return done;
  if (auto done = find_cuts(numbers); !done) return done;
  if (of_overflow()) {
    const auto found = find_break(files, directory_, numbers, cuts_);
    if (!found) return failure(found.error());
    break_ = *found;
  }
  // Newest first: what is remembered of chunks is bounded, and the newest count.
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    if (auto done = recover_one(*number); !done) return done;
  }
  number_entries();
  count_missing();
  if (std::find(listed.begin(), listed.end(), "spare.seg") != listed.end()) {
    if (auto done = look_at_spare(); !done) return done;
  }
  return files.sync_directory(directory_);
}

// nullopt: there is none, or none that can be used.
IoResult<std::optional<Checkpoint>> DirectoryRecovery::read_checkpoint() {
  // Only read: on a full disk nothing can be made, and a start must not fail for that.
  auto checkpoint = CheckpointFile::load(state_.file_system, directory_ + "/checkpoint");
  if (!checkpoint || !checkpoint->has_value()) return checkpoint;
  const auto& totals = (*checkpoint)->totals;
  if (totals && totals->log != log_id_ && log_id_ != 0) {
    log_error("a checkpoint of another log is not used: what is stored here is sent again",
              {{"file", directory_ + "/checkpoint"}});
    return std::nullopt;
  }
  missing_ = MissingEntries(totals);
  next_number_ = std::max(next_number_, missing_.newest_known() + 1);
  return checkpoint;
}

IoResult<void> DirectoryRecovery::find_checkpoint() {
  const auto checkpoint = read_checkpoint();
  if (!checkpoint) return failure(checkpoint.error());
  if (!checkpoint->has_value()) return {};
  queue_.recovered.set(**checkpoint);
  queue_.overflow_part.pending_from = queue_.recovered.pending_from();
  next_number_ = std::max(next_number_, queue_.recovered.read().segment + 1);
  return {};
}

IoResult<void> DirectoryRecovery::find_gone() {
  auto gone = GoneFile::load(state_.file_system, directory_);
  if (!gone) return failure(gone.error());
  if (const auto totals = read_checkpoint(); !totals) return failure(totals.error());
  queue_.letters.gone = std::move(*gone);
  // A number is not used again while it stands in that file.
  const auto& segments = queue_.letters.gone.by_segment();
  if (!segments.empty()) next_number_ = std::max(next_number_, segments.rbegin()->first + 1);
  return {};
}

// Links and directories with the name of a segment: nothing is read through them.
IoResult<void> DirectoryRecovery::move_away_no_files(std::vector<uint64_t>& numbers) {
  std::vector<uint64_t> files;
  for (const uint64_t number : numbers) {
    const auto file = state_.file_system.open(segment_path(directory_, number), {.write = true});
    if (file || (file.error().code != ELOOP && file.error().code != EISDIR)) {
      files.push_back(number);
      continue;
    }
    if (auto done = lay_aside(number, {}, "it is no file"); !done) return done;
  }
  numbers = std::move(files);
  return {};
}

IoResult<void> DirectoryRecovery::find_cuts(const std::vector<uint64_t>& numbers) {
  for (const uint64_t number : numbers) {
    auto file = state_.file_system.open(segment_path(directory_, number), {});
    if (!file) return failure(file.error());
    const auto reader = SegmentReader::open(std::move(*file), 2 * kBlockBytes);
    if (!reader) return failure(reader.error());
    const auto& header = reader->header();
    if (!header || header->number != number || is_foreign(*header)) continue;
    missing_.note_begun(number);
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

// Not all that ever was in the segment is known to be final.
bool DirectoryRecovery::may_hold_pending(uint64_t number) const {
  return !of_letters() && number >= queue_.recovered.pending_from().segment;
}

// How many events were in it the totals say; or else nobody knows: at least one.
IoResult<void> DirectoryRecovery::lay_aside(uint64_t number, const RecoveredSegment& segment,
                                            std::string_view why) {
  const auto aside = set_aside(state_.file_system, segment_path(directory_, number));
  if (!aside) return failure(aside.error());
  queue_.reservation.hold(segment.file_bytes);
  const bool is_known = of_letters() || missing_.covers(number) || !may_hold_pending(number);
  if (!is_known) missing_.add_unknown(1);
  log_error("a segment of the spool is moved away: " + std::string(why) +
                (is_known ? ""
                          : "; how many events were in it is not known, at least one is counted as"
                            " dropped"),
            {{"file", *aside}, {"bytes", segment.file_bytes}});
  return {};
}

void DirectoryRecovery::count_damage(uint64_t number, const RecoveredSegment& segment, bool cut) {
  const std::string path = segment_path(directory_, number);
  uint64_t events = 0;
  if (!of_letters()) {
    for (const LostEntry& entry : segment.lost) {
      const Position begin{number, static_cast<uint32_t>(entry.begin)};
      const Position end{number, static_cast<uint32_t>(entry.end)};
      events += queue_.recovered.events_lost(begin, end, entry.events);
    }
  }
  // The one being filled may be of any length after a crash in its birth; the others were whole.
  // Zeros where the next run would begin: there was none.
  const bool ends_in_entries =
      segment.torn_bytes > 0 ||
      segment.file_bytes < round_up(segment.entries_end, kBlockBytes) + sizeof(EntryHeader);
  const bool too_short = segment.state == RecoveredSegment::State::open && !cut &&
                         missing_.was_begun(number) && may_hold_pending(number) &&
                         ends_in_entries && segment.file_bytes < segment.header.file_bytes;
  if (too_short && events == 0 && !missing_.covers(number)) events = 1;
  // What was broken in a segment is part of what was stored in it, and missing by the totals.
  if (!missing_.is_known() || (too_short && !missing_.covers(number))) {
    missing_.add_unknown(events);
  }
  if (!segment.lost.empty() || too_short) {
    log_error(too_short ? "a segment of the spool is shorter than it was: events in it are lost"
                        : "damage in the spool: entries in it are lost",
              {{"file", path}, {"bytes", segment.damaged_bytes}, {"events_at_least", events}});
  } else if (segment.damaged_bytes > 0) {
    log_warn(
        "what was written last to the spool is broken: unless a disk did that to it, it was"
        " never acknowledged",
        {{"file", path}, {"bytes", segment.damaged_bytes}});
  }
  if (segment.torn_bytes > 0) {
    log_info("an unfinished entry was cut off", {{"file", path}, {"bytes", segment.torn_bytes}});
  }
}

IoResult<void> DirectoryRecovery::recover_one(uint64_t number) {
  using State = RecoveredSegment::State;
  const std::string path = segment_path(directory_, number);
  auto segment = recover_durably(state_.file_system, path, number);
  if (!segment) return failure(segment.error());
  if (segment->state == State::no_header) {
    return lay_aside(number, *segment, "it is damaged from its beginning");
  }
  if (is_foreign(segment->header)) return lay_aside(number, *segment, "it belongs to another log");
  bool cut = false;
  bool void_of_entries = false;  // a failed round closed it before it held anything
  for (const SegmentCut& end : cuts_) {
    if (end.segment != number) continue;
    void_of_entries |= end.end <= kBlockBytes;
    if (end.end >= segment->entries_end) continue;
    segment->entries_end = end.end;
    cut = true;
  }
  if (cut) cut_entries(*segment, segment->entries_end);
  // While it is being made there is none behind it, or one that says that this was given up.
  if (segment->state == State::unborn && missing_.was_begun(number) && !void_of_entries &&
      may_hold_pending(number)) {
    return lay_aside(number, *segment, "it is empty, or another segment lies in its place");
  }
  Tally forgotten;
  if (break_) {
    const std::string main = directory_.substr(0, directory_.rfind('/'));
    forgotten = forget_behind_break(state_.file_system, main, *queue_.overflow_part.main, *break_,
                                    number, *segment);
  }
  count_damage(number, *segment, cut);
  const auto tell = [&](const Tally& pending) {
    if (segment->state == State::unborn) return;
    const Tally stored = stored_in(*segment) + forgotten;
    missing_.found(segment->header, stored, of_letters() ? stored : pending + forgotten);
  };
  if (segment->entries.empty()) {
    tell({});
    return state_.file_system.remove(path);
  }
  if (segment->state == State::open || cut) {
    if (auto done = seal_recovered(state_.file_system, path, *segment); !done) return done;
  }
  tell(keep(number, *segment));
  return {};
}

Tally DirectoryRecovery::keep(uint64_t number, const RecoveredSegment& segment) {
  Tally pending;
  SegmentState books;
  books.file_bytes = segment.file_bytes;
  books.end = segment.entries_end;
  books.sealed = true;
  books.entries = static_cast<uint32_t>(segment.entries.size());
  books.first_received_ns = segment.entries.front().received_ns;
  queue_.reservation.hold(segment.file_bytes);
  if (queue_.is_overflow()) {
    overflow_->add(segment);
    queue_.overflow_part.recovered.buckets |= segment.buckets;
    for (const IndexOrigin& origin : segment.origins) {
      books.origin_max = std::max(books.origin_max, Position{origin.segment, origin.offset});
    }
  }
  for (auto entry = segment.entries.rbegin(); entry != segment.entries.rend(); ++entry) {
    const Position position{number, entry->offset};
    books.last_received_ns = std::max(books.last_received_ns, entry->received_ns);
    const bool is_final =
        of_letters() ? queue_.letters.gone.contains(position) : queue_.recovered.is_final(position);
    chunks_.add(*entry, is_final || of_letters());
    if (position < queue_.recovered.read()) {
      if (number == queue_.recovered.read().segment) ++entries_before_read_;
      if (!is_final) found_pending_.insert(position);
    }
    if (is_final) continue;
    pending += {1, entry->event_count};
    if (!of_letters() && !queue_.is_overflow()) overflow_->ask(position, *entry);
  }
  books.entries_left = static_cast<uint32_t>(pending.entries);
  books.events_unread = pending.events;
  queue_.segments.add_found(number, books);
  return pending;
}

void DirectoryRecovery::number_entries() {
  queue_.segments.number_found(missing_.stored(), missing_.newest_known());
  const uint64_t read_segment = queue_.recovered.read().segment;
  uint64_t read_number = 0;
  for (const auto& [number, segment] : queue_.segments.all()) {
    if (number > read_segment) break;
    read_number = segment.first_number +
                  (number == read_segment ? entries_before_read_ : uint64_t{segment.entries});
  }
  queue_.recovered.set_read_number(read_number);
  queue_.recovered.keep_pending(std::move(found_pending_));
}

// What the files should hold and do not.
void DirectoryRecovery::count_missing() {
  const Tally missing = missing_.missing();
  if (missing.entries > 0) {
    log_error("entries are missing in the spool: their files are gone, cut, or damaged",
              {{"directory", directory_},
               {"entries", missing.entries},
               {of_letters() ? "events_at_least" : "events", missing.events},
               {"no_file", missing_.missing_files(queue_.overflow_part.pending_from.segment)}});
  }
  // Said once: from the next checkpoint on the totals are those of what is there.
  const bool is_unknown = !missing_.is_known() && !queue_.segments.all().empty();
  if (of_letters()) {
    if (missing.entries > 0) {
      state_.note_error(std::to_string(missing.entries) + " dead letters are missing in " +
                        directory_ + "; see the log");
    }
    if (missing.entries > 0 || is_unknown) queue_.upkeep.totals_at = SteadyTime{};
    return;
  }
  const uint64_t lost = missing_.events_lost();
  queue_.recovered.add_lost(lost);
  queue_.upkeep.checkpoint_due = lost > 0 || is_unknown;
}

IoResult<void> DirectoryRecovery::look_at_spare() {
  auto file = state_.file_system.open(spare_path(directory_), {});
  if (!file) return failure(file.error());
  const auto size = (*file)->size();
  if (!size) return failure(size.error());
  spare_bytes_ = *size;
  queue_.reservation.add_spare(*size);
  return {};
}

}  // namespace penstock::spool
