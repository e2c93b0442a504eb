// OverflowRecovery: which events of a main log are in its overflow logs, found out at start-up.
//
// An event may be stored twice: in the entry of the main log that it came in, and in an entry of an
// overflow log. The copy in the overflow log counts, whether it is pending or final: what is said
// by a checkpoint alone would send an event again that went to the overflow log shortly before a
// crash.
//
//   add()      for each entry of the overflow logs, as their segments are recovered
//   ask()      for each pending entry of the main log, as its segments are recovered
//   resolve()  reads the origins of what came from those entries, and settles the books
//
// Memory: 8 bytes for each entry of the overflow logs, until resolve().
// Thread: one, at start-up.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spool/segment_recovery.h"
#include "spool/stream_queue.h"

namespace penstock::spool {

class RecoveredChunks;

class OverflowRecovery {
 public:
  // The segment is recovered, its file sealed.
  void add(const RecoveredSegment& segment);
  void add_done();
  // A pending entry, counted as such.
  void ask(Position position, const IndexEntry& entry);
  // directory: of the main log.
  IoResult<void> resolve(FileSystem& file_system, const std::string& directory, StreamQueue& main,
                         RecoveredChunks& chunks);

 private:
  using Events = std::vector<uint32_t>;  // indices, ascending

  [[nodiscard]] static uint64_t packed(Position position);
  [[nodiscard]] bool has_origin(Position position) const;
  IoResult<void> read_copies(FileSystem& file_system, const std::string& directory,
                             const StreamQueue& overflow);

  std::vector<uint64_t> origins_;  // packed
  // Pending entries of the main log of which an overflow log has something.
  std::map<Position, IndexEntry> questions_;
  std::map<Position, Events> copied_;  // of those entries
};

// Where in an overflow log the first bytes are broken: of what was written last and perhaps not
// synced, a power loss leaves any parts. nullopt: none are. numbers: its segments, ascending. What
// a failed round left behind a cut is none: what was in it stands in a later segment.
IoResult<std::optional<Position>> find_break(FileSystem& file_system, const std::string& directory,
                                             const std::vector<uint64_t>& numbers,
                                             const std::vector<SegmentCut>& cuts);
// Behind a break an older event of a key may be missing, which the main log still has: what the
// main log has of these entries, too, counts there, so that it is sent in order. Removes them from
// the segment; they count as found, because they were stored. directory: of the main log.
Tally forget_behind_break(FileSystem& file_system, const std::string& directory,
                          const StreamQueue& main, Position first_break, uint64_t number,
                          RecoveredSegment& segment);

}  // namespace penstock::spool
