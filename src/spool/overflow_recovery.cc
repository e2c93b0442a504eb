#include "spool/overflow_recovery.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/log.h"
#include "spool/log_directory.h"
#include "spool/recovered_chunks.h"

namespace penstock::spool {
namespace {

using Events = std::vector<uint32_t>;

Events united(const Events& one, const Events& other) {
  Events both;
  both.reserve(one.size() + other.size());
  std::set_union(one.begin(), one.end(), other.begin(), other.end(), std::back_inserter(both));
  return both;
}

// The entry's events with these places in it are final: they are not handed out.
void settle(StreamQueue& queue, RecoveredChunks& chunks, Position position, const IndexEntry& entry,
            Events places) {
  if (places.empty()) return;
  const bool all = places.size() >= entry.event_count;
  queue.segments.read(position.segment, places.size());
  if (all) {
    queue.segments.settle(position.segment, 1);
    queue.recovered.set_final(position);
    chunks.take_back(entry);
  }
  queue.recovered.set_overflowed(position, std::make_shared<const Events>(std::move(places)));
}

}  // namespace

// Offsets are multiples of 8 below 2^31.
uint64_t OverflowRecovery::packed(Position position) {
  return position.segment << 28 | position.offset >> 3;
}

void OverflowRecovery::add(const RecoveredSegment& segment) {
  for (const IndexOrigin& origin : segment.origins) {
    origins_.push_back(packed({origin.segment, origin.offset}));
  }
}

void OverflowRecovery::add_done() { std::sort(origins_.begin(), origins_.end()); }

bool OverflowRecovery::has_origin(Position position) const {
  return std::binary_search(origins_.begin(), origins_.end(), packed(position));
}

void OverflowRecovery::ask(Position position, const IndexEntry& entry) {
  if (has_origin(position)) questions_.emplace(position, entry);
}

IoResult<void> OverflowRecovery::read_copies(FileSystem& file_system, const std::string& directory,
                                             const StreamQueue& overflow) {
  for (const auto& [number, segment] : overflow.segments.all()) {
    auto file = file_system.open(segment_path(directory, number), {});
    if (!file) return failure(file.error());
    auto reader = SegmentReader::open(std::move(*file));
    if (!reader) return failure(reader.error());
    auto index = reader->read_index();
    if (!index) return failure(index.error());
    if (!index->has_value()) return failure(IoError{EIO});  // it was read a moment ago
    for (size_t i = 0; i < (*index)->origins.size(); ++i) {
      const IndexOrigin& origin = (*index)->origins[i];
      if (!questions_.contains({origin.segment, origin.offset})) continue;
      const IndexEntry& indexed = (*index)->entries[i];
      reader->seek(indexed.offset);
      auto entry = reader->next();
      if (!entry) return failure(entry.error());
      const bool whole =
          entry->has_value() && (*entry)->offset == indexed.offset && (*entry)->origin.has_value();
      // Of a damaged one nothing is known: what the main log has counts, and this one is counted as
      // dropped when it is read.
      if (!whole) continue;
      Events& copied = copied_[(*entry)->origin->position];
      copied = united(copied, (*entry)->origin->events);
    }
  }
  return {};
}

IoResult<void> OverflowRecovery::resolve(FileSystem& file_system, const std::string& directory,
                                         StreamQueue& main, RecoveredChunks& chunks) {
  if (questions_.empty()) return {};
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    auto done =
        read_copies(file_system, overflow_path(directory, slot), *main.overflow_part.logs[slot]);
    if (!done) return done;
  }
  for (auto& [position, events] : copied_) {
    const auto question = questions_.find(position);
    if (question == questions_.end()) continue;
    const IndexEntry& entry = question->second;
    std::erase_if(events, [&entry](uint32_t event) { return event >= entry.event_count; });
    settle(main, chunks, position, entry, std::move(events));
  }
  return {};
}

IoResult<std::optional<Position>> find_break(FileSystem& file_system, const std::string& directory,
                                             const std::vector<uint64_t>& numbers,
                                             const std::vector<SegmentCut>& cuts) {
  for (const uint64_t number : numbers) {
    const auto segment = recover_durably(file_system, segment_path(directory, number), number);
    if (!segment) return failure(segment.error());
    if (segment->state == RecoveredSegment::State::sealed) continue;
    const bool is_read = segment->state == RecoveredSegment::State::open;
    const uint64_t first_break = is_read ? segment->first_break : 0;
    if (first_break == RecoveredSegment::kNoBreak) continue;
    const bool is_cut_off = std::any_of(cuts.begin(), cuts.end(), [&](const SegmentCut& cut) {
      return cut.segment == number && cut.end <= first_break;
    });
    if (is_cut_off) continue;
    return Position{number, static_cast<uint32_t>(first_break)};
  }
  return std::nullopt;
}

Tally forget_behind_break(FileSystem& file_system, const std::string& directory,
                          const StreamQueue& main, Position first_break, uint64_t number,
                          RecoveredSegment& segment) {
  Tally forgotten;
  if (segment.state != RecoveredSegment::State::open) return forgotten;
  // Without a checkpoint everything looks pending there, also what was removed.
  std::set<uint64_t> main_segments;
  const auto names = file_system.list(directory);
  for (const std::string& name : names.value_or(std::vector<std::string>{})) {
    if (const auto main_number = parse_segment_name(name)) main_segments.insert(*main_number);
  }
  size_t kept = 0;
  for (size_t i = 0; i < segment.entries.size(); ++i) {
    const IndexOrigin& origin = segment.origins[i];
    const bool is_behind = Position{number, segment.entries[i].offset} >= first_break;
    const bool is_in_main = main_segments.contains(origin.segment) &&
                            !main.recovered.is_final({origin.segment, origin.offset});
    if (is_behind && is_in_main) {
      forgotten += {1, segment.entries[i].event_count};
      continue;
    }
    segment.entries[kept] = segment.entries[i];
    segment.origins[kept++] = origin;
  }
  segment.entries.resize(kept);
  segment.origins.resize(kept);
  return forgotten;
}

}  // namespace penstock::spool
