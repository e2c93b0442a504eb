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
  const auto [chunk, fresh] = chunks_.try_emplace(key);
  CHECK(fresh);
  chunk->second = {repeatable, until_released, entries, entries, {}};
  chunk->second.waiters.push_back(std::move(waiter));
}

ChunkTable::Known ChunkTable::look_up(const Hash128& fingerprint, int64_t now_ns) {
  if (chunks_.contains(fingerprint)) return Known::held;
  return window_.contains(fingerprint, now_ns) ? Known::safe : Known::no;
}

void ChunkTable::wait(const Hash128& key, Waiter waiter, Calls& calls) {
  Chunk& chunk = chunks_.at(key);
  chunk.until_released |= waiter.ack == AckMode::delivered;
  chunk.waiters.push_back(std::move(waiter));
  answer(chunk, calls);
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
  CHECK(chunk->second.unreleased > 0);
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
  if (state.unsynced > 0 || (state.until_released && state.unreleased > 0)) return;
  if (state.repeatable) window_.remember(chunk->first, now_ns);
  chunks_.erase(chunk);
}

}  // namespace penstock::spool
