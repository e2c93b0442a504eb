// Looking into a spool, or into dead letters, without touching anything and without the lock: the
// process that has it open may be writing meanwhile.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "spool/file_system.h"
#include "spool/log_directory.h"
#include "spool/log_totals.h"
#include "spool/segment_reader.h"

namespace penstock::spool {

struct InspectedSegment {
  uint64_t number = 0;
  std::string path;
  bool sealed = false;
  uint64_t file_bytes = 0;
  uint64_t entries = 0;
  uint64_t events = 0;
  uint64_t entries_pending = 0;  // not final, says the checkpoint; letters: not gone
  uint64_t events_pending = 0;
  uint64_t torn_bytes = 0;              // of an entry that was not finished: no loss
  uint64_t damaged_bytes = 0;           // something happened to the disk
  std::optional<SegmentHeader> header;  // when it is whole
  Tally broken;                         // entries of which something is left
};

// What the totals say is there and is not found.
struct InspectedGap {
  uint64_t entries = 0;
  uint64_t events = 0;
  std::string files;  // whose numbers are missing; empty: the files are there, and damaged
};

struct InspectedLog {
  std::string directory;
  LogDescription description;
  uint64_t generation = 0;
  bool overflow = false;                   // an overflow log of the main log behind it
  std::vector<InspectedSegment> segments;  // oldest first
  uint64_t set_aside = 0;                  // files ending in .damaged
  InspectedGap missing;
  uint64_t file_bytes = 0;  // all files of it
};

// Told of a file that cannot be read, or of an entry that is damaged: one line with the path. What
// can be read is shown all the same. Empty: an error ends the inspection.
using InspectionProblem = std::function<void(const std::string&)>;

struct InspectOptions {
  bool every_payload = false;  // read and check everything
  InspectionProblem unreadable = {};
};

// Every log under DIR/streams, overflow logs that have segments before their main log. Shortly
// after a crash events may stand in both; the next start counts them once. Errors name the
// directory and the cure.
[[nodiscard]] Result<std::vector<InspectedLog>, Error> inspect_spool(FileSystem& file_system,
                                                                     const std::string& directory,
                                                                     InspectOptions options);
// The log of dead letters. directory: the spool's (they lie in dead-letter below it) or their own.
[[nodiscard]] Result<InspectedLog, Error> inspect_dead_letters(FileSystem& file_system,
                                                               const std::string& directory,
                                                               InspectOptions options);

// A whole entry, with its events not final if `pending` is wanted only.
struct InspectedEntry {
  const StoredEntry* stored = nullptr;
  record::Batch batch;
  bool final = false;
};
// In order; false from visit ends it. Damaged entries are stepped over, and told to damaged.
Result<void, Error> visit_entries(FileSystem& file_system, const InspectedLog& log,
                                  const std::function<bool(const InspectedEntry&)>& visit,
                                  const InspectionProblem& damaged = {});

}  // namespace penstock::spool
