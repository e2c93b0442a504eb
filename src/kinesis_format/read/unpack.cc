#include "kinesis_format/read/unpack.h"

#include <algorithm>
#include <cstring>

#include "codec/inflate.h"
#include "codec/json_check.h"
#include "codec/json_scan.h"
#include "kinesis_format/read/kpl_reader.h"

namespace penstock::kinesis_format {
namespace {

// RFC 1952 (with its one method) and RFC 8878.
constexpr uint8_t kGzipMagic[] = {0x1f, 0x8b, 0x08};
constexpr uint8_t kZstdMagic[] = {0x28, 0xb5, 0x2f, 0xfd};

bool starts_with(ByteView bytes, ByteView magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

codec::Compression compression_of(ByteView data) {
  if (starts_with(data, kGzipMagic)) return codec::Compression::gzip;
  if (starts_with(data, kZstdMagic)) return codec::Compression::zstd;
  return codec::Compression::none;
}

// *end must be 0 and the padding behind it readable.
bool is_terminated_object(const uint8_t* at, const uint8_t* end) {
  at = codec::skip_json_space(at, end);
  if (at == end || *at != '{') return false;
  const codec::JsonChecked checked = codec::check_json(at, end);
  return checked.fault == codec::JsonFault::none && codec::skip_json_space(checked.end, end) == end;
}

}  // namespace

bool is_json_object(ByteView bytes) {
  ByteBuffer text = ByteBuffer::copy_of(bytes);
  codec::terminate(text);
  return is_terminated_object(text.data(), text.data() + text.size());
}

Unpacker::Unpacker(Sink sink, const UnpackOptions& options)
    : sink_(std::move(sink)),
      options_(options),
      joiner_([this](ByteView event, const std::string& note) { sink_(event, note); },
              options.parts_bytes_max) {}

void Unpacker::add(ByteView data, const std::string& note) {
  inflated_left_ = options_.inflated_bytes_max;
  const bool is_aggregate = read_kpl(data, [this, &note](const KplRecord& record) {
    add_payload(record.data, Inside::one_event, note);
  });
  if (!is_aggregate) add_payload(data, Inside::lines, note);
}

void Unpacker::add_payload(ByteView data, Inside inside, const std::string& note) {
  ByteView payload = data;
  const codec::Compression compression = compression_of(data);
  if (compression != codec::Compression::none) {
    inflated_.clear();
    const auto done = codec::inflate_whole(
        {.compression = compression, .output_bytes_max = inflated_left_}, data, inflated_);
    // Not what it looked like, or too much: as it came.
    if (!done) return sink_(data, note);
    inflated_left_ -= std::min(inflated_left_, inflated_.size());
    payload = inflated_.view();
  }
  if (inside == Inside::lines && add_lines(payload, note)) return;
  add_event(payload, note);
}

// Lines only where each is a JSON object: a text with line feeds that we did not join stays whole.
bool Unpacker::add_lines(ByteView data, const std::string& note) {
  if (data.empty() || std::memchr(data.data(), '\n', data.size()) == nullptr) return false;
  lines_.clear();
  lines_.append(data);
  codec::terminate(lines_);
  uint8_t* const start = lines_.data();
  uint8_t* const end = start + lines_.size();
  if (is_terminated_object(start, end)) return false;  // one object over several lines

  const auto for_each_line = [start, end](auto visit) {
    for (uint8_t* at = start; at < end;) {
      auto* feed = static_cast<uint8_t*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
      uint8_t* const line_end = feed != nullptr ? feed : end;
      if (!visit(at, line_end)) return false;
      at = line_end + 1;
    }
    return true;
  };
  const bool all_objects = for_each_line([](uint8_t* at, uint8_t* line_end) {
    const uint8_t behind = *line_end;
    *line_end = 0;
    const bool is_object = is_terminated_object(at, line_end);
    *line_end = behind;
    return is_object;
  });
  if (!all_objects) return false;
  return for_each_line([this, &note](uint8_t* at, uint8_t* line_end) {
    add_event({at, static_cast<size_t>(line_end - at)}, note);
    return true;
  });
}

void Unpacker::add_event(ByteView event, const std::string& note) {
  // The line feed behind an object is the record's end, and nothing of the event.
  if (event.size() > 2 && event[0] == '{' && event[event.size() - 2] == '}' &&
      event.back() == '\n') {
    event = event.first(event.size() - 1);
  }
  if (!joiner_.add(event, note)) sink_(event, note);
}

}  // namespace penstock::kinesis_format
