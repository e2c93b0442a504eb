#include "spool/overflow_recovery.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "base/check.h"
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
            uint32_t events_final, Events places) {
  if (places.empty()) return;
  const bool all = places.size() + events_final >= entry.event_count;
  SegmentState& segment = queue.segments.at(position.segment);
  CHECK(segment.events_unread >= places.size());
  segment.events_unread -= places.size();
  if (all) {
    CHECK(segment.entries_left > 0);
    --segment.entries_left;
    queue.recovered_pending.erase(position);
    chunks.take_back(entry);
  }
  queue.recovered_overflowed[position] = std::make_shared<const Events>(std::move(places));
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

void OverflowRecovery::add_done() {
  std::sort(origins_.begin(), origins_.end());
  for (size_t i = 1; i < origins_.size(); ++i) {
    if (origins_[i] == origins_[i - 1]) of_interest_.push_back(origins_[i]);
  }
}

bool OverflowRecovery::has_origin(Position position) const {
  return std::binary_search(origins_.begin(), origins_.end(), packed(position));
}

void OverflowRecovery::ask(Position position, const IndexEntry& entry, uint32_t events_final) {
  if (!has_origin(position)) return;
  questions_.push_back({position, entry, events_final});
  of_interest_.push_back(packed(position));
}

IoResult<std::vector<OverflowRecovery::Copy>> OverflowRecovery::read_copies(
    FileSystem& file_system, const std::string& directory, const StreamQueue& overflow) const {
  std::vector<Copy> copies;
  for (const auto& [number, segment] : overflow.segments) {
    auto file = file_system.open(segment_path(directory, number), {});
    if (!file) return failure(file.error());
    auto reader = SegmentReader::open(std::move(*file));
    if (!reader) return failure(reader.error());
    auto index = reader->read_index();
    if (!index) return failure(index.error());
    if (!index->has_value()) return failure(IoError{EIO});  // it was read a moment ago
    for (size_t i = 0; i < (*index)->origins.size(); ++i) {
      const IndexOrigin& origin = (*index)->origins[i];
      if (!std::binary_search(of_interest_.begin(), of_interest_.end(),
                              packed({origin.segment, origin.offset}))) {
        continue;
      }
      const IndexEntry& indexed = (*index)->entries[i];
      reader->seek(indexed.offset);
      auto entry = reader->next();
      if (!entry) return failure(entry.error());
      const bool whole =
          entry->has_value() && (*entry)->offset == indexed.offset && (*entry)->origin.has_value();
      // Of a damaged one nothing is known: an earlier copy counts, and this one is counted as
      // dropped when it is read.
      if (!whole) continue;
      copies.push_back({{number, indexed.offset}, indexed, std::move(*(*entry)->origin)});
    }
  }
  return copies;
}

IoResult<void> OverflowRecovery::resolve(FileSystem& file_system,
                                         const std::string& overflow_directory, StreamQueue& main,
                                         StreamQueue& overflow, RecoveredChunks& chunks) {
  if (of_interest_.empty()) return {};
  std::sort(of_interest_.begin(), of_interest_.end());
  auto copies = read_copies(file_system, overflow_directory, overflow);
  if (!copies) return failure(copies.error());

  std::map<Position, Events> later;  // by origin: events that later entries have
  for (auto copy = copies->rbegin(); copy != copies->rend(); ++copy) {
    Events& known = later[copy->origin.position];
    if (overflow.is_recovered_pending(copy->position)) {
      Events places;
      for (uint32_t i = 0; i < copy->origin.events.size(); ++i) {
        if (std::binary_search(known.begin(), known.end(), copy->origin.events[i])) {
          places.push_back(i);
        }
      }
      settle(overflow, chunks, copy->position, copy->entry, 0, std::move(places));
    }
    known = united(known, copy->origin.events);
  }
  for (const Question& question : questions_) {
    const auto found = later.find(question.position);
    if (found == later.end()) continue;
    Events events = std::move(found->second);
    std::erase_if(events, [&](uint32_t event) {
      return event < question.events_final || event >= question.entry.event_count;
    });
    settle(main, chunks, question.position, question.entry, question.events_final,
           std::move(events));
  }
  origins_ = {};
  questions_ = {};
  return {};
}

}  // namespace penstock::spool
