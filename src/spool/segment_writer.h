// SegmentWriter: one segment file being filled, in runs: append() any number of entries, then
// finish_run(), then sync(); only then are they safe. See segment_format.h for the layout.
//
// After any error the writer is spent: what was not synced has to be written to another segment.
// It never writes a block twice (but for the last block of the file, which holds no entries).
//
// Thread: one, the commit thread. The staging buffer belongs to its caller, and is in use between
// append() and finish_run().
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "record/batch.h"
#include "spool/file_system.h"
#include "spool/log_totals.h"
#include "spool/segment_format.h"

namespace penstock::spool {

// Memory that O_DIRECT takes.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(size_t size)
      : bytes_(static_cast<uint8_t*>(std::aligned_alloc(kBlockBytes, size))), size_(size) {
    CHECK(bytes_ != nullptr);
  }
  uint8_t* data() { return bytes_.get(); }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(uint8_t* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<uint8_t, Free> bytes_;
  size_t size_;
};

// Which part of which chunk an entry is.
struct ChunkPart {
  Hash128 key;               // of the chunk
  bool fingerprint = false;  // the key is one
  bool replayed = false;     // a dead letter that was handed back
  uint64_t part_key = 0;
  uint16_t part_count = 1;
};

// An entry as it is to be stored. Borrows everything.
struct EntryToStore {
  const record::Batch* batch = nullptr;
  ChunkPart chunk;
  std::string_view stream;  // this and the next two: dead letters only
  std::string_view reason;
  std::string_view detail;
  const OverflowOrigin* origin = nullptr;  // overflow logs only
};

// What the entry takes in a segment.
[[nodiscard]] uint64_t stored_size(const EntryToStore& entry);
// The index of a sealed segment as it lies on disk.
[[nodiscard]] std::vector<uint8_t> index_image(const std::vector<IndexEntry>& entries,
                                               const std::vector<IndexOrigin>& origins);
// The smallest file that holds an entry of this size and nothing else.
[[nodiscard]] uint64_t segment_bytes_for(uint64_t entry_bytes);

class SegmentWriter {
 public:
  struct Options {
    std::string path;
    uint64_t number = 0;
    uint64_t salt = 0;
    int64_t created_ns = 0;
    uint64_t file_bytes = 0;
    std::vector<SegmentCut> cuts;
    bool direct = true;
    bool overflow = false;  // every entry has an origin
    uint64_t log = 0;       // log_id()
    Tally before;           // stored in the log before this segment
  };

  // Makes the file (or takes the one at path, overwriting it), writes its headers and syncs it;
  // syncing the directory is left to the caller.
  static IoResult<std::unique_ptr<SegmentWriter>> create(FileSystem& file_system, Options options,
                                                         AlignedBuffer& staging);

  [[nodiscard]] bool has_room_for(uint64_t entry_bytes) const;
  // Where the entry stands. The payload is copied out of the batch here.
  IoResult<uint32_t> append(const EntryToStore& entry);
  IoResult<void> finish_run();
  IoResult<void> sync() { return file_->sync(); }
  // Writes index and last block, which are safe after the next sync(). All entries must be synced
  // before. No appends afterwards.
  IoResult<void> seal();

  [[nodiscard]] uint64_t number() const { return header_.number; }
  // First byte behind the last finished run; the next entry stands there or behind it.
  [[nodiscard]] uint64_t end() const { return end_; }
  // How many more bytes of entries it takes, if they come one a run.
  [[nodiscard]] uint64_t room() const;
  [[nodiscard]] bool direct() const { return direct_; }

 private:
  SegmentWriter(std::unique_ptr<File> file, bool direct, AlignedBuffer& staging)
      : file_(std::move(file)), direct_(direct), staging_(staging) {}

  [[nodiscard]] uint64_t index_bytes(size_t entries) const;
  ByteView stage_header();
  IoResult<void> write_headers();
  IoResult<void> stage(ByteView bytes);
  IoResult<void> write_staged(bool last);

  std::unique_ptr<File> file_;
  bool direct_;
  AlignedBuffer& staging_;
  SegmentHeader header_;
  std::vector<IndexEntry> index_;
  std::vector<IndexOrigin> origins_;  // of an overflow log
  uint64_t run_begin_ = 0;            // where staging_[0] goes; always at a block
  size_t staged_ = 0;
  uint64_t end_ = kBlockBytes;
  uint16_t run_ = 1;  // no more than entries
};

}  // namespace penstock::spool
