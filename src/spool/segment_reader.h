// SegmentReader: goes through the entries of one segment file, whatever state it is in. It trusts
// nothing it has not checked: a damaged entry is stepped over, and the next whole one found.
//
//   while (auto entry = *reader.next()) { … reader.read_payload(…) … }
//
// Memory: one window of the file (window_bytes). Thread: one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "record/batch.h"
#include "spool/file_system.h"
#include "spool/segment_format.h"

namespace penstock::spool {

// Bytes in which no entry could be made out.
struct BadRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct StoredEntry {
  uint32_t offset = 0;
  EntryHeader header;
  std::string source;
  std::string tag;
  std::string stream;  // this and the next two: dead letters only
  std::string reason;
  std::string detail;
  std::optional<OverflowOrigin> origin;  // overflow logs only

  [[nodiscard]] uint64_t end() const { return offset + entry_size(header); }
};

struct SegmentIndex {
  std::vector<IndexEntry> entries;
  std::vector<IndexOrigin> origins;  // overflow segments: one for each entry
};

class SegmentReader {
 public:
  static constexpr size_t kWindowBytes = 256 << 10;

  // Takes the file as it is; header() is nullopt when neither copy of the header is whole.
  static IoResult<SegmentReader> open(std::unique_ptr<File> file,
                                      size_t window_bytes = kWindowBytes);

  [[nodiscard]] const std::optional<SegmentHeader>& header() const { return header_; }

  // The index of a sealed segment, when it is whole.
  IoResult<std::optional<SegmentIndex>> read_index();

  // The next entry is looked for at offset or behind it, and before `limit`.
  void seek(uint64_t offset) { cursor_ = offset; }
  // Raises or lowers it. What lies behind the limit may be being written: it is not kept in memory
  // over a change of the limit.
  void set_limit(uint64_t limit) {
    if (limit != limit_) window_.clear();
    limit_ = std::min(limit, file_bytes_);
  }

  // The next entry with a whole header; nullopt when there is none before the limit.
  IoResult<std::optional<StoredEntry>> next();
  // The payload of the entry next() gave last; nullopt when it is damaged.
  IoResult<std::optional<ByteBuffer>> read_payload();

  // What next() has stepped over so far; what lies behind the last whole entry is not among it.
  [[nodiscard]] const std::vector<BadRange>& bad_ranges() const { return bad_ranges_; }
  // Whether the bytes at the place where next() found nothing more look like the beginning of an
  // entry of this segment: a torn one.
  [[nodiscard]] bool torn_at_end() const { return torn_at_end_; }

 private:
  SegmentReader(std::unique_ptr<File> file, uint64_t file_bytes, size_t window_bytes)
      : file_(std::move(file)), file_bytes_(file_bytes), window_(window_bytes) {}

  IoResult<void> read_header();
  // Bytes [offset, offset + size) of the file, or less at its end. size ≤ the window's.
  IoResult<ByteView> view(uint64_t offset, size_t size);
  IoResult<std::optional<StoredEntry>> entry_at(uint64_t offset);
  IoResult<std::optional<StoredEntry>> search(uint64_t offset);

  std::unique_ptr<File> file_;
  uint64_t file_bytes_;
  std::optional<SegmentHeader> header_;
  ByteBuffer window_;
  uint64_t window_offset_ = 0;

  uint64_t cursor_ = kBlockBytes;
  uint64_t limit_ = 0;
  StoredEntry current_;
  std::vector<BadRange> bad_ranges_;
  bool torn_at_end_ = false;
};

// A segment of the log in this directory. nullopt: there is no such file, though the directory is
// there, or it is damaged from its beginning, or belongs elsewhere.
IoResult<std::optional<SegmentReader>> open_segment_of(FileSystem& file_system,
                                                       const std::string& directory,
                                                       uint64_t number);

// A batch as next() and read_payload() gave it.
[[nodiscard]] record::Batch batch_of(StoredEntry entry, ByteBuffer payload);

}  // namespace penstock::spool
