#include "kinesis_format/event_encoder.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "codec/msgpack_cursor.h"
#include "kinesis_format/oversize.h"

namespace penstock::kinesis_format {
namespace {

bool is_space(uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

// What a batch holds was checked and repaired when it was received.
EncodeOutcome append_checked_json(ByteBuffer& out, ByteView json, size_t size_max) {
  if (json.size() > size_max) return EncodeOutcome::too_large;
  out.append(json);
  return EncodeOutcome::done;
}

std::string key_text(const std::string& name) {
  if (name.empty()) return {};
  ByteBuffer text;
  codec::append_json_string(text, name);
  text.push_back(':');
  return std::string(as_text(text.view()));
}

std::string field_text(const std::string& name, const std::string& value) {
  ByteBuffer text;
  codec::append_json_string(text, name);
  text.push_back(':');
  codec::append_json_string(text, value);
  text.push_back(',');
  return std::string(as_text(text.view()));
}

bool is_text(const route::FieldValue& value) {
  return value.kind == route::FieldValue::Kind::text ||
         value.kind == route::FieldValue::Kind::number ||
         value.kind == route::FieldValue::Kind::boolean;
}

size_t record_size(const record::Batch& batch, ByteView record) {
  if (batch.encoding != record::Encoding::msgpack) return record.size();
  const auto whole = codec::MsgpackCursor(record).skip();
  CHECK(whole.has_value());  // the batch was walked before it was admitted
  return whole->size();
}

}  // namespace

void append_event_id(ByteBuffer& out, const Hash128& batch_id, uint64_t index) {
  uint8_t text[32 + 1 + 20];
  for (size_t i = 0; i < 16; ++i) {
    text[i] = static_cast<uint8_t>(codec::kHexDigits[batch_id.high >> (60 - 4 * i) & 15]);
    text[16 + i] = static_cast<uint8_t>(codec::kHexDigits[batch_id.low >> (60 - 4 * i) & 15]);
  }
  text[32] = '-';
  const uint8_t* const end = codec::write_unsigned(text + 33, index);
  out.append(ByteView(text, static_cast<size_t>(end - text)));
}

EventEncoder::EventEncoder(const Inject& inject, const PayloadForm& form)
    : form_(form),
      time_format_(inject.time_format),
      time_key_(key_text(inject.time)),
      tag_key_(key_text(inject.tag)),
      id_key_(key_text(inject.id)) {
  if (!form_.data_key.empty()) {
    const route::FieldSet::Wanted wanted{form_.data_key, true};
    data_field_.emplace(std::span(&wanted, 1));
  }
  if (inject.fields.empty()) return;
  std::vector<route::FieldSet::Wanted> names;
  for (const auto& [name, text] : inject.fields) {
    names.push_back({{name}, true});
    fixed_fields_.push_back(field_text(name, text));
  }
  fixed_names_.emplace(names);
}

bool EventEncoder::injects() const {
  return !time_key_.empty() || !tag_key_.empty() || !id_key_.empty() || fixed_names_.has_value();
}

void EventEncoder::append_end(ByteBuffer& out) const {
  if (form_.line_feed) out.push_back('\n');
}

EncodeOutcome EventEncoder::append(ByteBuffer& out, const record::Batch& batch,
                                   const record::EventView& event, uint32_t index, size_t size_max,
                                   size_t* consumed) const {
  if (size_max < end_bytes()) return EncodeOutcome::too_large;
  const EncodeOutcome outcome =
      append_bare(out, batch, event, index, size_max - end_bytes(), consumed);
  if (outcome == EncodeOutcome::done) append_end(out);
  return outcome;
}

EncodeOutcome EventEncoder::append_bare(ByteBuffer& out, const record::Batch& batch,
                                        const record::EventView& event, uint32_t index,
                                        size_t size_max, size_t* consumed) const {
  if (data_field_) return append_text(out, batch, event, size_max, consumed);
  const size_t start = out.size();
  const bool is_msgpack = batch.encoding == record::Encoding::msgpack;
  const EncodeOutcome outcome = is_msgpack
                                    ? append_event_json(out, event.record, size_max, consumed)
                                    : append_checked_json(out, event.record, size_max);
  if (!is_msgpack && consumed != nullptr) *consumed = event.record.size();
  if (outcome != EncodeOutcome::done || !injects()) return outcome;

  // Take the closing brace off; what stands behind it is white space.
  size_t size = out.size();
  while (size > start && is_space(out.data()[size - 1])) --size;
  if (size - start < 2 || out.data()[size - 1] != '}') {
    out.resize(start);
    return EncodeOutcome::malformed;
  }
  --size;
  while (size > start && is_space(out.data()[size - 1])) --size;
  const bool was_empty = out.data()[size - 1] == '{';
  out.resize(size);
  if (!was_empty) out.push_back(',');
  append_fields(out, batch, event, index);
  // Over the last comma; `{}` stays when nothing was added to it.
  if (out.data()[out.size() - 1] == ',') {
    out.data()[out.size() - 1] = '}';
  } else {
    out.push_back('}');
  }
  if (out.size() - start <= size_max) return EncodeOutcome::done;
  out.resize(start);
  return EncodeOutcome::too_large;
}

EncodeOutcome EventEncoder::append_text(ByteBuffer& out, const record::Batch& batch,
                                        const record::EventView& event, size_t size_max,
                                        size_t* consumed) const {
  route::FieldValue value;
  data_field_->find(event.record, batch.encoding, std::span(&value, 1));
  if (!is_text(value)) return EncodeOutcome::no_text;
  EncodeOutcome outcome = EncodeOutcome::done;
  if (value.is_packed) {
    outcome = append_json_value(out, as_bytes(value.raw), size_max);
  } else {
    std::string scratch;
    const std::string_view text = value.text(scratch).value_or(std::string_view());
    outcome = append_checked_json(out, as_bytes(text), size_max);
  }
  if (outcome == EncodeOutcome::done && consumed != nullptr) {
    *consumed = record_size(batch, event.record);
  }
  return outcome;
}

bool EventEncoder::has_payload(const record::Batch& batch, const record::EventView& event) const {
  if (!data_field_) return true;
  route::FieldValue value;
  data_field_->find(event.record, batch.encoding, std::span(&value, 1));
  return is_text(value);
}

bool EventEncoder::append_shortened(ByteBuffer& out, ByteView payload, size_t bytes_max) const {
  if (bytes_max < end_bytes()) return false;
  const size_t room = bytes_max - end_bytes();
  if (data_field_) {
    size_t size = std::min(room, payload.size());
    // Not behind the first byte of a character: back to where it begins.
    while (size > 0 && size < payload.size() && (payload[size] & 0xc0) == 0x80) --size;
    if (size == 0) return false;
    out.append(payload.first(size));
  } else if (!append_truncated(out, payload, room)) {
    return false;
  }
  append_end(out);
  return true;
}

// Each with a comma behind it.
void EventEncoder::append_fields(ByteBuffer& out, const record::Batch& batch,
                                 const record::EventView& event, uint32_t index) const {
  if (fixed_names_) append_fixed_fields(out, batch, event);
  if (!time_key_.empty()) {
    out.append(time_key_);
    time_format_.append_json(out, event.time);
    out.push_back(',');
  }
  if (!tag_key_.empty()) {
    out.append(tag_key_);
    codec::append_json_string(out, batch.tag);
    out.push_back(',');
  }
  if (!id_key_.empty()) {
    out.append(id_key_);
    out.push_back('"');
    append_event_id(out, batch.id, uint64_t{batch.first_index} + index);
    out.append("\",");
  }
}

void EventEncoder::append_fixed_fields(ByteBuffer& out, const record::Batch& batch,
                                       const record::EventView& event) const {
  std::vector<route::FieldValue> own(fixed_names_->size());
  fixed_names_->find(event.record, batch.encoding, own);
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i].kind == route::FieldValue::Kind::absent) out.append(fixed_fields_[i]);
  }
}

}  // namespace penstock::kinesis_format
