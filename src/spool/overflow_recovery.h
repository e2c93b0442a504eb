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
  void ask(Position position, const IndexEntry& entry, uint32_t events_final);
  // directory: of the main log.
  IoResult<void> resolve(FileSystem& file_system, const std::string& directory, StreamQueue& main,
                         RecoveredChunks& chunks);

 private:
  // A pending entry of the main log of which an overflow log has something.
  struct Question {
    IndexEntry entry;
    uint32_t events_final = 0;
  };
  using Events = std::vector<uint32_t>;  // indices, ascending

  [[nodiscard]] static uint64_t packed(Position position);
  [[nodiscard]] bool has_origin(Position position) const;
  IoResult<void> read_copies(FileSystem& file_system, const std::string& directory,
                             const StreamQueue& overflow);

  std::vector<uint64_t> origins_;           // packed
  std::map<Position, Question> questions_;  // by the entry of the main log
  std::map<Position, Events> copied_;       // of those entries
};

}  // namespace penstock::spool
