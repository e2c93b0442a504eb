#include "spool/segment_recovery.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "spool/segment_writer.h"

namespace penstock::spool {
namespace {

bool in_order(const std::vector<IndexEntry>& entries, uint64_t end) {
  uint64_t at = kBlockBytes;
  for (const IndexEntry& entry : entries) {
    if (entry.offset < at || entry.offset + sizeof(EntryHeader) > end) return false;
    at = entry.offset + sizeof(EntryHeader);
  }
  return true;
}

// But for the last block: of a segment whose birth was interrupted the copy of the header may be
// there in part.
IoResult<bool> all_zeros(File& file, uint64_t bytes) {
  bytes -= std::min(bytes, kBlockBytes);
  std::vector<uint8_t> block(static_cast<size_t>(std::min(bytes, 16 * kBlockBytes)));
  const auto got = file.read_at(0, block);
  if (!got) return failure(got.error());
  return std::all_of(block.begin(), block.end(), [](uint8_t byte) { return byte == 0; });
}

// Something broken, and the latest run that it may have been written in.
struct Broken {
  LostEntry entry;
  uint16_t run = 0;
};

// What is before the last run was synced, so that it was whole once. The rest may never have been.
void find_lost(const std::vector<Broken>& broken, uint16_t last_run, RecoveredSegment& segment) {
  for (const Broken& one : broken) {
    if (one.run < last_run) {
      segment.lost.push_back(one.entry);
    } else {
      segment.first_break = std::min<uint64_t>(segment.first_break, one.entry.begin);
    }
  }
}

// Goes through every entry. What is broken behind the last whole one is torn, the rest is damaged.
IoResult<void> walk(SegmentReader& reader, RecoveredSegment& segment) {
  uint64_t broken_bytes = 0;  // of broken entries since the last whole one
  uint64_t broken_before = 0;
  size_t ranges_before = 0;
  size_t ranges_seen = 0;
  uint16_t last_run = 0;
  std::vector<Broken> broken;
  const bool overflow = (segment.header.flags & kOverflowSegment) != 0;
  for (;;) {
    const auto entry = reader.next();
    if (!entry) return failure(entry.error());
    if (!entry->has_value()) break;
    const EntryHeader& header = (*entry)->header;
    last_run = std::max(last_run, header.run);
    for (; ranges_seen < reader.bad_ranges().size(); ++ranges_seen) {
      const BadRange& range = reader.bad_ranges()[ranges_seen];
      broken.push_back({{range.begin, range.end, 1}, header.run});
    }
    const auto payload = reader.read_payload();
    if (!payload) return failure(payload.error());
    // Entries of an overflow log have origins, those of other logs none.
    if (!payload->has_value() || (*entry)->origin.has_value() != overflow) {
      broken_bytes += (*entry)->end() - (*entry)->offset;
      broken.push_back({{(*entry)->offset, (*entry)->end(), header.event_count}, header.run});
      continue;
    }
    broken_before = broken_bytes;
    ranges_before = reader.bad_ranges().size();
    segment.entries.push_back(index_of((*entry)->offset, header));
    if ((*entry)->origin) {
      const OverflowOrigin& origin = *(*entry)->origin;
      segment.origins.push_back({origin.position.segment, origin.position.offset, 0});
      segment.buckets |= origin.buckets;
    }
    segment.entries_end = (*entry)->end();
    if (segment.entries.size() == kSegmentEntriesMax) break;  // no more than a writer makes
  }
  find_lost(broken, last_run, segment);
  segment.damaged_bytes = broken_before;
  segment.torn_bytes = broken_bytes - broken_before;
  for (size_t i = 0; i < reader.bad_ranges().size(); ++i) {
    const BadRange& range = reader.bad_ranges()[i];
    (i < ranges_before ? segment.damaged_bytes : segment.torn_bytes) += range.end - range.begin;
  }
  if (reader.torn_at_end()) segment.torn_bytes += sizeof(EntryHeader);
  if (segment.torn_bytes > 0) {
    segment.first_break = std::min(segment.first_break, segment.entries_end);
  }
  return {};
}

}  // namespace

IoResult<RecoveredSegment> recover_segment(std::unique_ptr<File> file, uint64_t number,
                                           Verify verify) {
  using State = RecoveredSegment::State;
  RecoveredSegment segment;
  const auto size = file->size();
  if (!size) return failure(size.error());
  segment.file_bytes = *size;
  const auto empty = all_zeros(*file, *size);
  if (!empty) return failure(empty.error());
  auto reader = SegmentReader::open(std::move(file));
  if (!reader) return failure(reader.error());
  if (!reader->header()) {
    segment.state = *empty ? State::unborn : State::no_header;
    if (!*empty) segment.damaged_bytes = *size;
    return segment;
  }
  segment.header = *reader->header();
  if (segment.header.number != number) return segment;  // unborn: the file of an earlier segment

  auto index = reader->read_index();
  if (!index) return failure(index.error());
  const bool indexed =
      index->has_value() && in_order((*index)->entries, segment.header.entries_end);
  if (indexed && verify == Verify::what_is_unsure) {
    segment.state = State::sealed;
    segment.entries = std::move((*index)->entries);
    segment.origins = std::move((*index)->origins);
    segment.buckets = loaded(segment.header.buckets);
    segment.entries_end = segment.header.entries_end;
    return segment;
  }
  segment.state = indexed ? State::sealed : State::open;
  if (auto done = walk(*reader, segment); !done) return failure(done.error());
  if (indexed) {  // nothing can be torn in what was synced and sealed
    segment.damaged_bytes += std::exchange(segment.torn_bytes, 0);
    segment.entries_end = segment.header.entries_end;
  }
  return segment;
}

IoResult<RecoveredSegment> recover_durably(FileSystem& file_system, const std::string& path,
                                           uint64_t number) {
  for (const bool again : {false, true}) {
    auto file = file_system.open(path, {.write = true});
    if (!file) return failure(file.error());
    if (auto done = (*file)->sync(); !done) return failure(done.error());
    if (again) (*file)->drop_cache();
    auto segment = recover_segment(std::move(*file), number);
    if (!segment || again || segment->state == RecoveredSegment::State::sealed) return segment;
  }
  return failure(IoError{EIO});  // not reached
}

void cut_entries(RecoveredSegment& segment, uint64_t end) {
  while (!segment.entries.empty() && segment.entries.back().offset >= end) {
    segment.entries.pop_back();
    if (!segment.origins.empty()) segment.origins.pop_back();
  }
  std::erase_if(segment.lost, [&](const LostEntry& entry) { return entry.begin >= end; });
}

namespace {

// An index of more entries than are left: the new one is written over some of those. If the process
// stops before the file is cut, they must not be found by the old one.
IoResult<void> take_back_index(File& file, const RecoveredSegment& segment) {
  SegmentHeader header = segment.header;
  header.index_offset = 0;
  header.index_checksum = 0;
  header.entry_count = 0;
  header.entries_end = 0;
  const ByteView bytes{reinterpret_cast<const uint8_t*>(&header), sizeof header};
  header.checksum = checksum64(bytes.first(offsetof(SegmentHeader, checksum)));
  const uint64_t last_block = (segment.file_bytes / kBlockBytes - 1) * kBlockBytes;
  if (auto done = file.write_at(last_block, bytes); !done) return done;
  return file.sync();
}

}  // namespace

IoResult<void> seal_recovered(FileSystem& file_system, const std::string& path,
                              RecoveredSegment& segment) {
  auto file = file_system.open(path, {.write = true});
  if (!file) return failure(file.error());
  if (segment.header.index_offset > 0) {
    if (auto done = take_back_index(**file, segment); !done) return done;
  }
  SegmentHeader header = segment.header;
  const std::vector<uint8_t> index = index_image(segment.entries, segment.origins);
  header.buckets = stored(segment.buckets);
  header.index_offset = round_up(segment.entries_end, kBlockBytes);
  header.index_checksum = checksum64(index, header.salt);
  header.entry_count = static_cast<uint32_t>(segment.entries.size());
  header.entries_end = segment.entries_end;
  const uint64_t last_block = round_up(header.index_offset + index.size(), kBlockBytes);
  header.file_bytes = last_block + kBlockBytes;
  const ByteView bytes{reinterpret_cast<const uint8_t*>(&header), sizeof header};
  header.checksum = checksum64(bytes.first(offsetof(SegmentHeader, checksum)));

  // Cut last: a file that is shorter than block 0 says has a whole last block, or was damaged.
  if (auto done = (*file)->write_at(header.index_offset, index); !done) return done;
  if (auto done = (*file)->write_at(last_block, bytes); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = (*file)->truncate(header.file_bytes); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  segment.header = header;
  segment.file_bytes = header.file_bytes;
  segment.state = RecoveredSegment::State::sealed;
  return {};
}

}  // namespace penstock::spool
