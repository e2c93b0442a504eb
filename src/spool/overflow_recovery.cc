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

void OverflowRecovery::add_done() { std::sort(origins_.begin(), origins_.end()); }

bool OverflowRecovery::has_origin(Position position) const {
  return std::binary_search(origins_.begin(), origins_.end(), packed(position));
}

void OverflowRecovery::ask(Position position, const IndexEntry& entry, uint32_t events_final) {
  if (has_origin(position)) questions_.emplace(position, Question{entry, events_final});
}

IoResult<void> OverflowRecovery::read_copies(FileSystem& file_system, const std::string& directory,
                                             const StreamQueue& overflow) {
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
        read_copies(file_system, overflow_path(directory, slot), *main.overflow_queues[slot]);
    if (!done) return done;
  }
  for (auto& [position, events] : copied_) {
    const auto question = questions_.find(position);
    if (question == questions_.end()) continue;
    const auto& [entry, events_final] = question->second;
    std::erase_if(events, [&asked = question->second](uint32_t event) {
      return event < asked.events_final || event >= asked.entry.event_count;
    });
    settle(main, chunks, position, entry, events_final, std::move(events));
  }
  return {};
}

}  // namespace penstock::spool
