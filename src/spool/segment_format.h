// What a segment file looks like. doc/spool-format.md says it in prose; change both together.
//
//   block 0          SegmentHeader                              4096 bytes
//   block 1 …        runs of entries; a run begins at a block and ends with zeros up to the next
//                    one: a block is written once and never again, so what is acknowledged cannot
//                    be torn by a later write
//   after the last   IndexEntry × entries, beginning at a block (sealed segments only); in an
//                    overflow log IndexOrigin × entries behind them
//   last block       SegmentHeader again, a copy; in a sealed segment it says where the index is
//
//   entry   EntryHeader     96 bytes
//           source tag stream reason detail     texts, one after the other, then zeros up to 8
//           origin          overflow logs only, see overflow_origin.h
//           payload                             the batch's entries, then zeros up to 8
//
// Numbers are little-endian. A file is used again for a later segment without being wiped: each
// life of it has its own salt, which is part of the marker and of every checksum, so nothing of an
// earlier life can be taken for an entry, nor anything a sender puts into a payload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/hash.h"
#include "spool/overflow_origin.h"

namespace penstock::spool {

inline constexpr uint64_t kBlockBytes = 4096;
inline constexpr uint64_t kSegmentMagic = 0x3147455350534e50;  // "PNSPSEG1" as it lies on disk
inline constexpr uint32_t kFormatVersion = 2;
inline constexpr uint32_t kOldestFormatVersion = 1;   // that is still read
inline constexpr uint32_t kEntryMarker = 0x59544e45;  // "ENTY", xor the lower half of the salt
// A segment is sealed when it is full or has this many entries: bounds its index, in memory too.
inline constexpr uint32_t kSegmentEntriesMax = 32768;
inline constexpr uint64_t kSegmentFileBytesMax = 1ull << 31;  // offsets are 32 bits

// Entries of an earlier segment at or behind `end` do not count: their sync failed, and they were
// written again to a later segment.
struct SegmentCut {
  uint64_t segment = 0;
  uint64_t end = 0;
};

enum SegmentFlags : uint32_t {
  kOverflowSegment = 1,  // its entries and its index name their origins
  kCountedSegment = 2,   // its header says what was stored before it
};

struct SegmentHeader {
  static constexpr uint32_t kCutsMax = 64;

  uint64_t magic = kSegmentMagic;
  uint32_t version = kFormatVersion;
  uint32_t cut_count = 0;
  uint64_t number = 0;  // must agree with the file's name: a file being reused has another one
  uint64_t salt = 0;
  int64_t created_ns = 0;
  uint64_t file_bytes = 0;
  // Sealed segments, last block only; else 0.
  uint64_t index_offset = 0;
  uint64_t index_checksum = 0;
  uint32_t entry_count = 0;
  uint32_t flags = 0;        // SegmentFlags
  uint64_t entries_end = 0;  // first byte behind the last entry
  SegmentCut cuts[kCutsMax] = {};
  // Sealed overflow segments, last block only: the buckets of all entries together.
  StoredBuckets buckets;
  uint64_t log = 0;  // log_id(), so that a file of another log is known for one; 0: not said
  // Stored in the log before this segment, since the log was begun; valid with kCountedSegment.
  uint64_t entries_before = 0;
  uint64_t events_before = 0;
  uint8_t zeros[kBlockBytes - 80 - sizeof(SegmentCut) * kCutsMax - sizeof(StoredBuckets) - 32] = {};
  uint64_t checksum = 0;  // over all bytes before it
};
static_assert(sizeof(SegmentHeader) == kBlockBytes);
static_assert(offsetof(SegmentHeader, cuts) == 80);
static_assert(offsetof(SegmentHeader, checksum) == kBlockBytes - 8);
static_assert(std::is_trivially_copyable_v<SegmentHeader>);

enum EntryFlags : uint8_t {
  kFingerprint = 1,  // key is a fingerprint to recognise the chunk by when it is sent again
  kReplayed = 2,     // a dead letter that was handed back: somebody waits for its delivery
  kOverflowed = 4,   // its events came from another entry: an OverflowOrigin follows the texts
};

struct EntryHeader {
  uint32_t marker = 0;       // kEntryMarker ^ salt
  uint32_t header_size = 0;  // this, the texts, their padding, the origin: where the payload begins
  uint32_t payload_size = 0;
  uint32_t event_count = 0;
  uint32_t first_index = 0;
  uint16_t part_count = 0;  // entries that the chunk was stored as, in all logs together
  uint8_t encoding = 0;     // record::Encoding
  uint8_t flags = 0;        // EntryFlags
  int64_t received_ns = 0;
  Hash128 id;             // of the batch; event i has the id (id, first_index + i)
  Hash128 key;            // of the chunk
  uint64_t part_key = 0;  // tells the entries of one chunk apart
  uint16_t source_size = 0;
  uint16_t tag_size = 0;
  uint16_t stream_size = 0;  // this and the next two: dead letters only
  uint16_t reason_size = 0;
  uint16_t detail_size = 0;
  // Of the run in its segment, from 1: what is before a later one was synced. 0: not said.
  uint16_t run = 0;
  uint32_t payload_check_low = 0;  // checksum64 of the payload, in two halves
  uint32_t payload_check_high = 0;
  uint32_t header_check = 0;  // over all before it and up to the payload behind it; lower half
};
static_assert(sizeof(EntryHeader) == 96);
static_assert(offsetof(EntryHeader, id) == 32 && offsetof(EntryHeader, part_key) == 64);
static_assert(offsetof(EntryHeader, header_check) == 92);
static_assert(std::is_trivially_copyable_v<EntryHeader>);

// What start-up needs to know of an entry without reading it.
struct IndexEntry {
  uint32_t offset = 0;
  uint32_t event_count = 0;
  int64_t received_ns = 0;
  Hash128 key;
  uint64_t part_key = 0;
  uint16_t part_count = 0;
  uint8_t flags = 0;
  uint8_t reserved[5] = {};
};
static_assert(sizeof(IndexEntry) == 48);
static_assert(std::is_trivially_copyable_v<IndexEntry>);
[[nodiscard]] inline IndexEntry index_of(uint32_t offset, const EntryHeader& header) {
  return {offset,          header.event_count, header.received_ns, header.key,
          header.part_key, header.part_count,  header.flags};
}

// Where the events of an entry of an overflow log came from.
struct IndexOrigin {
  uint64_t segment = 0;
  uint32_t offset = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(IndexOrigin) == 16);
static_assert(std::is_trivially_copyable_v<IndexOrigin>);

constexpr uint64_t round_up(uint64_t size, uint64_t to) { return (size + to - 1) / to * to; }

constexpr uint64_t entry_size(const EntryHeader& header) {
  return header.header_size + round_up(header.payload_size, 8);
}
constexpr uint64_t texts_size(const EntryHeader& header) {
  return uint64_t{header.source_size} + header.tag_size + header.stream_size + header.reason_size +
         header.detail_size;
}

}  // namespace penstock::spool
