#include "kinesis_format/aggregate.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kinesis_format/md5.h"

namespace penstock::kinesis_format {
namespace {

constexpr uint8_t kMagic[] = {0xf3, 0x89, 0x9a, 0xc2};

// Protobuf: field number << 3 | wire type (0 varint, 2 length-delimited).
constexpr uint8_t kPartitionKeyTable = 1 << 3 | 2;
constexpr uint8_t kHashKeyTable = 2 << 3 | 2;
constexpr uint8_t kRecords = 3 << 3 | 2;
constexpr uint8_t kPartitionKeyIndex = 1 << 3 | 0;
constexpr uint8_t kHashKeyIndex = 2 << 3 | 0;
constexpr uint8_t kData = 3 << 3 | 2;

size_t varint_size(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

constexpr size_t kVarintMax = 10;

uint8_t* write_varint(uint8_t* at, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<uint8_t>(value | 0x80);
  *at++ = static_cast<uint8_t>(value);
  return at;
}

void append_varint(ByteBuffer& out, uint64_t value) {
  uint8_t bytes[kVarintMax];
  out.append(ByteView(bytes, static_cast<size_t>(write_varint(bytes, value) - bytes)));
}

void append_field(ByteBuffer& out, uint8_t tag, std::string_view text) {
  out.push_back(tag);
  append_varint(out, text.size());
  out.append(text);
}

size_t field_size(size_t size) { return 1 + varint_size(size) + size; }

// Record without its own tag and length.
size_t record_body_size(size_t key_index, size_t data_size) {
  return 1 + varint_size(key_index) + 2 + field_size(data_size);
}

}  // namespace

Aggregator::Aggregator(const Options& options, codec::Compressor* shared)
    : options_(options), shared_(shared) {
  if (shared_ == nullptr) own_.emplace(options.compression);
}

void Aggregator::begin(const RecordKey& key) {
  CHECK(empty());
  clear();
  partition_key_ = key.partition_key;
  explicit_hash_key_ = key.explicit_hash_key;
  outer_key_bytes_ = key_bytes(key);
  if (options_.aggregation != Aggregation::kpl) return;
  char digits[kUint128DigitsMax];
  const char* const end = write_decimal(
      digits, key.explicit_hash_key ? *key.explicit_hash_key : hash_key_of(key.partition_key));
  append_field(hash_key_table_, kHashKeyTable, {digits, static_cast<size_t>(end - digits)});
}

void Aggregator::clear() {
  event_count_ = 0;
  events_.clear();
  event_.clear();
  compressed_.clear();
  compressed_alone_ = false;
  key_table_.clear();
  hash_key_table_.clear();
  key_indices_.clear();
}

ByteBuffer& Aggregator::begin_event() {
  if (options_.aggregation == Aggregation::kpl) {
    event_.clear();
    return event_;
  }
  cut_ = events_.size();
  if (event_count_ > 0 && !options_.events_end_lines) events_.push_back('\n');
  event_start_ = events_.size();
  return events_;
}

AggregateOutcome Aggregator::end_event(std::string_view partition_key) {
  const AggregateOutcome outcome =
      options_.aggregation == Aggregation::kpl ? end_kpl_event(partition_key) : end_payload_event();
  if (outcome == AggregateOutcome::added) ++event_count_;
  return outcome;
}

void Aggregator::cancel_event() {
  if (options_.aggregation != Aggregation::kpl) events_.resize(cut_);
}

AggregateOutcome Aggregator::refuse(AggregateOutcome outcome) {
  cancel_event();
  return outcome;
}

size_t Aggregator::data_bytes_max() const {
  return options_.bytes_max > outer_key_bytes_ ? options_.bytes_max - outer_key_bytes_ : 0;
}

size_t Aggregator::data_bytes_target() const {
  const size_t target = std::min(options_.bytes_target, options_.bytes_max);
  return target > outer_key_bytes_ ? target - outer_key_bytes_ : 0;
}

size_t Aggregator::raw_bytes_sure() const {
  const size_t max = data_bytes_max();
  // What compression can add is below 1/128 and 128 bytes (codec::Compressor::bytes_max).
  return max > 256 ? max - max / 128 - 128 : 0;
}

// ---- kpl ----

size_t Aggregator::index_of_key(std::string_view partition_key) const {
  if (event_count_ > 0 && partition_key == last_key_) return last_key_index_;
  const auto found = key_indices_.find(partition_key);
  return found != key_indices_.end() ? found->second : key_indices_.size();
}

void Aggregator::add_key(std::string_view partition_key, size_t index) {
  if (index == key_indices_.size()) {
    append_field(key_table_, kPartitionKeyTable, partition_key);
    key_indices_.emplace(partition_key, index);
  }
  last_key_ = partition_key;
  last_key_index_ = index;
}

size_t Aggregator::kpl_bytes() const {
  return sizeof kMagic + key_table_.size() + hash_key_table_.size() + events_.size() +
         sizeof(Md5Digest);
}

AggregateOutcome Aggregator::end_kpl_event(std::string_view partition_key) {
  ByteView data = event_.view();
  if (options_.compression != codec::Compression::none) {
    compressed_.clear();
    compressor().append(compressed_, data);
    data = compressed_.view();
  }
  const size_t index = index_of_key(partition_key);
  const size_t body_size = record_body_size(index, data.size());
  size_t added = field_size(body_size);
  if (index == key_indices_.size()) added += field_size(partition_key.size());

  const size_t key_table_alone = field_size(partition_key.size());
  const size_t wrapped_alone = sizeof kMagic + key_table_alone + hash_key_table_.size() +
                               field_size(record_body_size(0, data.size())) + sizeof(Md5Digest);
  if ((options_.wrap_single ? wrapped_alone : data.size()) > data_bytes_max()) {
    return AggregateOutcome::too_large;
  }
  if (event_count_ > 0 && kpl_bytes() + added > data_bytes_target()) return AggregateOutcome::full;

  add_key(partition_key, index);
  uint8_t head[5 + 3 * kVarintMax];
  uint8_t* at = head;
  *at++ = kRecords;
  at = write_varint(at, body_size);
  *at++ = kPartitionKeyIndex;
  at = write_varint(at, index);
  *at++ = kHashKeyIndex;
  *at++ = 0;
  *at++ = kData;
  at = write_varint(at, data.size());
  events_.append(ByteView(head, static_cast<size_t>(at - head)));
  if (event_count_ == 0) single_start_ = events_.size();
  events_.append(data);
  return AggregateOutcome::added;
}

bool Aggregator::close_kpl(ByteBuffer& out) {
  if (event_count_ == 1 && !options_.wrap_single) {
    out.append(events_.view().subspan(single_start_));
    return false;
  }
  out.append(ByteView(kMagic, sizeof kMagic));
  out.append(key_table_.view());
  out.append(hash_key_table_.view());
  out.append(events_.view());
  static constexpr Md5Digest kFree{};
  out.append(ByteView(kFree.data(), kFree.size()));
  return true;
}

// ---- lines, none ----

// The event alone in the record, compressed at once: whether it fits cannot be told otherwise.
AggregateOutcome Aggregator::compress_alone() {
  compressed_.clear();
  compressor().append(compressed_, events_.view());
  if (compressed_.size() > data_bytes_max()) return refuse(AggregateOutcome::too_large);
  compressed_alone_ = true;
  return AggregateOutcome::added;
}

// A JSON text that was passed on may have line feeds between its tokens, where a space means the
// same. Inside strings they are always escaped.
void Aggregator::make_one_line() {
  uint8_t* at = events_.data() + event_start_;
  size_t left = events_.size() - event_start_;
  if (options_.events_end_lines && left > 0) --left;
  while (left > 0) {
    auto* const feed = static_cast<uint8_t*>(std::memchr(at, '\n', left));
    if (feed == nullptr) break;
    *feed = ' ';
    left -= static_cast<size_t>(feed + 1 - at);
    at = feed + 1;
  }
}

AggregateOutcome Aggregator::end_payload_event() {
  const size_t event_size = events_.size() - event_start_;
  const bool compressed = options_.compression != codec::Compression::none;
  if (!compressed && event_size > data_bytes_max()) return refuse(AggregateOutcome::too_large);
  if (options_.aggregation == Aggregation::none) {
    if (event_count_ > 0) return refuse(AggregateOutcome::full);
    return compressed ? compress_alone() : AggregateOutcome::added;
  }

  if (!options_.events_are_text) make_one_line();
  size_t raw_max = data_bytes_target();
  if (compressed) {
    raw_max =
        std::min(raw_bytes_sure(), static_cast<size_t>(static_cast<double>(raw_max) / ratio_));
  }
  if (event_count_ > 0) {
    return events_.size() > raw_max ? refuse(AggregateOutcome::full) : AggregateOutcome::added;
  }
  if (compressed && event_size > raw_bytes_sure()) return compress_alone();
  return AggregateOutcome::added;
}

// ---- both ----

size_t Aggregator::counted_bytes() const {
  if (empty()) return 0;
  if (options_.aggregation == Aggregation::kpl) {
    const bool bare = event_count_ == 1 && !options_.wrap_single;
    return outer_key_bytes_ + (bare ? events_.size() - single_start_ : kpl_bytes());
  }
  if (compressed_alone_) return outer_key_bytes_ + compressed_.size();
  const double ratio = options_.compression != codec::Compression::none ? ratio_ : 1.0;
  return outer_key_bytes_ + static_cast<size_t>(static_cast<double>(events_.size()) * ratio);
}

size_t Aggregator::memory_bytes() const {
  return events_.capacity() + event_.capacity() + compressed_.capacity() + key_table_.capacity() +
         hash_key_table_.capacity();
}

void Aggregator::close(ByteBuffer& out) {
  const size_t start = out.size();
  if (!close_unsealed(out)) return;
  const std::span<uint8_t> record(out.data() + start, out.size() - start);
  seal({&record, 1});
}

bool Aggregator::close_unsealed(ByteBuffer& out) {
  CHECK(!empty());
  const size_t start = out.size();
  bool unsealed = false;
  if (options_.aggregation == Aggregation::kpl) {
    unsealed = close_kpl(out);
  } else if (compressed_alone_) {
    out.append(compressed_.view());
  } else {
    compressor().append(out, events_.view());
    // Small payloads compress badly and say nothing about large ones.
    if (events_.size() >= 4_KiB) {
      const double ratio =
          static_cast<double>(out.size() - start) / static_cast<double>(events_.size());
      ratio_ = std::clamp(0.5 * ratio_ + 0.5 * ratio, 0.01, 1.0);
    }
  }
  clear();
  return unsealed;
}

void seal(std::span<const std::span<uint8_t>> kpl_aggregates) {
  std::vector<ByteView> messages;
  messages.reserve(kpl_aggregates.size());
  for (const std::span<uint8_t> record : kpl_aggregates) {
    CHECK(record.size() >= sizeof kMagic + sizeof(Md5Digest));
    messages.push_back(
        record.subspan(sizeof kMagic, record.size() - sizeof kMagic - sizeof(Md5Digest)));
  }
  std::vector<Md5Digest> digests(messages.size());
  md5_of_each(messages, digests);
  for (size_t i = 0; i < digests.size(); ++i) {
    const std::span<uint8_t> place = kpl_aggregates[i].last(sizeof(Md5Digest));
    std::copy(digests[i].begin(), digests[i].end(), place.begin());
  }
}

}  // namespace penstock::kinesis_format
