// walk_entries against a second, naive reader of msgpack (byte by byte): the same verdict on the
// same bytes, entry by entry, and what it finds to be events is read back whole by EntryReader.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "codec/msgpack_cursor.h"
#include "record/event.h"

namespace {

using penstock::ByteView;
using penstock::codec::kNestingMax;
using penstock::record::EntryKind;

struct Naive {
  ByteView bytes;
  size_t at = 0;
  bool cut = false;    // ends inside a value, or holds a byte that starts none
  size_t deepest = 0;  // of the last value()

  uint64_t number(unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value = value << 8 | byte();
    return value;
  }
  uint8_t byte() {
    if (at >= bytes.size()) {
      cut = true;
      return 0xc0;
    }
    return bytes[at++];
  }
  void jump(uint64_t size) {
    if (size > bytes.size() - at) cut = true;
    if (!cut) at += size;
  }
  // One value, with a list of how many are still to come on each level.
  void value() {
    std::vector<uint64_t> left{1};
    deepest = 0;
    while (!left.empty() && !cut) {
      if (left.back() == 0) {
        left.pop_back();
        continue;
      }
      --left.back();
      if (const auto inside = token()) {
        left.push_back(*inside);
        deepest = std::max(deepest, left.size() - 1);
      }
    }
  }
  // Steps over a scalar, or the head of a container: how many values it says are in it.
  std::optional<uint64_t> token() {
    const uint8_t first = byte();
    if (cut || first < 0x80 || first >= 0xe0) return std::nullopt;
    if (first < 0x90) return uint64_t{2} * (first & 15u);
    if (first < 0xa0) return first & 15u;
    const unsigned low = first - 0xc0;
    if (first < 0xc0) {
      jump(first & 31u);
    } else if (first == 0xc1) {
      cut = true;
    } else if (low >= 4 && low <= 6) {
      jump(number(1u << (low - 4)));
    } else if (low >= 7 && low <= 9) {
      jump(number(1u << (low - 7)) + 1);
    } else if (low == 0x0a || low == 0x0b) {
      jump(low == 0x0a ? 4 : 8);
    } else if (low >= 0x0c && low <= 0x0f) {
      jump(uint64_t{1} << (low - 0x0c));
    } else if (low >= 0x10 && low <= 0x13) {
      jump(uint64_t{1} << (low - 0x10));
    } else if (low >= 0x14 && low <= 0x18) {
      jump(1 + (uint64_t{1} << (low - 0x14)));
    } else if (low >= 0x19 && low <= 0x1b) {
      jump(number(1u << (low - 0x19)));
    } else if (low == 0x1c || low == 0x1d) {
      return number(low == 0x1c ? 2 : 4);
    } else if (low == 0x1e || low == 0x1f) {
      return 2 * number(low == 0x1e ? 2 : 4);
    }
    return std::nullopt;
  }
  // The bytes of one value, which is not deeper than an event's parts may be.
  std::optional<ByteView> part() {
    const size_t from = at;
    value();
    if (cut || deepest > kNestingMax) return std::nullopt;
    return bytes.subspan(from, at - from);
  }
};

bool is_map(ByteView value) {
  return (value[0] & 0xf0) == 0x80 || value[0] == 0xde || value[0] == 0xdf;
}
std::optional<uint64_t> array_head(ByteView value, size_t& size) {
  Naive head{value};
  const auto count = head.token();
  size = head.at;
  const bool is_array = (value[0] & 0xf0) == 0x90 || value[0] == 0xdc || value[0] == 0xdd;
  return is_array ? count : std::nullopt;
}
// The seconds of an EventTime; nullopt: it is none.
std::optional<uint32_t> event_time(ByteView time) {
  const uint8_t first = time[0];
  size_t head = 0;
  if (first == 0xd7) head = 2;
  if (first == 0xc7) head = 3;
  if (first == 0xc8) head = 4;
  if (first == 0xc9) head = 6;
  if (head == 0 || time.size() != head + 8 || time[head - 1] != 0) return std::nullopt;
  Naive seconds{time.subspan(head)};
  return static_cast<uint32_t>(seconds.number(4));
}
bool is_number(ByteView time) {
  const uint8_t first = time[0];
  return first < 0x80 || first >= 0xe0 || first == 0xc0 || (first >= 0xca && first <= 0xd3);
}
bool is_negative(ByteView time, int64_t value) {
  const uint8_t first = time[0];
  if (first >= 0xe0) return static_cast<int8_t>(first) == value;
  if (first < 0xd0 || first > 0xd3) return false;
  Naive number{time.subspan(1)};
  const unsigned size = 1u << (first - 0xd0);
  const uint64_t bits = number.number(size) << (64 - 8 * size);
  return static_cast<int64_t>(bits) >> (64 - 8 * size) == value;
}

EntryKind kind_of(ByteView entry) {
  size_t size = 0;
  if (array_head(entry, size) != 2) return EntryKind::malformed;
  Naive reader{entry, size};
  ByteView time = entry.subspan(size);
  size_t time_head = 0;
  const bool has_metadata = array_head(time, time_head) == 2;
  if (has_metadata) reader.at += time_head;
  auto part = reader.part();
  if (!part || (!is_number(*part) && !event_time(*part))) return EntryKind::malformed;
  time = *part;
  if (has_metadata) {
    part = reader.part();
    if (!part || !is_map(*part)) return EntryKind::malformed;
  }
  part = reader.part();
  if (!part || !is_map(*part)) return EntryKind::malformed;
  if (event_time(time).value_or(0) >= 0xfffffffe) return EntryKind::group_marker;
  const bool is_marker = has_metadata && (is_negative(time, -1) || is_negative(time, -2));
  return is_marker ? EntryKind::group_marker : EntryKind::event;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(data, size);
  Naive naive{bytes};
  std::vector<EntryKind> kinds;
  penstock::ByteBuffer events;
  while (!naive.cut && naive.at < size) {
    const size_t from = naive.at;
    naive.value();
    if (naive.cut) break;
    const ByteView entry = bytes.subspan(from, naive.at - from);
    kinds.push_back(kind_of(entry));
    if (kinds.back() == EntryKind::event) events.append(entry);
  }
  const auto walked = penstock::record::walk_entries(bytes);
  require(walked.has_value() == !naive.cut);
  if (!walked) return 0;
  const auto count_of = [&kinds](EntryKind kind) {
    return static_cast<uint32_t>(std::count(kinds.begin(), kinds.end(), kind));
  };
  uint32_t count = count_of(EntryKind::event);
  require(walked->event_count == count);
  require(walked->marker_count == count_of(EntryKind::group_marker));
  require(walked->malformed_count == count_of(EntryKind::malformed));
  penstock::record::EntryWalker walker(bytes);
  EntryKind kind;
  size_t place = 0;
  for (ByteView entry; walker.next(kind, entry); ++place) require(kind == kinds.at(place));
  require(place == kinds.size());

  penstock::record::Batch batch;
  batch.received_ns = 1;
  batch.entries_size = events.size();
  batch.storage = std::move(events);
  penstock::record::EntryReader reader(batch);
  penstock::record::EventView event;
  size_t together = 0;
  for (; reader.next(event); --count) together += event.entry.size();
  require(count == 0 && together == batch.entries_size);
  return 0;
}
