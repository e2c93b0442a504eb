// OverflowCopies: events of the main log that were copied for one overflow log and are not appended
// yet: events of one entry of the main log become one entry of the overflow log.
//
// Invariants, checked here:
//   events are deferred in the order of the main log
//   what waited in the retry queue comes before what was deferred
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "delivery/overflow_closings.h"
#include "delivery/records.h"
#include "spool/spool.h"

namespace penstock::delivery {

class OverflowCopies {
 public:
  struct Group {
    uint64_t ticket = 0;  // of the entry of the main log
    spool::OverflowEntry entry;
    // Of memory.
    [[nodiscard]] size_t bytes() const { return entry.batch.entries_size + kBesideEvents; }
  };
  // What a group takes beside its events.
  static constexpr size_t kBesideEvents = 512;

  struct Copied {
    bool is_new_group = false;
    bool is_new_bucket = false;  // in its group
  };
  // An event that comes next in the main log. bytes: as it stands in the batch of `origin`.
  Copied defer(const EventSpan& event, size_t bucket, ByteView bytes, const spool::Entry& origin);
  // One that waited in the retry queue; put_queued_first() follows before take_next().
  Copied add_queued(const EventSpan& event, size_t bucket, ByteView bytes,
                    const spool::Entry& origin) {
    return add(queued_, event, bucket, bytes, origin);
  }
  void put_queued_first();

  // The oldest, unless it has to wait for a closing.
  [[nodiscard]] std::optional<Group> take_next(const OverflowClosings& closings);
  [[nodiscard]] bool empty() const { return queued_.empty() && deferred_.empty(); }

 private:
  static Copied add(std::deque<Group>& groups, const EventSpan& event, size_t bucket,
                    ByteView bytes, const spool::Entry& origin);

  std::deque<Group> queued_;
  std::deque<Group> deferred_;
  std::optional<std::pair<uint64_t, uint32_t>> last_deferred_;  // ticket and place
};

}  // namespace penstock::delivery
