// RecoveredEntries: what was found at start-up of entries of one log that have not been read since:
// the log's checkpoint says which are final, the overflow logs which events have a copy there.
//
// Thread: written at start-up; read afterwards, by any thread and without a lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "spool/checkpoint.h"

namespace penstock::spool {

class RecoveredEntries {
 public:
  using Events = std::shared_ptr<const std::vector<uint32_t>>;  // places in the entry, ascending

  void set(const Checkpoint& checkpoint) {
    read_ = checkpoint.read;
    pending_ = {checkpoint.pending.begin(), checkpoint.pending.end()};
  }
  // The entry is final, because an overflow log has all of its events.
  void set_final(Position position) { pending_.erase(position); }
  void set_overflowed(Position position, Events events) {
    overflowed_[position] = std::move(events);
  }
  void add_lost(uint64_t events) { lost_events_ += events; }
  // Of the entries that the checkpoint lists, these are there.
  void keep_pending(std::set<Position> found) { pending_ = std::move(found); }
  void set_read_number(uint64_t number) { read_number_ = number; }

  // Every entry from here on is pending.
  [[nodiscard]] Position read() const { return read_; }
  // Of the first of them.
  [[nodiscard]] uint64_t read_number() const { return read_number_; }
  // The others that are.
  [[nodiscard]] const std::set<Position>& pending() const { return pending_; }
  [[nodiscard]] bool is_final(Position position) const {
    return position < read_ && !pending_.contains(position);
  }
  // No entry before it is pending.
  [[nodiscard]] Position pending_from() const {
    return pending_.empty() ? read_ : *pending_.begin();
  }
  // How many events are lost when the bytes of this range are, in which so many events were. That
  // they are all final is only known if the whole range is.
  [[nodiscard]] uint64_t events_lost(Position begin, Position end, uint64_t events) const {
    if (begin >= read_) return events;
    uint64_t lost = 0;
    for (auto at = pending_.lower_bound(begin); at != pending_.end() && *at < end; ++at) {
      lost += *at == begin ? events : 1;
    }
    return lost == 0 && end > read_ ? 1 : lost;
  }
  // Events that an overflow log has; null: none.
  [[nodiscard]] Events overflowed(Position position) const {
    const auto found = overflowed_.find(position);
    return found == overflowed_.end() ? nullptr : found->second;
  }
  // An overflow log has events of an entry from here on.
  [[nodiscard]] bool any_overflowed_from(Position position) const {
    return overflowed_.lower_bound(position) != overflowed_.end();
  }
  // Events found damaged.
  [[nodiscard]] uint64_t lost_events() const { return lost_events_; }

 private:
  Position read_;
  uint64_t read_number_ = 0;
  std::set<Position> pending_;
  std::map<Position, Events> overflowed_;
  uint64_t lost_events_ = 0;
};

}  // namespace penstock::spool
