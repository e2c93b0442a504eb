// How much a log holds: written into its checkpoint and into the header of each segment, so that a
// segment whose file is missing is known for a loss, and how many events were in it.
#pragma once

#include <cstdint>

namespace penstock::spool {

struct Tally {
  uint64_t entries = 0;
  uint64_t events = 0;

  Tally& operator+=(const Tally& more) {
    entries += more.entries;
    events += more.events;
    return *this;
  }
  friend Tally operator+(Tally one, const Tally& other) { return one += other; }
  bool operator==(const Tally&) const = default;
};

// As of a checkpoint.
struct LogTotals {
  uint64_t log = 0;     // log_id()
  Tally stored;         // since the log was begun
  Tally pending;        // of those, what is not final by that checkpoint
  uint64_t newest = 0;  // no segment with a higher number had been begun
  // False: pending.events leaves out what the checkpoint has no room to say, and is too small.
  bool exact = true;
  bool closed = false;  // nothing more was stored in these segments
};

}  // namespace penstock::spool
