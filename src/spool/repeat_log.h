// RepeatLog: the fingerprints of entries whose segments are gone, so that the window in which a
// chunk sent again is recognised survives a restart. A ring of blocks in one file of fixed size,
// made when the spool is opened: writing to it needs no room on the disk.
//
// Thread: one, the commit thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "spool/file_system.h"

namespace penstock::spool {

struct RepeatRecord {
  Hash128 fingerprint;
  int64_t received_ns = 0;
  uint64_t part_key = 0;
  uint16_t part_count = 1;
  bool complete = false;  // every part of the chunk was safe
};

class RepeatLog {
 public:
  // Opens or makes it, with room for about records_max. found(): what it holds, oldest first.
  static IoResult<RepeatLog> open(FileSystem& file_system, const std::string& path,
                                  uint64_t records_max);
  [[nodiscard]] std::vector<RepeatRecord> take_found() { return std::move(found_); }
  [[nodiscard]] uint64_t file_bytes() const { return block_count_ * kBlock; }

  // Begins a new block for every call: what was synced is never written over but by the ring.
  IoResult<void> append(const std::vector<RepeatRecord>& records);
  IoResult<void> sync() { return file_->sync(); }

 private:
  static constexpr uint64_t kBlock = 4096;

  IoResult<void> read_all();

  std::unique_ptr<File> file_;
  uint64_t block_count_ = 0;
  uint64_t sequence_ = 0;  // of the block written last
  std::vector<RepeatRecord> found_;
};

}  // namespace penstock::spool
