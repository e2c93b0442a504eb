// OverflowRecovery: which events of a main log are in its overflow log, found out at start-up.
//
// An event may be stored several times: in the entry of the main log that it came in, and in one or
// more entries of the overflow log. The copy in the last of them counts, whether it is pending or
// final; an earlier one is final. What is said by a checkpoint alone would send an event again that
// went to the overflow log shortly before a crash.
//
//   add()      for each entry of the overflow log, as its segments are recovered
//   ask()      for each pending entry of the main log, as its segments are recovered
//   resolve()  reads the origins of those entries that have several copies, and settles the books
//
// Memory: 8 bytes for each entry of the overflow log, until resolve().
// Thread: one, at start-up.
#pragma once

#include <cstdint>
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
  IoResult<void> resolve(FileSystem& file_system, const std::string& overflow_directory,
                         StreamQueue& main, StreamQueue& overflow, RecoveredChunks& chunks);

 private:
  // A pending entry of the main log that may be in the overflow log.
  struct Question {
    Position position;
    IndexEntry entry;
    uint32_t events_final = 0;
  };
  // An entry of the overflow log whose origin has other copies.
  struct Copy {
    Position position;
    IndexEntry entry;
    OverflowOrigin origin;
  };

  [[nodiscard]] static uint64_t packed(Position position);
  [[nodiscard]] bool has_origin(Position position) const;
  IoResult<std::vector<Copy>> read_copies(FileSystem& file_system, const std::string& directory,
                                          const StreamQueue& overflow) const;

  std::vector<uint64_t> origins_;      // packed
  std::vector<uint64_t> of_interest_;  // those with several copies; sorted
  std::vector<Question> questions_;
};

}  // namespace penstock::spool
