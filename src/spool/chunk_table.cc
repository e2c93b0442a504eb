#include "spool/chunk_table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::spool {
namespace {

void call(ChunkTable::Waiter& waiter, AppendOutcome outcome, Calls& calls) {
  if (!waiter.done) return;
  calls.push_back([done = std::move(waiter.done), outcome] { done(outcome); });
}

}  // namespace

void ChunkTable::begin(const Hash128& key, bool repeatable, bool until_released, uint32_t entries,
                       Waiter waiter) {
  const auto [place, fresh] = chunks_.try_emplace(key);
  Chunk& chunk = place->second;
  CHECK(fresh || chunk.partly);
  chunk.repeatable = repeatable;
  chunk.until_released |= until_released;
  chunk.unsynced += entries;
  chunk.unreleased += entries;
  chunk.partly = false;
  chunk.waiters.push_back(std::move(waiter));
}

ChunkTable::Known ChunkTable::look_up(const Hash128& fingerprint, int64_t now_ns) {
  const auto chunk = chunks_.find(fingerprint);
  if (chunk == chunks_.end()) {
    return window_.contains(fingerprint, now_ns) ? Known::safe : Known::no;
  }
  if (!chunk->second.partly) return Known::held;
  if (now_ns - chunk->second.recovered_ns < window_.window_ns()) return Known::partly;
  chunks_.erase(chunk);
  return Known::no;
}

void ChunkTable::recover(const Hash128& key, int64_t received_ns, std::vector<uint64_t> parts,
                         bool complete, uint32_t unreleased) {
  Chunk& chunk = chunks_[key];
  chunk.repeatable = true;
  chunk.until_released = unreleased > 0;
  chunk.unreleased = unreleased;
  chunk.parts = std::move(parts);
  chunk.partly = !complete;
  chunk.recovered_ns = received_ns;
}

bool ChunkTable::has_part(const Hash128& key, uint64_t part_key) const {
  const auto chunk = chunks_.find(key);
  if (chunk == chunks_.end()) return false;
  const auto& parts = chunk->second.parts;
  return std::find(parts.begin(), parts.end(), part_key) != parts.end();
}

bool ChunkTable::is_incomplete(const Hash128& key) const {
  const auto chunk = chunks_.find(key);
  return chunk != chunks_.end() && (chunk->second.unsynced > 0 || chunk->second.partly);
}

void ChunkTable::wait(const Hash128& key, Waiter waiter, Calls& calls) {
  Chunk& chunk = chunks_.at(key);
  chunk.until_released |= waiter.ack == AckMode::delivered;
  chunk.waiters.push_back(std::move(waiter));
  answer(chunk, calls);
}

void ChunkTable::add_entry(const Hash128& key) {
  const auto chunk = chunks_.find(key);
  if (chunk != chunks_.end() && chunk->second.unreleased > 0) ++chunk->second.unreleased;
}

void ChunkTable::synced(const Hash128& key, int64_t now_ns, Calls& calls) {
  const auto chunk = chunks_.find(key);
  if (chunk == chunks_.end()) return;
  CHECK(chunk->second.unsynced > 0);
  --chunk->second.unsynced;
  settle(chunk, now_ns, calls);
}

void ChunkTable::released(const Hash128& key, int64_t now_ns, Calls& calls) {
  const auto chunk = chunks_.find(key);
  if (chunk == chunks_.end()) return;
  if (chunk->second.unreleased == 0) return;  // a part recovered from disk, and not counted
  --chunk->second.unreleased;
  settle(chunk, now_ns, calls);
}

void ChunkTable::close(Calls& calls) {
  for (auto& [key, chunk] : chunks_) {
    for (Waiter& waiter : chunk.waiters) call(waiter, AppendOutcome::closed, calls);
  }
  chunks_.clear();
}

// What is delivered is stored as well, whatever the disk says.
void ChunkTable::answer(Chunk& chunk, Calls& calls) {
  const bool delivered = chunk.until_released && chunk.unreleased == 0;
  const bool stored = delivered || chunk.unsynced == 0;
  const auto answered = [&](Waiter& waiter) {
    if (waiter.ack == AckMode::delivered ? !delivered : !stored) return false;
    call(waiter, AppendOutcome::done, calls);
    return true;
  };
  chunk.waiters.erase(std::remove_if(chunk.waiters.begin(), chunk.waiters.end(), answered),
                      chunk.waiters.end());
}

void ChunkTable::settle(Chunks::iterator chunk, int64_t now_ns, Calls& calls) {
  answer(chunk->second, calls);
  const Chunk& state = chunk->second;
  if (state.partly || state.unsynced > 0) return;
  if (state.until_released && state.unreleased > 0) return;
  if (state.repeatable) window_.remember(chunk->first, now_ns);
  chunks_.erase(chunk);
}

}  // namespace penstock::spool
