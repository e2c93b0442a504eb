#include "spool/repeat_log.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <utility>

namespace penstock::spool {
namespace {

constexpr uint32_t kMagic = 0x31545052;  // "RPT1"

struct BlockHeader {
  uint64_t checksum = 0;  // over the rest of the block
  uint64_t sequence = 0;
  uint32_t magic = kMagic;
  uint32_t count = 0;
};
static_assert(sizeof(BlockHeader) == 24);

struct BlockRecord {
  Hash128 fingerprint;
  int64_t received_ns = 0;
  uint64_t part_key = 0;
  uint16_t part_count = 0;
  uint16_t complete = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(BlockRecord) == 40);

}  // namespace

IoResult<RepeatLog> RepeatLog::open(FileSystem& file_system, const std::string& path,
                                    uint64_t records_max) {
  constexpr uint64_t kPerBlock = (kBlock - sizeof(BlockHeader)) / sizeof(BlockRecord);
  RepeatLog log;
  auto file = file_system.open(path, {.write = true, .create = true});
  if (!file) return failure(file.error());
  log.file_ = std::move(*file);
  log.block_count_ = std::max<uint64_t>(records_max / kPerBlock, 4);
  const auto size = log.file_->size();
  if (!size) return failure(size.error());
  // Another size than before: the ring is read as it was and begun anew behind what it held.
  log.block_count_ = std::max(log.block_count_, *size / kBlock);
  if (auto done = log.read_all(); !done) return failure(done.error());
  if (*size < log.file_bytes()) {
    if (auto done = log.file_->allocate(log.file_bytes()); !done) return failure(done.error());
    if (auto done = log.file_->sync(); !done) return failure(done.error());
  }
  return log;
}

IoResult<void> RepeatLog::read_all() {
  std::map<uint64_t, std::vector<RepeatRecord>> blocks;  // by sequence
  std::vector<uint8_t> window(64 * kBlock);
  for (uint64_t offset = 0;; offset += window.size()) {
    const auto got = file_->read_at(offset, window);
    if (!got) return failure(got.error());
    for (size_t at = 0; at + kBlock <= *got; at += kBlock) {
      const ByteView block = ByteView(window).subspan(at, kBlock);
      BlockHeader header;
      std::memcpy(&header, block.data(), sizeof header);
      if (header.magic != kMagic || header.checksum != checksum64(block.subspan(8)) ||
          sizeof header + header.count * sizeof(BlockRecord) > kBlock) {
        continue;
      }
      std::vector<RepeatRecord>& records = blocks[header.sequence];
      for (size_t i = 0; i < header.count; ++i) {
        BlockRecord record;
        std::memcpy(&record, block.data() + sizeof header + i * sizeof record, sizeof record);
        records.push_back({record.fingerprint, record.received_ns, record.part_key,
                           record.part_count, record.complete != 0});
      }
    }
    if (*got < window.size()) break;
  }
  for (auto& [sequence, records] : blocks) {
    sequence_ = sequence;
    found_.insert(found_.end(), records.begin(), records.end());
  }
  return {};
}

IoResult<void> RepeatLog::append(const std::vector<RepeatRecord>& records) {
  constexpr size_t kPerBlock = (kBlock - sizeof(BlockHeader)) / sizeof(BlockRecord);
  std::span<const RepeatRecord> left(records);
  while (!left.empty()) {
    const auto now = left.first(std::min(kPerBlock, left.size()));
    std::vector<uint8_t> block(kBlock);
    BlockHeader header;
    header.sequence = ++sequence_;
    header.count = static_cast<uint32_t>(now.size());
    for (size_t i = 0; i < now.size(); ++i) {
      const BlockRecord record{now[i].fingerprint, now[i].received_ns, now[i].part_key,
                               now[i].part_count,  now[i].complete,    0};
      std::memcpy(block.data() + sizeof header + i * sizeof record, &record, sizeof record);
    }
    std::memcpy(block.data(), &header, sizeof header);
    header.checksum = checksum64(ByteView(block).subspan(8));
    std::memcpy(block.data(), &header.checksum, sizeof header.checksum);
    const uint64_t offset = (sequence_ % block_count_) * kBlock;
    if (auto done = file_->write_at(offset, block); !done) return done;
    left = left.subspan(now.size());
  }
  return {};
}

}  // namespace penstock::spool
