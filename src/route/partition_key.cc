#include "route/partition_key.h"

#include <array>
#include <cstring>

#include "codec/hex.h"
#include "codec/utf8.h"

namespace penstock::route {
namespace {

std::string_view random_key(const record::Batch& batch, uint32_t index, std::string& scratch) {
  std::array<uint64_t, 3> id{batch.id.low, batch.id.high, uint64_t{batch.first_index} + index};
  uint64_t drawn = checksum64({reinterpret_cast<const uint8_t*>(id.data()), sizeof id});
  scratch.resize(16);
  for (char& digit : scratch) {
    digit = codec::kHexDigits[drawn & 15];
    drawn >>= 4;
  }
  return scratch;
}

// Where the first 256 characters end, or the first one that is not UTF-8 begins.
size_t usable_prefix(std::string_view text, bool& invalid) {
  const ByteView bytes = as_bytes(text);
  const uint8_t* at = bytes.data();
  const uint8_t* const end = at + bytes.size();
  for (size_t characters = 0; at != end && characters < PartitionKey::kCharactersMax;
       ++characters) {
    if (*at < 0x80) {
      ++at;
      continue;
    }
    const codec::Utf8Step step = codec::utf8_step(at, end);
    if (!step.valid) {
      invalid = true;
      break;
    }
    at += step.size;
  }
  return static_cast<size_t>(at - bytes.data());
}

std::string repaired(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  const uint8_t* at = bytes.data();
  const uint8_t* const end = at + bytes.size();
  std::string key;
  for (size_t characters = 0; at != end && characters < PartitionKey::kCharactersMax;
       ++characters) {
    const codec::Utf8Step step = *at < 0x80 ? codec::Utf8Step{1, true} : codec::utf8_step(at, end);
    key += step.valid ? as_text({at, step.size}) : codec::kReplacement;
    at += step.size;
  }
  return key;
}

std::string_view usable(std::string_view text, std::string& scratch) {
  bool invalid = false;
  const size_t size = usable_prefix(text, invalid);
  if (!invalid) return text.substr(0, size);
  scratch = repaired(text);  // text may be in scratch: made again first
  return scratch;
}

}  // namespace

PartitionKey PartitionKey::field(FieldPath path) {
  PartitionKey key(Kind::field);
  const FieldSet::Wanted wanted{std::move(path), true};
  key.fields_.emplace(std::span(&wanted, 1));
  return key;
}

std::string_view PartitionKey::of(const record::Batch& batch, const record::EventView& event,
                                  uint32_t index, std::string& scratch) const {
  std::string_view text;
  if (kind_ == Kind::tag) {
    text = batch.tag;
  } else if (kind_ == Kind::field) {
    FieldValue value;
    fields_->find(event.record, batch.encoding, std::span(&value, 1));
    text = value.text(scratch).value_or(std::string_view());
  }
  return text.empty() ? random_key(batch, index, scratch) : usable(text, scratch);
}

}  // namespace penstock::route
