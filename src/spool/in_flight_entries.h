// InFlightEntries: the entries of one log that delivery has taken and that are not final.
//
// Invariants, checked here:
//   an entry is taken once and released once
//   at most one large entry is in flight
//   a batch that was read once more is nobody's when its entry leaves
//
// Thread: SpoolState's lock guards it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "spool/read_cursor.h"

namespace penstock::spool {

struct EntryInFlight {
  uint64_t bytes = 0;
  uint64_t number = 0;
  uint64_t events = 0;  // that were handed to delivery
  int64_t received_ns = 0;
  ChunkPart chunk;
  bool was_fresh = false;  // it was kept in memory since it was appended
};

class InFlightEntries {
 public:
  void add(const ReadyEntry& entry);
  // Requires that it is in flight.
  EntryInFlight release(Position position);
  // The large entry goes back to the log. Requires that it is in flight.
  [[nodiscard]] ReadyEntry give_back(Position position);

  [[nodiscard]] bool has_large() const { return large_.has_value(); }
  [[nodiscard]] bool is_large(Position position) const {
    return large_ && large_->position == position;
  }
  // ---- the batch of the large entry once more, for delivery, which has let go of it

  // Requires that it is in flight. True: this was not known.
  bool want_reload(Position position);
  void forget_reload() { reload_.is_wanted = false; }
  // The entry whose batch is to be read; null: none.
  [[nodiscard]] const ReadyEntry* wanted_reload() const;
  // It was read; null: it cannot be.
  void reloaded(std::shared_ptr<const record::Batch> batch);
  // Null: there is none, or it was taken.
  [[nodiscard]] std::shared_ptr<const record::Batch> take_reloaded();
  [[nodiscard]] bool has_reloaded(Position position) const {
    return is_large(position) && reload_.batch != nullptr;
  }
  [[nodiscard]] bool is_lost() const { return reload_.is_lost; }

  // Requires that it is in flight.
  [[nodiscard]] const EntryInFlight& at(Position position) const;
  [[nodiscard]] bool any_of_segment(uint64_t number) const;
  [[nodiscard]] const std::map<Position, EntryInFlight>& all() const { return entries_; }
  // Of entries that were kept in memory since they were appended: they take room of the same
  // memory.
  [[nodiscard]] uint64_t fresh_bytes() const { return fresh_bytes_; }

 private:
  std::map<Position, EntryInFlight> entries_;
  uint64_t fresh_bytes_ = 0;
  struct Reload {
    bool is_wanted = false;
    bool is_lost = false;
    std::shared_ptr<const record::Batch> batch;
  };
  ReadyEntry forget_large();

  std::optional<ReadyEntry> large_;  // without its storage
  Reload reload_;                    // of its batch
};

}  // namespace penstock::spool
