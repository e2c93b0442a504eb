#include "spool/overflow_origin.h"

#include <cstring>
#include <utility>

#include "base/check.h"

namespace penstock::spool {
namespace {

// Followed by the differences of the indices, seven bits a byte, the lowest first; zeros up to 8.
struct OriginHeader {
  uint64_t segment = 0;
  uint32_t offset = 0;
  uint32_t event_count = 0;
  StoredBuckets buckets;
};
static_assert(sizeof(OriginHeader) == 144);

constexpr size_t kIndexBytesMax = 5;

size_t index_bytes(uint32_t difference) {
  size_t size = 1;
  while (difference >= 0x80) {
    difference >>= 7;
    ++size;
  }
  return size;
}

constexpr size_t padded(size_t size) { return (size + 7) / 8 * 8; }

}  // namespace

StoredBuckets stored(const BucketSet& buckets) {
  StoredBuckets words;
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (buckets[i]) words.words[i / 64] |= uint64_t{1} << (i % 64);
  }
  return words;
}

BucketSet loaded(const StoredBuckets& words) {
  BucketSet buckets;
  for (size_t i = 0; i < buckets.size(); ++i) {
    buckets[i] = ((words.words[i / 64] >> (i % 64)) & 1) != 0;
  }
  return buckets;
}

size_t encoded_size(const OverflowOrigin& origin) {
  size_t size = sizeof(OriginHeader);
  uint32_t before = 0;
  for (const uint32_t event : origin.events)
    size += index_bytes(event - std::exchange(before, event));
  return padded(size);
}

uint64_t encoded_origin_max(uint64_t event_count) {
  return sizeof(OriginHeader) + padded(event_count * kIndexBytesMax);
}

void encode(const OverflowOrigin& origin, std::string& to) {
  OriginHeader header;
  header.segment = origin.position.segment;
  header.offset = origin.position.offset;
  header.event_count = static_cast<uint32_t>(origin.events.size());
  header.buckets = stored(origin.buckets);
  const size_t begin = to.size();
  to.append(reinterpret_cast<const char*>(&header), sizeof header);
  uint32_t before = 0;
  for (const uint32_t event : origin.events) {
    CHECK(event >= before);
    uint32_t left = event - std::exchange(before, event);
    while (left >= 0x80) {
      to += static_cast<char>((left & 0x7f) | 0x80);
      left >>= 7;
    }
    to += static_cast<char>(left);
  }
  to.resize(begin + padded(to.size() - begin));
}

std::optional<OverflowOrigin> decode_origin(ByteView bytes, uint32_t event_count) {
  OriginHeader header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.event_count != event_count || bytes.size() - sizeof header < event_count) {
    return std::nullopt;
  }
  OverflowOrigin origin{{header.segment, header.offset}, {}, loaded(header.buckets)};
  origin.events.reserve(event_count);
  size_t at = sizeof header;
  uint64_t event = 0;
  for (uint32_t i = 0; i < event_count; ++i) {
    uint64_t difference = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (at == bytes.size() || shift > 28) return std::nullopt;
      const uint8_t byte = bytes[at++];
      difference |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) break;
    }
    if (i > 0 && difference == 0) return std::nullopt;
    event += difference;
    if (event > 0xffffffff) return std::nullopt;
    origin.events.push_back(static_cast<uint32_t>(event));
  }
  return origin;
}

}  // namespace penstock::spool
