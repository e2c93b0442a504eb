#include "spool/segment_writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace penstock::spool {
namespace {

constexpr size_t kTextMax = 0xffff;

uint16_t text_size(std::string_view text) {
  return static_cast<uint16_t>(std::min(text.size(), kTextMax));
}

template <class T>
ByteView bytes_of(const T& object) {
  return {reinterpret_cast<const uint8_t*>(&object), sizeof object};
}

EntryHeader header_of(const EntryToStore& entry) {
  const record::Batch& batch = *entry.batch;
  EntryHeader header;
  header.payload_size = static_cast<uint32_t>(batch.entries_size);
  header.event_count = batch.event_count;
  header.first_index = batch.first_index;
  header.part_count = entry.chunk.part_count;
  header.encoding = static_cast<uint8_t>(batch.encoding);
  header.flags = static_cast<uint8_t>((entry.chunk.fingerprint ? kFingerprint : 0) |
                                      (entry.chunk.replayed ? kReplayed : 0) |
                                      (entry.origin != nullptr ? kOverflowed : 0));
  header.received_ns = batch.received_ns;
  header.id = batch.id;
  header.key = entry.chunk.key;
  header.part_key = entry.chunk.part_key;
  header.source_size = text_size(batch.source);
  header.tag_size = text_size(batch.tag);
  header.stream_size = text_size(entry.stream);
  header.reason_size = text_size(entry.reason);
  header.detail_size = text_size(entry.detail);
  header.header_size = static_cast<uint32_t>(round_up(sizeof(EntryHeader) + texts_size(header), 8));
  if (entry.origin != nullptr)
    header.header_size += static_cast<uint32_t>(encoded_size(*entry.origin));
  return header;
}

// The texts, their padding, and the origin.
std::string behind_header(const EntryToStore& entry, const EntryHeader& header) {
  std::string bytes;
  bytes.reserve(header.header_size - sizeof header);
  bytes += std::string_view(entry.batch->source).substr(0, kTextMax);
  bytes += std::string_view(entry.batch->tag).substr(0, kTextMax);
  bytes += entry.stream.substr(0, kTextMax);
  bytes += entry.reason.substr(0, kTextMax);
  bytes += entry.detail.substr(0, kTextMax);
  bytes.resize(round_up(sizeof header + bytes.size(), 8) - sizeof header);
  if (entry.origin != nullptr) encode(*entry.origin, bytes);
  CHECK(bytes.size() == header.header_size - sizeof header);
  return bytes;
}

constexpr std::array<uint8_t, kBlockBytes> kZeros{};

}  // namespace

uint64_t stored_size(const EntryToStore& entry) { return entry_size(header_of(entry)); }

std::vector<uint8_t> index_image(const std::vector<IndexEntry>& entries,
                                 const std::vector<IndexOrigin>& origins) {
  std::vector<uint8_t> image(entries.size() * sizeof(IndexEntry) +
                             origins.size() * sizeof(IndexOrigin));
  const size_t entry_bytes = entries.size() * sizeof(IndexEntry);
  if (!entries.empty()) std::memcpy(image.data(), entries.data(), entry_bytes);
  if (!origins.empty()) {
    std::memcpy(image.data() + entry_bytes, origins.data(), origins.size() * sizeof(IndexOrigin));
  }
  return image;
}

uint64_t segment_bytes_for(uint64_t entry_bytes) {
  return kBlockBytes + round_up(entry_bytes, kBlockBytes) + kBlockBytes + kBlockBytes;
}

IoResult<std::unique_ptr<SegmentWriter>> SegmentWriter::create(FileSystem& file_system,
                                                               Options options,
                                                               AlignedBuffer& staging) {
  bool direct = options.direct;
  auto file = file_system.open(options.path, {.write = true, .create = true, .direct = direct});
  if (!file && file.error().code == EINVAL && direct) {
    direct = false;
    file = file_system.open(options.path, {.write = true, .create = true});
  }
  if (!file) return failure(file.error());
  if (auto done = (*file)->allocate(options.file_bytes); !done) return failure(done.error());

  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(std::move(*file), direct, staging));
  SegmentHeader& header = writer->header_;
  header.number = options.number;
  header.salt = options.salt;
  header.created_ns = options.created_ns;
  header.file_bytes = options.file_bytes;
  header.log = options.log;
  header.flags = kCountedSegment;
  if (options.overflow) header.flags |= kOverflowSegment;
  header.entries_before = options.before.entries;
  header.events_before = options.before.events;
  header.cut_count =
      static_cast<uint32_t>(std::min<size_t>(options.cuts.size(), SegmentHeader::kCutsMax));
  std::copy_n(options.cuts.end() - header.cut_count, header.cut_count, header.cuts);
  if (auto done = writer->write_headers(); !done) {
    // Some file systems take O_DIRECT at open and refuse it at the write.
    if (!direct || done.error().code != EINVAL) return failure(done.error());
    options.direct = false;
    return create(file_system, std::move(options), staging);
  }
  return writer;
}

ByteView SegmentWriter::stage_header() {
  header_.checksum = checksum64(bytes_of(header_).first(offsetof(SegmentHeader, checksum)));
  std::memcpy(staging_.data(), &header_, kBlockBytes);
  return {staging_.data(), kBlockBytes};
}

