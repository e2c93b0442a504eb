#include "spool/segment_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "spool/log_directory.h"

namespace penstock::spool {
namespace {

std::optional<SegmentHeader> header_in(ByteView block, uint64_t file_bytes) {
  if (block.size() < sizeof(SegmentHeader)) return std::nullopt;
  SegmentHeader header;
  std::memcpy(&header, block.data(), sizeof header);
  const bool whole =
      header.magic == kSegmentMagic && header.version >= kOldestFormatVersion &&
      header.version <= kFormatVersion &&
      header.checksum == checksum64(block.first(offsetof(SegmentHeader, checksum))) &&
      header.cut_count <= SegmentHeader::kCutsMax && header.file_bytes <= kSegmentFileBytesMax &&
      header.entries_end <= file_bytes && header.entry_count <= kSegmentEntriesMax;
  if (!whole) return std::nullopt;
  return header;
}

}  // namespace

IoResult<SegmentReader> SegmentReader::open(std::unique_ptr<File> file, size_t window_bytes) {
  const auto size = file->size();
  if (!size) return failure(size.error());
  SegmentReader reader(std::move(file), std::min(*size, kSegmentFileBytesMax),
                       std::max<size_t>(window_bytes, 2 * kBlockBytes));
  if (auto done = reader.read_header(); !done) return failure(done.error());
  reader.limit_ = reader.file_bytes_;
  if (reader.header_ && reader.header_->index_offset > 0) {
    reader.limit_ = reader.header_->entries_end;
  } else if (reader.file_bytes_ == (reader.header_ ? reader.header_->file_bytes : 0)) {
    reader.limit_ = reader.file_bytes_ - kBlockBytes;
  }
  return reader;
}

// Block 0, and the last block when it is of the same life: it knows more once the segment is
// sealed, and stands in when block 0 is damaged.
IoResult<void> SegmentReader::read_header() {
  const auto first = view(0, kBlockBytes);
  if (!first) return failure(first.error());
  header_ = header_in(*first, file_bytes_);
  if (file_bytes_ < 2 * kBlockBytes) return {};
  const auto last = view((file_bytes_ / kBlockBytes - 1) * kBlockBytes, kBlockBytes);
  if (!last) return failure(last.error());
  const auto copy = header_in(*last, file_bytes_);
  if (copy && (!header_ || (copy->salt == header_->salt && copy->number == header_->number))) {
    header_ = copy;
  }
  return {};
}

IoResult<std::optional<SegmentIndex>> SegmentReader::read_index() {
  if (!header_ || header_->index_offset == 0) return std::nullopt;
  const uint64_t entries_size = uint64_t{header_->entry_count} * sizeof(IndexEntry);
  const bool overflow = (header_->flags & kOverflowSegment) != 0;
  const uint64_t origins_size = overflow ? uint64_t{header_->entry_count} * sizeof(IndexOrigin) : 0;
  const uint64_t size = entries_size + origins_size;
  if (header_->index_offset > file_bytes_ || size > file_bytes_ - header_->index_offset) {
    return std::nullopt;
  }
  std::vector<uint8_t> image(size);
  const auto got = file_->read_at(header_->index_offset, image);
  if (!got) return failure(got.error());
  if (*got != size || checksum64(image, header_->salt) != header_->index_checksum) {
    return std::nullopt;
  }
  SegmentIndex index;
  index.entries.resize(header_->entry_count);
  if (entries_size > 0) std::memcpy(index.entries.data(), image.data(), entries_size);
  index.origins.resize(overflow ? header_->entry_count : 0);
  if (origins_size > 0) {
    std::memcpy(index.origins.data(), image.data() + entries_size, origins_size);
  }
  return index;
}

IoResult<ByteView> SegmentReader::view(uint64_t offset, size_t size) {
  size = static_cast<size_t>(std::min<uint64_t>(size, file_bytes_ - std::min(offset, file_bytes_)));
  if (offset < window_offset_ || offset + size > window_offset_ + window_.size()) {
    window_offset_ = offset;
    window_.clear();
    const auto got = file_->read_at(offset, window_.free_space());
    if (!got) return failure(got.error());
    window_.commit(*got);
    size = std::min(size, *got);
  }
  return window_.view().subspan(static_cast<size_t>(offset - window_offset_), size);
}

IoResult<std::optional<StoredEntry>> SegmentReader::entry_at(uint64_t offset) {
  const auto fixed = view(offset, sizeof(EntryHeader));
  if (!fixed) return failure(fixed.error());
  if (fixed->size() < sizeof(EntryHeader)) return std::nullopt;
  StoredEntry entry;
  EntryHeader& header = entry.header;
  std::memcpy(&header, fixed->data(), sizeof header);
  if (header.marker != (kEntryMarker ^ static_cast<uint32_t>(header_->salt))) return std::nullopt;
  const uint64_t seed = header_->salt ^ static_cast<uint32_t>(offset);
  const uint64_t fixed_check = checksum64(fixed->first(offsetof(EntryHeader, header_check)), seed);

  const uint64_t texts_end = round_up(sizeof header + texts_size(header), 8);
  const bool overflowed = (header.flags & kOverflowed) != 0;
  const uint64_t origin_max = overflowed ? encoded_origin_max(header.event_count) : 0;
  if (header.header_size % 8 != 0 || header.header_size < texts_end ||
      header.header_size > texts_end + origin_max) {
    return std::nullopt;
  }
  if (offset + entry_size(header) > limit_) return std::nullopt;
  // Texts are at most 5 × 64 KiB, an origin is what its events need: the window may be smaller.
  std::string texts(header.header_size - sizeof header, '\0');
  const auto in_window = view(offset + sizeof header, std::min(texts.size(), window_.capacity()));
  if (!in_window) return failure(in_window.error());
  if (in_window->size() == texts.size()) {
    std::memcpy(texts.data(), in_window->data(), texts.size());
  } else {
    const auto got = file_->read_at(offset + sizeof header,
                                    {reinterpret_cast<uint8_t*>(texts.data()), texts.size()});
    if (!got) return failure(got.error());
    if (*got < texts.size()) return std::nullopt;
  }
  if (static_cast<uint32_t>(checksum64(as_bytes(texts), fixed_check)) != header.header_check) {
    return std::nullopt;
  }
  entry.offset = static_cast<uint32_t>(offset);
  size_t at = 0;
  const auto take = [&](size_t size) { return texts.substr(std::exchange(at, at + size), size); };
  entry.source = take(header.source_size);
  entry.tag = take(header.tag_size);
  entry.stream = take(header.stream_size);
  entry.reason = take(header.reason_size);
  entry.detail = take(header.detail_size);
  if (overflowed) {
    const auto origin = as_bytes(texts).subspan(texts_end - sizeof header);
    entry.origin = decode_origin(origin, header.event_count);
    if (!entry.origin) return std::nullopt;
  }
  return entry;
}

IoResult<std::optional<StoredEntry>> SegmentReader::next() {
  torn_at_end_ = false;
  if (!header_) return std::nullopt;
  const auto found_at = [this](StoredEntry entry) {
    cursor_ = entry.end();
    current_ = entry;
    return std::optional<StoredEntry>(std::move(entry));
  };
  uint64_t at = round_up(cursor_, 8);
  if (at % kBlockBytes != 0 && at < limit_) {
    auto entry = entry_at(at);
    if (!entry) return failure(entry.error());
    if (entry->has_value()) return found_at(std::move(**entry));
    // Zeros: the run ends here. Anything else is damage, and entries may follow in this block.
    const uint64_t boundary = std::min(round_up(at, kBlockBytes), limit_);
    const auto rest = view(at, static_cast<size_t>(boundary - at));
    if (!rest) return failure(rest.error());
    if (std::all_of(rest->begin(), rest->end(), [](uint8_t b) { return b == 0; })) at = boundary;
  }
  auto entry = at < limit_ ? search(at) : std::nullopt;
  if (!entry) return failure(entry.error());
  if (!entry->has_value()) {
    const auto word = view(at, 4);
    if (!word) return failure(word.error());
    const uint32_t marker = kEntryMarker ^ static_cast<uint32_t>(header_->salt);
    torn_at_end_ = at < limit_ && word->size() == 4 && std::memcmp(word->data(), &marker, 4) == 0;
    cursor_ = at;
    return std::nullopt;
  }
  if ((*entry)->offset > at) bad_ranges_.push_back({at, (*entry)->offset});
  return found_at(std::move(**entry));
}

IoResult<std::optional<StoredEntry>> SegmentReader::search(uint64_t offset) {
  const uint32_t marker = kEntryMarker ^ static_cast<uint32_t>(header_->salt);
  while (offset + sizeof(EntryHeader) <= limit_) {
    const auto word = view(offset, 8);
    if (!word) return failure(word.error());
    if (word->size() < 8) return std::nullopt;
    // To the end of the window in one go.
    const size_t begin = static_cast<size_t>(offset - window_offset_);
    const uint8_t* bytes = window_.data();
    size_t i = begin;
    for (; i + 8 <= window_.size(); i += 8) {
      uint32_t candidate;
      std::memcpy(&candidate, bytes + i, sizeof candidate);
      if (candidate == marker) break;
    }
    offset += i - begin;
    if (i + 8 > window_.size()) continue;
    auto entry = entry_at(offset);
    if (!entry || entry->has_value()) return entry;
    offset += 8;
  }
  return std::nullopt;
}

IoResult<std::optional<ByteBuffer>> SegmentReader::read_payload() {
  ByteBuffer payload(current_.header.payload_size);
  payload.resize(current_.header.payload_size);
  const std::span<uint8_t> into(payload.data(), payload.size());
  const uint64_t begin = current_.offset + current_.header.header_size;
  if (into.size() <= window_.capacity()) {
    const auto bytes = view(begin, into.size());
    if (!bytes) return failure(bytes.error());
    if (bytes->size() < into.size()) return std::nullopt;
    if (!bytes->empty()) std::memcpy(into.data(), bytes->data(), bytes->size());
  } else {
    const auto got = file_->read_at(begin, into);
    if (!got) return failure(got.error());
    if (*got < into.size()) return std::nullopt;
  }
  const uint64_t check =
      uint64_t{current_.header.payload_check_high} << 32 | current_.header.payload_check_low;
  if (checksum64(into, header_->salt ^ current_.offset) != check) return std::nullopt;
  return payload;
}

IoResult<std::optional<SegmentReader>> open_segment_of(FileSystem& file_system,
                                                       const std::string& directory,
                                                       uint64_t number) {
  auto file = file_system.open(segment_path(directory, number), {});
  if (!file) {
    // A directory that was moved away may come back.
    const bool is_gone = file.error().code == ENOENT && file_system.list(directory).has_value();
    if (is_gone) return std::nullopt;
    return failure(file.error());
  }
  auto reader = SegmentReader::open(std::move(*file));
  if (!reader) return failure(reader.error());
  const auto& header = reader->header();
  if (!header || header->number != number) return std::nullopt;
  const uint64_t log = log_id(directory, false);
  if (header->log != 0 && log != 0 && header->log != log) return std::nullopt;
  return std::optional(std::move(*reader));
}

record::Batch batch_of(StoredEntry entry, ByteBuffer payload) {
  record::Batch batch;
  batch.source = std::move(entry.source);
  batch.tag = std::move(entry.tag);
  batch.encoding = entry.header.encoding == 0 ? record::Encoding::msgpack : record::Encoding::json;
  batch.event_count = entry.header.event_count;
  batch.received_ns = entry.header.received_ns;
  batch.id = entry.header.id;
  batch.first_index = entry.header.first_index;
  batch.entries_size = payload.size();
  batch.storage = std::move(payload);
  return batch;
}

}  // namespace penstock::spool
