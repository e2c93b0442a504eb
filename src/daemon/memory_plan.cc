#include "daemon/memory_plan.h"

#include <malloc.h>

#include <algorithm>

#include "metrics/exposition.h"

namespace penstock::daemon {
namespace {

constexpr uint64_t kFixed = 22_MiB;
constexpr uint64_t kPotMin = 4_MiB;
constexpr uint64_t kDeliveryMax = 64_MiB;

}  // namespace

MemoryPlan plan_memory(const MemoryNeeds& needs) {
  MemoryPlan plan;
  // A little over two messages: the buffer it is read into is grown in steps.
  plan.large = needs.message_bytes_max == 0 ? 0 : 2 * needs.message_bytes_max + 1_MiB;
  const uint64_t taken = kFixed + plan.large;
  uint64_t rest = needs.memory_limit > taken ? needs.memory_limit - taken : 0;
  rest -= rest / 10;  // what malloc loses between blocks
  plan.delivery = std::clamp(rest / 4, kPotMin, kDeliveryMax);
  plan.ordinary = std::max(rest > plan.delivery ? rest - plan.delivery : 0, kPotMin);
  plan.small = plan.ordinary / 12;
  plan.ordinary -= plan.small;
  plan.reserve = plan.ordinary / 4;
  plan.spool_cache = needs.has_directory ? (plan.ordinary - plan.reserve) / 2 : 0;
  return plan;
}

void tune_allocator() {
  // Messages and request bodies of the usual sizes come back to the heap and are used again: mapped
  // for each chunk of 1.2 MB, their page faults cost as much as everything else together
  // (2.9 against 2.3 CPU seconds per million events with chunks of 1,000 and of 100 events).
  // Larger ones are mapped, and unmapped when freed.
  mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
  mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);  // MemoryTrimmer does it, in its own time
  // An arena a thread would each keep its own high-water mark.
  mallopt(M_ARENA_MAX, 2);
}

void MemoryTrimmer::tick(uint64_t events) {
  constexpr uint32_t kIdleTicks = 5;
  idle_ticks_ = events == events_seen_ ? idle_ticks_ + 1 : 0;
  events_seen_ = events;
  const bool just_idle = idle_ticks_ == kIdleTicks;
  const uint64_t resident = metrics::resident_memory_bytes();
  const bool near_limit = resident > memory_limit_ / 2 && resident > after_last_trim_ + 4_MiB;
  if (!just_idle && !near_limit) return;
  malloc_trim(0);
  after_last_trim_ = metrics::resident_memory_bytes();
}

}  // namespace penstock::daemon
