#include "protocol/otlp/log_object.h"

#include "codec/hex.h"
#include "codec/json_writer.h"
#include "codec/rfc3339.h"

namespace penstock::protocol::otlp {
namespace {

// Writes through `write(uint8_t*) -> uint8_t*`, which needs at most kRoom bytes.
template <class Write>
void append_written(ByteBuffer& out, Write write) {
  uint8_t text[codec::kRoom];
  const uint8_t* const end = write(text);
  out.append({text, static_cast<size_t>(end - text)});
}

}  // namespace

bool MemberWriter::key(std::string_view text, size_t size_max, const uint8_t* readable_end) {
  codec::JsonSink sink(out_, size_max - std::min(size_max, out_.size()));
  uint8_t* at = sink.begin();
  if (has_members_) *at++ = ',';
  has_members_ = true;
  // A key that is absent has no address from which bytes could be loaded.
  const uint8_t* const from = text.empty() ? readable_end : as_bytes(text).data();
  at = codec::write_string(sink, at, from, text.size(), readable_end);
  if (at == nullptr) return false;
  *at++ = ':';
  return sink.commit(at);
}

bool MemberWriter::text_member(ByteView key, ByteView value, size_t size_max,
                               const uint8_t* readable_end) {
  codec::JsonSink sink(out_, size_max - std::min(size_max, out_.size()));
  uint8_t* at = sink.begin();
  if (has_members_) *at++ = ',';
  has_members_ = true;
  at = codec::write_string(sink, at, key.data(), key.size(), readable_end);
  if (at == nullptr) return false;
  *at++ = ':';
  at = codec::write_string(sink, at, value.data(), value.size(), readable_end);
  return at != nullptr && sink.commit(at);
}

ByteBuffer& MemberWriter::raw_key(std::string_view text) {
  const size_t start = out_.size();
  out_.resize(start + text.size() + (has_members_ ? 4 : 3));
  uint8_t* at = out_.data() + start;
  if (has_members_) *at++ = ',';
  has_members_ = true;
  *at++ = '"';
  at = codec::write_raw(at, text);
  *at++ = '"';
  *at = ':';
  return out_;
}

void append_integer(ByteBuffer& out, int64_t value) {
  append_written(out, [&](uint8_t* at) { return codec::write_signed(at, value); });
}

void append_unsigned(ByteBuffer& out, uint64_t value) {
  append_written(out, [&](uint8_t* at) { return codec::write_unsigned(at, value); });
}

void append_double(ByteBuffer& out, double value) {
  append_written(out, [&](uint8_t* at) { return codec::write_double(at, value); });
}

void append_hex_string(ByteBuffer& out, ByteView bytes) {
  out.push_back('"');
  codec::append_hex(out, bytes);
  out.push_back('"');
}

void append_timestamp(ByteBuffer& out, uint64_t unix_nanoseconds) {
  const codec::EventTime time{static_cast<int64_t>(unix_nanoseconds / 1'000'000'000),
                              static_cast<uint32_t>(unix_nanoseconds % 1'000'000'000)};
  out.push_back('"');
  append_written(out, [&](uint8_t* at) { return codec::write_rfc3339(at, time); });
  out.push_back('"');
}

}  // namespace penstock::protocol::otlp
