#include "protocol/json_entries.h"

#include <algorithm>

#include "base/big_endian.h"
#include "codec/base64.h"
#include "codec/json_check.h"
#include "codec/json_writer.h"
#include "codec/utf8.h"
#include "record/event.h"

namespace penstock::protocol {
namespace {

// Room for the entries of objects of 1 KB without growing; smaller ones grow it.
size_t initial_capacity(size_t size_expected, size_t size_max) {
  return std::min(size_expected + size_expected / 64 + record::kJsonEntryHead, size_max);
}

// Text that a person can read in a dead letter, and that grows by escapes to twice its size at
// most.
bool is_readable(ByteView bytes) {
  const bool has_controls = std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) {
    return byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r';
  });
  return !has_controls && codec::is_utf8(bytes.data(), bytes.data() + bytes.size());
}

constexpr std::string_view kText = "{\"malformed\":";
constexpr std::string_view kBase64 = "{\"malformed_base64\":\"";

// Quotes, backslashes and the three controls that readable text may hold.
size_t escapes_in(ByteView text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](uint8_t byte) {
    return byte < 0x20 || byte == '"' || byte == '\\';
  }));
}

}  // namespace

void write_json_entry_head(uint8_t* to, codec::EventTime time, uint32_t object_size) {
  const bool fits = time.seconds >= 0 && time.seconds <= UINT32_MAX;  // else: when it was received
  to[0] = 0x92;
  to[1] = 0xd7;
  to[2] = 0x00;
  store_be(to + 3, fits ? static_cast<uint32_t>(time.seconds) : uint32_t{0});
  store_be(to + 7, fits ? time.nanoseconds : uint32_t{0});
  to[11] = 0xc6;
  store_be(to + 12, object_size);
}
static_assert(record::kJsonEntryHead == 16);

JsonEntries::JsonEntries(codec::EventTime time, size_t size_max, size_t size_expected)
    : time_(time), size_max_(std::min<size_t>(size_max, UINT32_MAX)) {
  batch_.encoding = record::Encoding::json;
  if (size_expected > 0) batch_.storage.reserve(initial_capacity(size_expected, size_max));
}

// Grown by doubling, but never beyond the bound that the caller has reserved memory for.
bool JsonEntries::make_room(size_t object_size) {
  const size_t needed = batch_.storage.size() + record::json_entry_size(object_size);
  is_full_ = is_full_ || needed > size_max_;
  if (is_full_) return false;
  const size_t capacity = batch_.storage.capacity();
  if (needed > capacity)
    batch_.storage.reserve(std::min(std::max(2 * capacity, needed), size_max_));
  return true;
}

ByteBuffer& JsonEntries::open() {
  open_at_ = batch_.storage.size();
  batch_.storage.resize(open_at_ + record::kJsonEntryHead);
  return batch_.storage;
}

void JsonEntries::close(codec::EventTime time) {
  ByteBuffer& out = batch_.storage;
  if (out.size() > size_max_) {
    is_full_ = true;
    return drop();
  }
  const size_t size = out.size() - open_at_ - record::kJsonEntryHead;
  CHECK(size <= UINT32_MAX);
  write_json_entry_head(out.data() + open_at_, time, static_cast<uint32_t>(size));
  ++batch_.event_count;
}

void JsonEntries::add(ByteView object) {
  if (!make_room(object.size())) return;
  open().append(object);
  close();
}

void JsonEntries::add_repaired(ByteView object) {
  if (!make_room(codec::repaired_utf8_size(object))) return;
  codec::append_repaired_utf8(open(), object);
  close();
}

size_t JsonEntries::malformed_size(ByteView bytes) {
  const size_t text = is_readable(bytes) ? kText.size() + bytes.size() + escapes_in(bytes) + 3
                                         : kBase64.size() + (bytes.size() + 2) / 3 * 4 + 2;
  return record::json_entry_size(text);
}

void JsonEntries::add_malformed(ByteView bytes) {
  if (!make_room(malformed_size(bytes) - record::kJsonEntryHead)) return;
  ByteBuffer& out = open();
  if (is_readable(bytes)) {
    out.append(kText);
    codec::append_json_string(out, as_text(bytes));
    out.append("}");
  } else {
    out.append(kBase64);
    codec::append_base64(out, bytes);
    out.append("\"}");
  }
  close();
}

record::Batch JsonEntries::take() {
  batch_.entries_size = batch_.storage.size();
  return std::move(batch_);
}

}  // namespace penstock::protocol
