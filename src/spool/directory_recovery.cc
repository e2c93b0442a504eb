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

}  // namespace

IoResult<void> DirectoryRecovery::run(const std::vector<std::string>& listed) {
  LogNames names = sort_names(listed);
  FileSystem& files = state_.file_system;
  for (const std::string& name : names.leftovers) (void)files.remove(directory_ + "/" + name);
  if (!names.segments.empty()) next_number_ = std::max(next_number_, names.segments.back() + 1);
  if (auto done = move_away_no_files(names.segments); !done) return done;
  if (auto done = find_cuts(names.segments); !done) return done;
  if (of_overflow()) {
    if (auto done = find_break(names.segments); !done) return done;
  }
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

IoResult<void> DirectoryRecovery::find_checkpoint() {
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

IoResult<void> DirectoryRecovery::find_gone() {
  auto gone = GoneFile::load(state_.file_system, directory_);
  if (!gone) return failure(gone.error());
  queue_.gone_letters = std::move(*gone);
  // A number is not used again while it stands in that file.
  const auto& segments = queue_.gone_letters.by_segment();
  if (!segments.empty()) next_number_ = segments.rbegin()->first + 1;
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
    last_born_ = number;
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

// Of what was written last and perhaps not synced, a power loss leaves any parts.
IoResult<void> DirectoryRecovery::find_break(const std::vector<uint64_t>& numbers) {
  for (const uint64_t number : numbers) {
    const auto segment = read_durable(segment_path(directory_, number), number);
    if (!segment) return failure(segment.error());
    if (segment->state == RecoveredSegment::State::sealed) continue;
    const bool is_read = segment->state == RecoveredSegment::State::open;
    if (is_read && segment->first_break == RecoveredSegment::kNoBreak) continue;
    break_ = {number, is_read ? static_cast<uint32_t>(segment->first_break) : 0};
    return {};
  }
  return {};
}

// Behind a break an older event of a key may be missing, which the main log still has: what the
// main log has of these entries, too, counts there, so that it is sent in order.
void DirectoryRecovery::forget_behind_break(uint64_t number, RecoveredSegment& segment) const {
  if (!break_ || segment.state != RecoveredSegment::State::open) return;
  size_t kept = 0;
  for (size_t i = 0; i < segment.entries.size(); ++i) {
    const IndexOrigin& origin = segment.origins[i];
    const bool is_behind = Position{number, segment.entries[i].offset} >= *break_;
    if (is_behind && queue_.main_queue->is_recovered_pending({origin.segment, origin.offset})) {
      continue;
    }
    segment.entries[kept] = segment.entries[i];
    segment.origins[kept++] = origin;
  }
  segment.entries.resize(kept);
  segment.origins.resize(kept);
}

// What is believed at a start may be in the page cache only: the process died, the machine did not.
// So it is synced first; and what was being written is looked at as the disk has it.
IoResult<RecoveredSegment> DirectoryRecovery::read_durable(const std::string& path,
                                                           uint64_t number) {
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

// Not all that ever was in the segment is known to be final.
bool DirectoryRecovery::may_hold_pending(uint64_t number) const {
  return !of_letters_ && number >= queue_.pending_from.segment;
}

// Of these bytes, what is not known to be final.
uint64_t DirectoryRecovery::events_lost(uint64_t number, const LostEntry& entry) const {
  const Position begin{number, static_cast<uint32_t>(entry.begin)};
  const Position end{number, static_cast<uint32_t>(entry.end)};
  if (of_letters_) return 0;
  if (begin >= queue_.recovered_read) return entry.events;
  uint64_t events = 0;
  const auto& pending = queue_.recovered_pending;
  for (auto at = pending.lower_bound(begin); at != pending.end() && at->first < end; ++at) {
    const bool alone = at->first == begin && entry.events > at->second;
    events += alone ? entry.events - at->second : 1;
  }
  return events == 0 && end > queue_.recovered_read ? 1 : events;
}

// How many events were in it nobody knows: at least one.
IoResult<void> DirectoryRecovery::lay_aside(uint64_t number, const RecoveredSegment& segment,
                                            std::string_view why) {
  const auto aside = set_aside(state_.file_system, segment_path(directory_, number));
  if (!aside) return failure(aside.error());
  queue_.held_bytes += segment.file_bytes;
  if (may_hold_pending(number)) ++queue_.lost_events;
  log_error("a segment of the spool is moved away: " + std::string(why) +
                "; how many events were in it is not known, at least one is counted as dropped",
            {{"file", *aside}, {"bytes", segment.file_bytes}});
  return {};
}

void DirectoryRecovery::count_damage(uint64_t number, const RecoveredSegment& segment, bool cut) {
  const std::string path = segment_path(directory_, number);
  uint64_t events = 0;
  for (const LostEntry& entry : segment.lost) events += events_lost(number, entry);
  // The one being filled may be of any length after a crash in its birth; the others were whole.
  const bool too_short = segment.state == RecoveredSegment::State::open && !cut &&
                         number < last_born_ && may_hold_pending(number) &&
                         segment.file_bytes < segment.header.file_bytes;
  if (too_short && events == 0) events = 1;
  if (!of_letters_) queue_.lost_events += events;
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
  auto segment = read_durable(path, number);
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
  if (segment->state == State::unborn && number < last_born_ && !void_of_entries &&
      may_hold_pending(number)) {
    return lay_aside(number, *segment, "it is empty, or another segment lies in its place");
  }
  forget_behind_break(number, *segment);
  count_damage(number, *segment, cut);
  if (segment->entries.empty()) return state_.file_system.remove(path);
  if (segment->state == State::open || cut) {
    if (auto done = seal_recovered(state_.file_system, path, *segment); !done) return done;
  }
  return keep(number, *segment);
}

IoResult<void> DirectoryRecovery::keep(uint64_t number, RecoveredSegment& segment) {
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

IoResult<void> DirectoryRecovery::look_at_spare() {
  auto file = state_.file_system.open(spare_path(directory_), {});
  if (!file) return failure(file.error());
  const auto size = (*file)->size();
  if (!size) return failure(size.error());
  spare_bytes_ = *size;
  queue_.held_bytes += *size;
  queue_.spare_bytes = *size;
  return {};
}

}  // namespace penstock::spool
