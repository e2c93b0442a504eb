// walk_entries against a second, naive reader of msgpack (recursive, byte by byte): the same
// verdict on the same bytes, and what it admits is read back whole by EntryReader.
#include <cstdlib>

#include "codec/msgpack_cursor.h"
#include "record/event.h"

namespace {

using penstock::ByteView;
using penstock::codec::kNestingMax;

struct Naive {
  ByteView bytes;
  size_t at = 0;
  bool bad = false;

  uint64_t number(unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value = value << 8 | byte();
    return value;
  }
  uint8_t byte() {
    if (at >= bytes.size()) {
      bad = true;
      return 0xc0;
    }
    return bytes[at++];
  }
  void jump(uint64_t size) {
    if (size > bytes.size() - at) bad = true;
    if (!bad) at += size;
  }
  void values(uint64_t count, unsigned depth) {
    if (depth > kNestingMax) bad = true;
    for (; count > 0 && !bad; --count) value(depth);
  }
  // depth: of the containers around it.
  void value(unsigned depth) {
    const uint8_t first = byte();
    if (bad || first < 0x80 || first >= 0xe0) return;
    if (first < 0x90) return values(2 * (first & 15u), depth + 1);
    if (first < 0xa0) return values(first & 15u, depth + 1);
    if (first < 0xc0) return jump(first & 31u);
    const unsigned low = first - 0xc0;
    if (first == 0xc1) bad = true;
    if (low >= 4 && low <= 6) return jump(number(1u << (low - 4)));
    if (low >= 7 && low <= 9) return jump(number(1u << (low - 7)) + 1);
    if (low == 0x0a || low == 0x0b) return jump(low == 0x0a ? 4 : 8);
    if (low >= 0x0c && low <= 0x0f) return jump(uint64_t{1} << (low - 0x0c));
    if (low >= 0x10 && low <= 0x13) return jump(uint64_t{1} << (low - 0x10));
    if (low >= 0x14 && low <= 0x18) return jump(1 + (uint64_t{1} << (low - 0x14)));
    if (low >= 0x19 && low <= 0x1b) return jump(number(1u << (low - 0x19)));
    if (low == 0x1c || low == 0x1d) return values(number(low == 0x1c ? 2 : 4), depth + 1);
    if (low == 0x1e || low == 0x1f) return values(2 * number(low == 0x1e ? 2 : 4), depth + 1);
  }
  bool is_map() const {
    if (at >= bytes.size()) return false;
    const uint8_t first = bytes[at];
    return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
  }
  uint64_t array_head() {
    const uint8_t first = byte();
    if ((first & 0xf0) == 0x90) return first & 15u;
    if (first == 0xdc) return number(2);
    if (first == 0xdd) return number(4);
    bad = true;
    return 0;
  }
  void plain_time() {
    const size_t from = at;
    const uint8_t first = byte();
    const bool number =
        first < 0x80 || first >= 0xe0 || first == 0xc0 || (first >= 0xca && first <= 0xd3);
    at = from;
    value(0);
    if (number || bad) return;
    const bool fixext8 = first == 0xd7 && bytes[from + 1] == 0;
    const bool ext8 = first == 0xc7 && bytes[from + 1] == 8 && bytes[from + 2] == 0;
    const bool ext16 = first == 0xc8 && at - from == 12 && bytes[from + 3] == 0;
    const bool ext32 = first == 0xc9 && at - from == 14 && bytes[from + 5] == 0;
    if (!fixext8 && !ext8 && !ext16 && !ext32) bad = true;
  }
  void time() {
    const uint8_t first = at < bytes.size() ? bytes[at] : 0xc1;
    if ((first & 0xf0) != 0x90 && first != 0xdc && first != 0xdd) return plain_time();
    if (array_head() != 2) bad = true;
    plain_time();
    if (!is_map()) bad = true;
    if (!bad) value(0);
  }
  void entry() {
    if (array_head() != 2) bad = true;
    if (!bad) time();
    if (!is_map()) bad = true;
    if (!bad) value(0);
  }
};

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(data, size);
  Naive naive{bytes};
  uint32_t count = 0;
  while (!naive.bad && naive.at < size) {
    naive.entry();
    ++count;
  }
  const auto walked = penstock::record::walk_entries(bytes);
  require(walked.has_value() == !naive.bad);
  if (!walked) return 0;
  require(walked->event_count == count);

  penstock::record::Batch batch;
  batch.received_ns = 1;
  batch.storage = penstock::ByteBuffer::copy_of(bytes);
  batch.entries_size = size;
  penstock::record::EntryReader reader(batch);
  penstock::record::EventView event;
  size_t together = 0;
  for (; reader.next(event); --count) together += event.entry.size();
  require(count == 0 && together == size);
  return 0;
}