// The copy is safe before block 0 is touched: whenever the power goes, one of the two is whole, or
// block 0 is still that of the file's earlier life (or zeros), which has another number.
IoResult<void> SegmentWriter::write_headers() {
  const ByteView block = stage_header();
  if (auto done = file_->write_at(header_.file_bytes - kBlockBytes, block); !done) return done;
  if (auto done = file_->sync(); !done) return done;
  if (auto done = file_->write_at(0, block); !done) return done;
  return file_->sync();
}

uint64_t SegmentWriter::index_bytes(size_t entries) const {
  const bool overflow = (header_.flags & kOverflowSegment) != 0;
  return round_up(entries * (sizeof(IndexEntry) + (overflow ? sizeof(IndexOrigin) : 0)),
                  kBlockBytes);
}

uint64_t SegmentWriter::room() const {
  const uint64_t used = end_ + index_bytes(index_.size() + 1) + kBlockBytes;
  return used >= header_.file_bytes || index_.size() >= kSegmentEntriesMax
             ? 0
             : header_.file_bytes - used;
}

bool SegmentWriter::has_room_for(uint64_t entry_bytes) const {
  if (index_.size() >= kSegmentEntriesMax) return false;
  const uint64_t entries_end = (staged_ > 0 ? run_begin_ + staged_ : end_) + entry_bytes;
  return round_up(entries_end, kBlockBytes) + index_bytes(index_.size() + 1) + kBlockBytes <=
         header_.file_bytes;
}

IoResult<uint32_t> SegmentWriter::append(const EntryToStore& entry) {
  if (staged_ == 0) run_begin_ = std::max(run_begin_, end_);
  const auto offset = static_cast<uint32_t>(run_begin_ + staged_);
  const uint64_t seed = header_.salt ^ offset;
  EntryHeader header = header_of(entry);
  const ByteView payload = entry.batch->entries();
  const uint64_t payload_check = checksum64(payload, seed);
  header.run = run_;
  header.marker = kEntryMarker ^ static_cast<uint32_t>(header_.salt);
  header.payload_check_low = static_cast<uint32_t>(payload_check);
  header.payload_check_high = static_cast<uint32_t>(payload_check >> 32);

  const std::string texts = behind_header(entry, header);
  header.header_check = static_cast<uint32_t>(
      checksum64(as_bytes(texts),
                 checksum64(bytes_of(header).first(offsetof(EntryHeader, header_check)), seed)));

  if (auto done = stage(bytes_of(header)); !done) return failure(done.error());
  if (auto done = stage(as_bytes(texts)); !done) return failure(done.error());
  if (auto done = stage(payload); !done) return failure(done.error());
  const size_t padding = round_up(payload.size(), 8) - payload.size();
  if (auto done = stage(ByteView(kZeros).first(padding)); !done) return failure(done.error());
  header_.entries_end = run_begin_ + staged_;

  index_.push_back(index_of(offset, header));
  if (entry.origin != nullptr) {
    origins_.push_back({entry.origin->position.segment, entry.origin->position.offset, 0});
    for (size_t i = 0; i < std::size(header_.buckets.words); ++i) {
      header_.buckets.words[i] |= stored(entry.origin->buckets).words[i];
    }
  }
  return offset;
}

IoResult<void> SegmentWriter::stage(ByteView bytes) {
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), staging_.size() - staged_);
    std::memcpy(staging_.data() + staged_, bytes.data(), n);
    staged_ += n;
    bytes = bytes.subspan(n);
    if (staged_ == staging_.size()) {
      if (auto done = write_staged(false); !done) return done;
    }
  }
  return {};
}

IoResult<void> SegmentWriter::write_staged(bool last) {
  const size_t size = round_up(staged_, kBlockBytes);
  CHECK(last || size == staged_);
  std::memset(staging_.data() + staged_, 0, size - staged_);
  if (auto done = file_->write_at(run_begin_, {staging_.data(), size}); !done) return done;
  run_begin_ += size;
  staged_ = 0;
  return {};
}

IoResult<void> SegmentWriter::finish_run() {
  if (staged_ > 0) {
    if (auto done = write_staged(true); !done) return done;
  }
  if (run_begin_ > end_) ++run_;
  end_ = std::max(end_, run_begin_);
  return {};
}

IoResult<void> SegmentWriter::seal() {
  CHECK(staged_ == 0);
  if (index_.empty()) return {};
  CHECK(origins_.size() == ((header_.flags & kOverflowSegment) != 0 ? index_.size() : 0));
  const std::vector<uint8_t> index = index_image(index_, origins_);
  header_.index_offset = end_;
  header_.index_checksum = checksum64(index, header_.salt);
  header_.entry_count = static_cast<uint32_t>(index_.size());
  run_begin_ = end_;
  if (auto done = stage(index); !done) return done;
  if (staged_ > 0) {
    if (auto done = write_staged(true); !done) return done;
  }
  index_ = {};
  origins_ = {};
  return file_->write_at(header_.file_bytes - kBlockBytes, stage_header());
}

}  // namespace penstock::spool
