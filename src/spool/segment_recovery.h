// Recovery of one segment: which entries in it are whole. Any bytes may be in the file.
//
//   torn      bytes behind the last whole entry that are the beginning of one more: it was being
//             written when the process or the machine stopped, and was never acknowledged
//   damaged   bytes with whole entries behind them in which none can be made out, and whole headers
//             with broken payloads: something else happened to the disk
//   lost      of the damaged, what was synced: before what was written last, that is. The blocks of
//             that run may have reached the disk in any order before the power went.
//
// Nothing is written here but by seal_recovered().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spool/segment_reader.h"

namespace penstock::spool {

// Bytes in which an entry was that had been synced, and is broken.
struct LostEntry {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t events = 1;  // at least, when its header is broken
};

struct RecoveredSegment {
  enum class State : uint8_t {
    sealed,     // its index was whole: payloads are checked when they are read
    open,       // gone through entry by entry, payloads checked
    unborn,     // being made when the process stopped: nothing of this number was ever in it
    no_header,  // neither copy of the header is whole, and the file is not empty: set it aside
  };
  State state = State::unborn;
  SegmentHeader header;
  std::vector<IndexEntry> entries;   // in order
  std::vector<IndexOrigin> origins;  // of an overflow segment: one for each entry
  BucketSet buckets;                 // of an overflow segment: of all entries
  uint64_t file_bytes = 0;
  uint64_t entries_end = kBlockBytes;
  uint64_t torn_bytes = 0;
  uint64_t damaged_bytes = 0;
  std::vector<LostEntry> lost;  // in no order; only of what was gone through
  // Of what was gone through: where in the last run, or behind it, the first broken bytes are.
  uint64_t first_break = kNoBreak;
  static constexpr uint64_t kNoBreak = ~uint64_t{0};
};

enum class Verify : uint8_t { what_is_unsure, every_payload };

// number: what the file's name says.
IoResult<RecoveredSegment> recover_segment(std::unique_ptr<File> file, uint64_t number,
                                           Verify verify = Verify::what_is_unsure);
// For a start that goes on from it. What is believed then may be in the page cache only: the
// process died, the machine did not. So the file is synced first; and what was being written is
// looked at as the disk has it.
IoResult<RecoveredSegment> recover_durably(FileSystem& file_system, const std::string& path,
                                           uint64_t number);

// Forgets the entries at or behind this offset.
void cut_entries(RecoveredSegment& segment, uint64_t end);

// Cuts the file behind its last entry, gives it an index, and syncs it.
IoResult<void> seal_recovered(FileSystem& file_system, const std::string& path,
                              RecoveredSegment& segment);

}  // namespace penstock::spool
