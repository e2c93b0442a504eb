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
  uint64_t reserved = 0;
};
static_assert(sizeof(SlotHeader) == 48);

struct SlotEntry {
  uint64_t segment = 0;
  uint32_t offset = 0;
  uint32_t events_final = 0;
};
static_assert(sizeof(SlotEntry) == 16);
static_assert(sizeof(SlotHeader) + CheckpointFile::kPendingMax * sizeof(SlotEntry) <=
              CheckpointFile::kSlotBytes);

struct Slot {
  uint64_t sequence = 0;
  Checkpoint checkpoint;
};

IoResult<std::optional<Slot>> read_slot(File& file, uint64_t offset) {
  std::vector<uint8_t> bytes(CheckpointFile::kSlotBytes);
  const auto got = file.read_at(offset, bytes);
  if (!got) return failure(got.error());
  if (*got < sizeof(SlotHeader)) return std::nullopt;
  SlotHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic || header.pending_count > CheckpointFile::kPendingMax) {
    return std::nullopt;
  }
  const size_t size = sizeof header + header.pending_count * sizeof(SlotEntry);
  if (*got < size || checksum64(ByteView(bytes).subspan(8, size - 8)) != header.checksum) {
    return std::nullopt;
  }
  Slot slot{header.sequence, {{header.read_segment, header.read_offset}, {}}};
  slot.checkpoint.pending.reserve(header.pending_count);
  for (size_t i = 0; i < header.pending_count; ++i) {
    SlotEntry entry;
    std::memcpy(&entry, bytes.data() + sizeof header + i * sizeof entry, sizeof entry);
    slot.checkpoint.pending.push_back({{entry.segment, entry.offset}, entry.events_final});
  }
  return slot;
}

IoResult<std::optional<Slot>> newest_slot(File& file) {
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
  if (slot->has_value()) {
    checkpoint.sequence_ = (*slot)->sequence;
    checkpoint.found_ = std::move((*slot)->checkpoint);
  }
  return checkpoint;
}

IoResult<std::optional<Checkpoint>> CheckpointFile::load(File& file) {
  auto slot = newest_slot(file);
  if (!slot) return failure(slot.error());
  if (!slot->has_value()) return std::nullopt;
  return std::move((*slot)->checkpoint);
}

IoResult<void> CheckpointFile::write(Checkpoint checkpoint) {
  if (checkpoint.pending.size() > kPendingMax) {
    checkpoint.read = checkpoint.pending[kPendingMax].position;
    checkpoint.pending.resize(kPendingMax);
  }
  SlotHeader header;
  header.sequence = ++sequence_;
  header.read_segment = checkpoint.read.segment;
  header.read_offset = checkpoint.read.offset;
  header.pending_count = static_cast<uint32_t>(checkpoint.pending.size());
  std::vector<uint8_t> bytes(sizeof header + checkpoint.pending.size() * sizeof(SlotEntry));
  for (size_t i = 0; i < checkpoint.pending.size(); ++i) {
    const PendingEntry& pending = checkpoint.pending[i];
    const SlotEntry entry{pending.position.segment, pending.position.offset, pending.events_final};
    std::memcpy(bytes.data() + sizeof header + i * sizeof entry, &entry, sizeof entry);
  }
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = checksum64(ByteView(bytes).subspan(8));
  std::memcpy(bytes.data(), &header.checksum, sizeof header.checksum);
  if (auto done = file_->write_at((sequence_ % 2) * kSlotBytes, bytes); !done) return done;
  return file_->sync();
}

}  // namespace penstock::spool
