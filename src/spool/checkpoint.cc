#include "spool/checkpoint.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/hash.h"

namespace penstock::spool {
namespace {

constexpr uint64_t kMagic = 0x315450434b4e5350;  // "PSNKCPT1"

// A slot: this, then the pending entries.
struct SlotHeader {
  uint64_t checksum = 0;  // over the rest of this and the pending entries
  uint64_t magic = kMagic;
  uint64_t sequence = 0;  // the higher one is the newer
  uint64_t read_segment = 0;
  uint32_t read_offset = 0;
  uint32_t pending_count = 0;
  uint64_t totals_checksum = 0;  // of the totals behind the pending entries; 0: there are none
};
static_assert(sizeof(SlotHeader) == 48);

struct SlotEntry {
  uint64_t segment = 0;
  uint32_t offset = 0;
  uint32_t reserved = 0;  // version 1: how many of its events were final
};
static_assert(sizeof(SlotEntry) == 16);

enum SlotTotalsFlags : uint64_t { kExact = 1, kClosed = 2 };

struct SlotTotals {
  uint64_t log = 0;
  uint64_t entries_stored = 0;
  uint64_t events_stored = 0;
  uint64_t entries_pending = 0;
  uint64_t events_pending = 0;
  uint64_t newest_segment = 0;
  uint64_t flags = 0;
  uint64_t reserved = 0;
};
static_assert(sizeof(SlotTotals) == CheckpointFile::kTotalsBytes);
static_assert(sizeof(SlotHeader) + CheckpointFile::kPendingMax * sizeof(SlotEntry) +
                  sizeof(SlotTotals) <=
              CheckpointFile::kSlotBytes);

// Without totals a slot may list more: versions that wrote none did.
constexpr size_t kReadPendingMax =
    (CheckpointFile::kSlotBytes - sizeof(SlotHeader)) / sizeof(SlotEntry);

SlotTotals stored_form(const LogTotals& totals) {
  SlotTotals slot;
  slot.log = totals.log;
  slot.entries_stored = totals.stored.entries;
  slot.events_stored = totals.stored.events;
  slot.entries_pending = totals.pending.entries;
  slot.events_pending = totals.pending.events;
  slot.newest_segment = totals.newest;
  if (totals.exact) slot.flags |= kExact;
  if (totals.closed) slot.flags |= kClosed;
  return slot;
}

LogTotals loaded_form(const SlotTotals& slot) {
  LogTotals totals;
  totals.log = slot.log;
  totals.stored = {slot.entries_stored, slot.events_stored};
  totals.pending = {slot.entries_pending, slot.events_pending};
  totals.newest = slot.newest_segment;
  totals.exact = (slot.flags & kExact) != 0;
  totals.closed = (slot.flags & kClosed) != 0;
  return totals;
}

uint64_t totals_checksum(ByteView bytes) { return checksum64(bytes) | 1; }

IoResult<std::optional<Checkpoint>> read_slot(File& file, uint64_t offset) {
  std::vector<uint8_t> bytes(CheckpointFile::kSlotBytes);
  const auto got = file.read_at(offset, bytes);
  if (!got) return failure(got.error());
  if (*got < sizeof(SlotHeader)) return std::nullopt;
  SlotHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic || header.pending_count > kReadPendingMax) {
    return std::nullopt;
  }
  const size_t size = sizeof header + header.pending_count * sizeof(SlotEntry);
  if (*got < size || checksum64(ByteView(bytes).subspan(8, size - 8)) != header.checksum) {
    return std::nullopt;
  }
  Checkpoint checkpoint{{header.read_segment, header.read_offset}, {}, {}, header.sequence};
  if (header.totals_checksum != 0) {
    if (*got < size + sizeof(SlotTotals)) return std::nullopt;
    const ByteView view = ByteView(bytes).subspan(size, sizeof(SlotTotals));
    if (totals_checksum(view) != header.totals_checksum) return std::nullopt;
    SlotTotals totals;
    std::memcpy(&totals, view.data(), sizeof totals);
    checkpoint.totals = loaded_form(totals);
  }
  checkpoint.pending.reserve(header.pending_count);
  for (size_t i = 0; i < header.pending_count; ++i) {
    SlotEntry entry;
    std::memcpy(&entry, bytes.data() + sizeof header + i * sizeof entry, sizeof entry);
    checkpoint.pending.push_back({entry.segment, entry.offset});
  }
  return checkpoint;
}

IoResult<std::optional<Checkpoint>> newest_slot(File& file) {
  auto first = read_slot(file, 0);
  if (!first) return failure(first.error());
  auto second = read_slot(file, CheckpointFile::kSlotBytes);
  if (!second) return failure(second.error());
  if (!first->has_value()) return second;
  if (!second->has_value() || (*second)->sequence < (*first)->sequence) return first;
  return second;
}

}  // namespace

IoResult<CheckpointFile> CheckpointFile::open(FileSystem& file_system, const std::string& path) {
  CheckpointFile checkpoint;
  auto file = file_system.open(path, {.write = true, .create = true});
  if (!file) return failure(file.error());
  checkpoint.file_ = std::move(*file);
  const auto size = checkpoint.file_->size();
  if (!size) return failure(size.error());
  if (*size < kFileBytes) {
    if (auto done = checkpoint.file_->allocate(kFileBytes); !done) return failure(done.error());
    if (auto done = checkpoint.file_->sync(); !done) return failure(done.error());
  }
  auto slot = newest_slot(*checkpoint.file_);
  if (!slot) return failure(slot.error());
  if (slot->has_value()) checkpoint.sequence_ = (*slot)->sequence;
  return checkpoint;
}

IoResult<std::optional<Checkpoint>> CheckpointFile::load(FileSystem& file_system,
                                                         const std::string& path) {
  const auto file = file_system.open(path, {});
  if (!file && file.error().code == ENOENT) return std::nullopt;
  if (!file) return failure(file.error());
  return newest_slot(**file);
}

IoResult<void> CheckpointFile::write(Checkpoint checkpoint) {
  if (checkpoint.pending.size() > kPendingMax) {
    checkpoint.read = checkpoint.pending[kPendingMax];
    checkpoint.pending.resize(kPendingMax);
    checkpoint.totals.reset();
  }
  SlotHeader header;
  header.sequence = sequence_ + 1;
  header.read_segment = checkpoint.read.segment;
  header.read_offset = checkpoint.read.offset;
  header.pending_count = static_cast<uint32_t>(checkpoint.pending.size());
  std::vector<uint8_t> bytes(sizeof header + checkpoint.pending.size() * sizeof(SlotEntry));
  for (size_t i = 0; i < checkpoint.pending.size(); ++i) {
    const Position pending = checkpoint.pending[i];
    const SlotEntry entry{pending.segment, pending.offset, 0};
    std::memcpy(bytes.data() + sizeof header + i * sizeof entry, &entry, sizeof entry);
  }
  std::vector<uint8_t> totals;
  if (checkpoint.totals) {
    const SlotTotals slot = stored_form(*checkpoint.totals);
    totals.resize(sizeof slot);
    std::memcpy(totals.data(), &slot, sizeof slot);
    header.totals_checksum = totals_checksum(totals);
  }
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = checksum64(ByteView(bytes).subspan(8));
  std::memcpy(bytes.data(), &header.checksum, sizeof header.checksum);
  bytes.insert(bytes.end(), totals.begin(), totals.end());
  auto done = file_->write_at((header.sequence % 2) * kSlotBytes, bytes);
  if (done) done = file_->sync();
  if (done) sequence_ = header.sequence;
  return done;
}

}  // namespace penstock::spool
