// How memory_limit (resident bytes of the whole process) is shared out. Pure.
//
//   memory_limit = fixed        code, libraries, stacks, one TLS context: measured 14 to 20 MiB
//                + large        one message of the largest size, twice: as it came and inflated
//                + delivery     request bodies being built and in flight
//                + ordinary     everything else that is received and not yet on its way; TLS state
//                               and sockets of the connections
//
// Each pot is leased byte by byte; what is not leased is not resident, so an idle process is small
// whatever the plan says.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace penstock::daemon {

struct MemoryNeeds {
  uint64_t memory_limit = 256_MiB;
  uint64_t message_bytes_max = 64_MiB;  // the largest max_message or max_body; 0: no source
  bool has_directory = true;            // the spool keeps only a cache of fresh batches in memory
};

struct MemoryPlan {
  uint64_t large = 0;
  uint64_t ordinary = 0;
  uint64_t small = 0;
  uint64_t reserve = 0;  // of ordinary: for messages of which nothing is to come
  uint64_t delivery = 0;
  uint64_t spool_cache = 0;  // out of ordinary: fresh batches that delivery need not read back
};

// Never fails: below what the configuration accepts the smallest workable shares come out.
[[nodiscard]] MemoryPlan plan_memory(const MemoryNeeds& needs);

// How malloc treats the blocks of messages and requests. Call once, before threads are started.
void tune_allocator();

// Gives what malloc keeps back to the system when the process is idle or near its limit. To be
// called a few times a second; events: any count that moves while there is work.
class MemoryTrimmer {
 public:
  explicit MemoryTrimmer(uint64_t memory_limit) : memory_limit_(memory_limit) {}
  void tick(uint64_t events);

 private:
  const uint64_t memory_limit_;
  uint64_t events_seen_ = 0;
  uint32_t idle_ticks_ = 0;
  uint64_t after_last_trim_ = 0;  // resident; nothing is to be had while there is no more than that
};

}  // namespace penstock::daemon
