#include "protocol/http/json_body.h"

#include <algorithm>
#include <cstring>

#include "codec/json_scan.h"
#include "record/event.h"

namespace penstock::protocol::http {

using codec::check_json;
using codec::JsonChecked;
using codec::JsonFault;
using record::kJsonEntryHead;

namespace {

constexpr size_t kRoomStep = 4_KiB;
constexpr size_t kCopiedMax = 256_KiB;  // nobody pays for the second copy
constexpr size_t kWriterRoom = 256;     // what writing a string wants to have behind it

}  // namespace

JsonBodyDecoder::JsonBodyDecoder(ByteBuffer buffer, size_t begin, const JsonBodyOptions& options)
    : options_(options),
      buffer_(std::move(buffer)),
      begin_(begin),
      malformed_(options.time, options.bytes_max, 0) {
  CHECK(begin <= buffer_.size());
  codec::terminate(buffer_);
  at_ = buffer_.data() + begin;
  end_ = buffer_.data() + buffer_.size();
  if (end_ - at_ >= 3 && std::memcmp(at_, "\xef\xbb\xbf", 3) == 0) at_ += 3;  // byte order mark
  at_ = codec::skip_json_space(at_, end_);
  parsed_something_ = at_ == end_;  // nothing is no error
  arrays_ = at_ != end_ && *at_ == '[';
}

Result<JsonBodyDecoder::Progress, JsonBodyError> JsonBodyDecoder::decode() {
  for (;;) {
    at_ = codec::skip_json_space(at_, end_);
    if (at_ == end_) break;
    const Step step = in_array_                ? take_element()
                      : arrays_ && *at_ == '[' ? open_array()
                                               : take_line_or_object();
    switch (step) {
      case Step::taken:
        break;
      case Step::need_room:
        return Progress::need_room;
      case Step::no_end:
        return failure(JsonBodyError::not_json);
      case Step::too_large:
        return failure(JsonBodyError::too_large);
    }
  }
  if (in_array_ || !parsed_something_) return failure(JsonBodyError::not_json);
  return Progress::done;
}

JsonBody JsonBodyDecoder::take() {
  JsonBody body{{}, malformed_.take()};
  body.events.encoding = record::Encoding::json;
  body.events.event_count = events_;
  body.events.entries_size = entries_size_;
  if (events_ > 0) {
    buffer_.resize(entries_size_);
    // A chunked body's buffer was doubled, a body may have been spaces: for the batch's whole life
    // that would be too much.
    const bool is_wasteful = buffer_.capacity() / 4 * 3 > entries_size_ + kRoomStep;
    if (is_wasteful && entries_size_ <= kCopiedMax) buffer_ = ByteBuffer::copy_of(buffer_.view());
    body.events.storage = std::move(buffer_);
  }
  return body;
}

JsonBodyDecoder::Step JsonBodyDecoder::open_array() {
  at_ = codec::skip_json_space(at_ + 1, end_);
  in_array_ = at_ == end_ || *at_ != ']';
  if (in_array_) return Step::taken;
  ++at_;
  parsed_something_ = true;
  return Step::taken;
}

// The element and the comma or bracket behind it.
JsonBodyDecoder::Step JsonBodyDecoder::take_element() {
  const JsonChecked checked = check_json(at_, end_);
  const uint8_t* next = codec::skip_json_space(checked.end, end_);
  Step step;
  if (checked.fault == JsonFault::none && next != end_ && (*next == ',' || *next == ']')) {
    step = take_value(checked);
  } else {
    if (checked.fault == JsonFault::truncated) return Step::no_end;
    const uint8_t* const behind = end_of_broken_element();
    if (behind == end_) return Step::no_end;
    step = take_malformed(behind);
  }
  if (step != Step::taken) return step;
  at_ = codec::skip_json_space(at_, end_);
  if (at_ == end_) return Step::no_end;
  const uint8_t delimiter = *at_++;
  if (delimiter == ',') return Step::taken;
  if (delimiter != ']') return Step::no_end;
  in_array_ = false;
  parsed_something_ = true;
  return Step::taken;
}

// The comma or bracket that ends it, by brackets and quotes alone.
const uint8_t* JsonBodyDecoder::end_of_broken_element() const {
  size_t depth = 0;
  codec::Quotes quotes(at_, end_);
  for (const uint8_t* at = at_; at != end_; ++at) {
    switch (*at) {
      case '"': {
        bool escaped = false;
        at = codec::find_string_end(quotes, at + 1, end_, escaped);
        if (at == end_) return end_;
        break;
      }
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (depth == 0) return at;
        --depth;
        break;
      case ',':
        if (depth == 0) return at;
        break;
      default:
        break;
    }
  }
  return end_;
}

JsonBodyDecoder::Step JsonBodyDecoder::take_line_or_object() {
  const JsonChecked checked = check_json(at_, end_);
  if (checked.fault == JsonFault::none && (*at_ == '{' || ends_line(checked.end))) {
    parsed_something_ = true;
    return take_value(checked);
  }
  const auto* const newline =
      static_cast<const uint8_t*>(std::memchr(at_, '\n', static_cast<size_t>(end_ - at_)));
  return take_malformed(newline == nullptr ? end_ : newline);
}

bool JsonBodyDecoder::ends_line(const uint8_t* at) const {
  while (at != end_ && (*at == ' ' || *at == '\t' || *at == '\r')) ++at;
  return at == end_ || *at == '\n';
}

// A value that is JSON, from at_. Nothing behind it is written to.
JsonBodyDecoder::Step JsonBodyDecoder::take_value(const JsonChecked& checked) {
  if (*at_ != '{') return take_malformed(checked.end);
  const ByteView object{at_, static_cast<size_t>(checked.end - at_)};
  const size_t size = checked.bad_utf8 ? codec::repaired_utf8_size(object) : object.size();
  if (size > UINT32_MAX) return Step::too_large;
  // A repaired object is written while it is read, and must not catch up with itself.
  const size_t needed = kJsonEntryHead + (size > object.size() ? size - object.size() : 0);
  if (front() < needed) return ask_front(needed);
  uint8_t* const entry = buffer_.data() + entries_size_;
  if (checked.bad_utf8) {
    codec::write_repaired_utf8(entry + kJsonEntryHead, object);
  } else {
    std::memmove(entry + kJsonEntryHead, object.data(), object.size());
  }
  write_json_entry_head(entry, options_.time, static_cast<uint32_t>(size));
  entries_size_ += kJsonEntryHead + size;
  ++events_;
  at_ = checked.end;
  return Step::taken;
}

JsonBodyDecoder::Step JsonBodyDecoder::take_malformed(const uint8_t* end) {
  const uint8_t* last = end;
  while (last != at_ && codec::is_json_space(last[-1])) --last;
  const ByteView text{at_, static_cast<size_t>(last - at_)};
  const size_t size = malformed_.size() + JsonEntries::malformed_size(text) + kWriterRoom;
  if (size > malformed_room_) return ask_malformed(size);
  malformed_.add_malformed(text);
  at_ = end;
  return Step::taken;
}

// Room for so many bytes before at_, and, if the rest of the body is like what was read, for it.
JsonBodyDecoder::Step JsonBodyDecoder::ask_front(size_t bytes) {
  const size_t read = static_cast<size_t>(at_ - buffer_.data()) - begin_;
  const auto unread = static_cast<size_t>(end_ - at_);
  size_t more = bytes + kRoomStep;
  if (read > 0 && entries_size_ > read) {
    const double growth = static_cast<double>(entries_size_ - read) / static_cast<double>(read);
    more += static_cast<size_t>(std::min(growth, 1.0) * static_cast<double>(unread));
  }
  const size_t capacity_max = options_.bytes_max - std::min(options_.bytes_max, malformed_room_);
  if (buffer_.size() + bytes - front() > capacity_max) return Step::too_large;
  wanted_capacity_ = std::max(buffer_.capacity(), std::min(buffer_.size() + more, capacity_max));
  wanted_malformed_ = malformed_room_;
  return Step::need_room;
}

JsonBodyDecoder::Step JsonBodyDecoder::ask_malformed(size_t bytes) {
  const size_t capacity = buffer_.capacity();
  const size_t room_max = options_.bytes_max - std::min(options_.bytes_max, capacity);
  if (bytes > room_max) return Step::too_large;
  wanted_capacity_ = capacity;
  wanted_malformed_ = std::min(std::max(bytes, 2 * malformed_room_), room_max);
  return Step::need_room;
}

void JsonBodyDecoder::make_room() {
  if (wanted_malformed_ > malformed_room_) {
    malformed_room_ = wanted_malformed_;
    malformed_.reserve(malformed_room_);
    return;
  }
  const auto at = static_cast<size_t>(at_ - buffer_.data());
  const size_t unread = buffer_.size() - at;
  buffer_.reserve(wanted_capacity_);
  buffer_.resize(buffer_.capacity());
  uint8_t* const moved = buffer_.data() + buffer_.size() - unread;
  std::memmove(moved, buffer_.data() + at, unread);
  begin_ += static_cast<size_t>(moved - buffer_.data()) - at;
  at_ = moved;
  end_ = moved + unread;
  codec::terminate(buffer_);
}

}  // namespace penstock::protocol::http
