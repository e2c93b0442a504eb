// Anything may lie in a bucket: reading an object neither crashes nor gives out more than it read,
// and finds the same records in whatever pieces the bytes come. The first byte says how large the
// pieces are; the limit is low, so that it is met.
#include "kinesis_format/read/object_reader.h"

#include <string>
#include <vector>

#include "base/check.h"

namespace {

using namespace penstock;

constexpr size_t kRecordMax = 4096;

struct Found {
  std::vector<std::string> records;
  bool failed = false;
};

Found read(ByteView object, size_t piece_bytes) {
  Found found;
  size_t bytes = 0;
  kinesis_format::ObjectReader reader(
      [&](ByteView record) {
        CHECK(!record.empty());
        bytes += record.size();
        if (bytes < (1u << 20)) found.records.emplace_back(as_text(record));
      },
      kRecordMax);
  for (size_t at = 0; at < object.size(); at += piece_bytes) {
    const size_t size = std::min(piece_bytes, object.size() - at);
    if (!reader.add(object.subspan(at, size))) {
      found.failed = true;
      return found;
    }
  }
  found.failed = !reader.finish();
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const ByteView object(data + 1, size - 1);
  const Found whole = read(object, object.size());
  const Found in_pieces = read(object, 1 + data[0] % 64);
  // What is over the limit is cut where the pieces end.
  for (const std::string& record : whole.records) {
    if (record.size() > kRecordMax / 4) return 0;
  }
  if (object.size() > kRecordMax / 4) return 0;
  // How soon damage is noticed depends on the pieces, and some zstd does not notice in small ones.
  if (!whole.failed && !in_pieces.failed) CHECK(whole.records == in_pieces.records);
  return 0;
}
