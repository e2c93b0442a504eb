// QueuedEntry: an entry on its way to disk, and what an entry knows of the chunk it is a part of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "spool/log_writer.h"
#include "spool/overflow_origin.h"

namespace penstock::spool {

// Several dead letters that are answered together.
struct LetterGroup {
  size_t left = 0;
  std::function<void(bool)> done;
};

// As it was stored.
[[nodiscard]] ChunkPart chunk_part_of(const EntryHeader& header);

// An entry that is admitted and not yet safe.
struct QueuedEntry {
  std::shared_ptr<const record::Batch> batch;
  ChunkPart chunk;
  uint64_t bytes = 0;  // what it takes on disk, or in memory
  SteadyTime admitted{};
  [[nodiscard]] EntryToStore as_stored() const;
  bool answered = false;  // its chunk has been told that it is synced
  // Dead letters only:
  std::string stream;
  std::string reason;
  std::string detail;
  std::shared_ptr<LetterGroup> letters;  // empty: it came with an append
  // Overflow log only:
  std::shared_ptr<const OverflowOrigin> origin;
  std::function<void(bool)> overflowed;
};

// When the first of these was admitted that came with an append: its sender waits for it.
template <class Entries>
[[nodiscard]] std::optional<SteadyTime> oldest_admitted(const Entries& entries) {
  for (const QueuedEntry& entry : entries) {
    if (!entry.letters) return entry.admitted;
  }
  return std::nullopt;
}

}  // namespace penstock::spool
