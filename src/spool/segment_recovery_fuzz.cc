// Recovery of a segment: any bytes in a file → no crash; and whatever happens to a good segment,
// every entry that was not touched is kept and none is made up.
//
// Input: the first byte chooses. 0: the rest is the file. Else: a segment with entries is written,
// then torn as the rest says (triples: where, how long, with what).
#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "base/check.h"
#include "spool/faulty_file_system.h"
#include "spool/segment_recovery.h"
#include "spool/segment_writer.h"

namespace penstock::spool {
namespace {

constexpr uint64_t kFileBytes = 64 << 10;
constexpr const char* kPath = "/segment";

void recover_anything(ByteView bytes) {
  FaultyFileSystem files;
  files.set_content(kPath, {bytes.begin(), bytes.end()});
  for (const Verify verify : {Verify::what_is_unsure, Verify::every_payload}) {
    auto segment = recover_segment(*files.open(kPath, {}), 1, verify);
    CHECK(segment.has_value());
    uint64_t end = 0;
    for (const IndexEntry& entry : segment->entries) {
      CHECK(entry.offset >= end);
      end = entry.offset + 1;
    }
    if (verify == Verify::every_payload && !segment->entries.empty()) {
      CHECK(seal_recovered(files, kPath, *segment).has_value());
      const auto again = recover_segment(*files.open(kPath, {}), 1);
      CHECK(again.has_value() && again->entries.size() == segment->entries.size());
    }
  }
}

struct Written {
  uint64_t begin;
  uint64_t end;
};

std::vector<Written> write_segment(FaultyFileSystem& files, uint8_t shape) {
  AlignedBuffer staging(1 << 16);
  auto writer = SegmentWriter::create(
      files, {.path = kPath, .number = 1, .salt = 12345, .file_bytes = kFileBytes, .cuts = {}},
      staging);
  CHECK(writer.has_value());
  std::vector<Written> entries;
  for (uint32_t i = 0; i < 3u + shape % 16; ++i) {
    record::Batch batch;
    batch.source = "forward";
    batch.tag = "tag";
    batch.event_count = 1;
    batch.entries_size = (i * 977u + shape * 131u) % 3000;
    batch.storage = ByteBuffer(batch.entries_size);
    batch.storage.resize(batch.entries_size);
    std::fill_n(batch.storage.data(), batch.entries_size, static_cast<uint8_t>(i));
    EntryToStore entry;
    entry.batch = &batch;
    const uint64_t size = stored_size(entry);
    const auto offset = (*writer)->append(entry);
    CHECK(offset.has_value());
    entries.push_back({*offset, *offset + size});
    if (i % 3 == 0) CHECK((*writer)->finish_run().has_value());
  }
  CHECK((*writer)->finish_run().has_value());
  CHECK((*writer)->sync().has_value());
  if (shape >= 128) CHECK((*writer)->seal().has_value());
  return entries;
}

void tear_and_recover(uint8_t shape, ByteView wounds) {
  FaultyFileSystem files;
  const std::vector<Written> written = write_segment(files, shape);
  std::vector<uint8_t> bytes = files.content(kPath);
  std::vector<Written> torn;
  for (; wounds.size() >= 4; wounds = wounds.subspan(4)) {
    const uint64_t at = (uint64_t{wounds[0]} | uint64_t{wounds[1]} << 8) % bytes.size();
    const uint64_t end = std::min<uint64_t>(at + wounds[2] * 8, bytes.size());
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(at),
              bytes.begin() + static_cast<ptrdiff_t>(end), wounds[3]);
    torn.push_back({at, end});
  }
  const auto touched = [&](const Written& what) {
    return std::any_of(torn.begin(), torn.end(), [&](const Written& wound) {
      return wound.begin < what.end && what.begin < wound.end;
    });
  };
  files.set_content(kPath, bytes);
  const auto segment = recover_segment(*files.open(kPath, {}), 1, Verify::every_payload);
  CHECK(segment.has_value());
  std::set<uint64_t> found;
  for (const IndexEntry& entry : segment->entries) found.insert(entry.offset);
  const bool has_header =
      !touched({0, kBlockBytes}) || !touched({kFileBytes - kBlockBytes, kFileBytes});
  for (const Written& entry : written) {
    if (has_header && !touched(entry)) CHECK(found.contains(entry.begin));
    found.erase(entry.begin);
  }
  CHECK(found.empty());  // nothing that was not written
}

}  // namespace
}  // namespace penstock::spool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const penstock::ByteView rest{data + 1, size - 1};
  if (data[0] == 0) {
    penstock::spool::recover_anything(rest);
  } else {
    penstock::spool::tear_and_recover(data[0], rest);
  }
  return 0;
}
