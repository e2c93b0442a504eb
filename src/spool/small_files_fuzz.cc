// The small files beside the segments. Any bytes in one of them: no crash, and a spool that goes on
// writing it; nothing is read back that was not written.
//
// Input: the first byte chooses the file, and whether its checksum is made right; the rest is its
// content.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "spool/checkpoint.h"
#include "spool/faulty_file_system.h"
#include "spool/log_directory.h"
#include "spool/missing_entries.h"
#include "spool/overflow_origin.h"
#include "spool/repeat_log.h"

namespace penstock::spool {
namespace {

constexpr const char* kPath = "/file";

// The first 8 bytes become the checksum of the next `size` bytes; sequence numbers at the end of
// their range, which no file reaches, are made small.
void make_checksum_right(std::vector<uint8_t>& content, size_t sequence_at, size_t size) {
  content[sequence_at + 7] = 0;
  const uint64_t checksum = checksum64(ByteView(content).subspan(8, size));
  std::memcpy(content.data(), &checksum, sizeof checksum);
}

// checksum, magic, sequence, read, count, checksum of the totals, entries of 16 bytes; totals,
// unless the slot is that of an earlier version
std::vector<uint8_t> as_slot(ByteView content) {
  std::vector<uint8_t> slot(content.begin(), content.end());
  slot.resize(std::clamp<size_t>(slot.size(), 48, CheckpointFile::kSlotBytes) / 16 * 16);
  std::memcpy(slot.data() + 8, "PSNKCPT1", 8);
  const bool has_totals = slot.size() >= 48 + CheckpointFile::kTotalsBytes && slot[40] % 2 == 0;
  const size_t totals_bytes = has_totals ? CheckpointFile::kTotalsBytes : 0;
  const auto count = static_cast<uint32_t>((slot.size() - 48 - totals_bytes) / 16);
  std::memcpy(slot.data() + 36, &count, sizeof count);
  const uint64_t totals_checksum =
      has_totals ? checksum64(ByteView(slot).last(totals_bytes)) | 1 : 0;
  std::memcpy(slot.data() + 40, &totals_checksum, sizeof totals_checksum);
  make_checksum_right(slot, 16, slot.size() - totals_bytes - 8);
  return slot;
}

// checksum, sequence, magic, count, records
std::vector<uint8_t> as_block(ByteView content) {
  std::vector<uint8_t> block(content.begin(), content.end());
  block.resize(4096);
  std::memcpy(block.data() + 16, "RPT1", 4);
  make_checksum_right(block, 8, block.size() - 8);
  return block;
}

void read_checkpoint(ByteView content) {
  FaultyFileSystem files;
  files.set_content(kPath, {content.begin(), content.end()});
  const auto found = CheckpointFile::load(files, kPath);
  CHECK(found.has_value());
  if (found->has_value()) {
    CHECK((*found)->pending.size() <= (CheckpointFile::kSlotBytes - 48) / 16);
    const auto& totals = (*found)->totals;
    CHECK(!totals || MissingEntries(totals).missing().entries <= totals->pending.entries);
  }
  auto file = CheckpointFile::open(files, kPath);
  CHECK(file.has_value());
  const Checkpoint next{{7, 4096}, {{6, 64}}};
  CHECK(file->write(next).has_value());
  const auto again = CheckpointFile::load(files, kPath);
  CHECK(again.has_value() && again->has_value());
  CHECK((*again)->read == next.read && (*again)->pending.size() == 1);
}

void read_repeat_log(ByteView content) {
  constexpr uint64_t kRecords = 500;
  FaultyFileSystem files;
  files.set_content(kPath, {content.begin(), content.end()});
  auto log = RepeatLog::open(files, kPath, kRecords);
  CHECK(log.has_value());
  RepeatRecord record;
  record.fingerprint = {1, 2};
  record.received_ns = 3;
  CHECK(log->append({record}).has_value() && log->sync().has_value());
  auto again = RepeatLog::open(files, kPath, kRecords);
  CHECK(again.has_value());
  const std::vector<RepeatRecord> found = again->take_found();
  CHECK(std::any_of(found.begin(), found.end(), [&](const RepeatRecord& each) {
    return each.fingerprint == record.fingerprint && each.received_ns == record.received_ns;
  }));
}

// One copy is broken: the other is read. Both are: neither is.
void break_description(ByteView content) {
  const LogDescription good{"stream", "target", "settings"};
  for (const char* broken : {"description", "description.copy"}) {
    FaultyFileSystem files;
    CHECK(files.make_directory("/log").has_value());
    CHECK(write_description(files, "/log", good).has_value());
    files.set_content(std::string("/log/") + broken, {content.begin(), content.end()});
    const auto read = read_description(files, "/log");
    CHECK(read.has_value() && read->has_value() && **read == good);
  }
}

void read_origin(ByteView content) {
  if (content.empty()) return;
  const auto origin = decode_origin(content.subspan(1), content[0]);
  if (!origin) return;
  CHECK(std::is_sorted(origin->events.begin(), origin->events.end()));
  CHECK(origin->events.size() == content[0]);
  std::string encoded;
  encode(*origin, encoded);
  const auto again = decode_origin(as_bytes(encoded), content[0]);
  CHECK(again && again->events == origin->events && again->buckets == origin->buckets);
  CHECK(again->position == origin->position);
}

}  // namespace
}  // namespace penstock::spool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const ByteView content{data + 1, size - 1};
  switch (data[0] % 6) {
    case 0:
      spool::read_checkpoint(content);
      break;
    case 1:
      spool::read_checkpoint(spool::as_slot(content));
      break;
    case 2:
      spool::read_repeat_log(content);
      break;
    case 3:
      spool::read_repeat_log(spool::as_block(content));
      break;
    case 4:
      spool::break_description(content);
      break;
    default:
      spool::read_origin(content);
  }
  return 0;
}
