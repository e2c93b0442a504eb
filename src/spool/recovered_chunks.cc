#include "spool/recovered_chunks.h"

#include <algorithm>
#include <utility>

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

void RecoveredChunks::settle(ChunkTable& chunks, int64_t now_ns) {
  std::vector<std::pair<int64_t, Hash128>> safe;
  for (auto& [key, found] : found_) {
    auto& parts = found.parts;
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    const bool complete = found.complete || parts.size() >= found.part_count;
    if (complete && found.unreleased == 0) {
      // Stored before the clock went back: it counts as stored now. Its own time would make
      // what was stored since look older than the window.
      safe.emplace_back(std::min(found.received_ns, now_ns), key);
    } else {
      chunks.recover(key, found.received_ns, std::move(parts), complete, found.unreleased);
    }
  }
  found_.clear();
  std::sort(safe.begin(), safe.end());
  for (const auto& [received_ns, key] : safe) chunks.window().remember(key, received_ns);
}

}  // namespace penstock::spool
