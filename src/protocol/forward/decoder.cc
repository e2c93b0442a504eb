#include "protocol/forward/decoder.h"

#include <algorithm>

#include "base/big_endian.h"
#include "base/check.h"
#include "protocol/opening.h"

namespace penstock::protocol::forward {
namespace {

using codec::Compression;
using codec::MsgpackCursor;
using codec::MsgpackError;
using codec::MsgpackScanner;
using codec::MsgpackToken;
using codec::MsgpackType;

constexpr size_t kReadBytes = 64_KiB;  // the least worth reading into
constexpr size_t kTagBytesMax = 4_KiB;
constexpr size_t kOptionBytesMax = 64_KiB;
// Added to the declared size of packed entries: option maps are small, and so one buffer does.
constexpr size_t kOptionGuess = 256;
constexpr size_t kOptionStep = 4_KiB;

// The head of a value whose content may not have arrived yet.
struct Head {
  enum class Kind : uint8_t { array, text, other };
  Kind kind = Kind::other;
  size_t size = 1;     // of the head itself
  uint64_t count = 0;  // items, or bytes of text
};

template <class T>
std::optional<Head> read_head(Head::Kind kind, ByteView bytes) {
  if (bytes.size() < 1 + sizeof(T)) return std::nullopt;
  return Head{kind, 1 + sizeof(T), load_be<T>(bytes.data() + 1)};
}

// nullopt: not all of the head is there. bytes is not empty.
std::optional<Head> read_head(ByteView bytes) {
  const uint8_t first = bytes[0];
  if ((first & 0xf0) == 0x90) return Head{Head::Kind::array, 1, first & 0x0fu};
  if ((first & 0xe0) == 0xa0) return Head{Head::Kind::text, 1, first & 0x1fu};
  switch (first) {
    case 0xdc:
      return read_head<uint16_t>(Head::Kind::array, bytes);
    case 0xdd:
      return read_head<uint32_t>(Head::Kind::array, bytes);
    case 0xc4:
    case 0xd9:
      return read_head<uint8_t>(Head::Kind::text, bytes);
    case 0xc5:
    case 0xda:
      return read_head<uint16_t>(Head::Kind::text, bytes);
    case 0xc6:
    case 0xdb:
      return read_head<uint32_t>(Head::Kind::text, bytes);
    default:
      return Head{};
  }
}

constexpr size_t kHeadMax = 5;

bool is_array_head(uint8_t first) {
  return (first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd;
}
bool is_option_key(std::string_view name) {
  return name == "chunk" || name == "size" || name == "compressed" || name == "fluent_signal";
}
bool is_map_head(uint8_t first) { return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf; }

}  // namespace

std::string_view to_string(DecodeError error) {
  switch (error) {
    case DecodeError::not_msgpack:
      return "not_msgpack";
    case DecodeError::wrong_shape:
      return "wrong_shape";
    case DecodeError::json_not_supported:
      return "json_not_supported";
    case DecodeError::tls_on_plain_port:
      return "tls_on_plain_port";
    case DecodeError::http_on_this_port:
      return "http_on_this_port";
    case DecodeError::proxy_protocol:
      return "proxy_protocol";
    case DecodeError::message_too_large:
      return "message_too_large";
    case DecodeError::tag_too_long:
      return "tag_too_long";
    case DecodeError::option_too_large:
      return "option_too_large";
    case DecodeError::too_deep:
      return "too_deep";
    case DecodeError::metrics_or_traces:
      return "metrics_or_traces";
    case DecodeError::unknown_compression:
      return "unknown_compression";
  }
  return "unknown";
}

size_t Decoder::capacity_max() const { return std::max(options_.message_bytes_max, kReadBytes); }

size_t Decoder::wanted_capacity() const {
  size_t wanted = needed_;
  const bool full = buffer_.size() == buffer_.capacity();
  if (phase_ == Phase::packed) {
    if (parts_left_ > 1) wanted += kOptionGuess;
  } else if (full && phase_ == Phase::option) {
    wanted = std::max(wanted, buffer_.size() + kOptionStep);
  } else if (full) {
    wanted = std::max(wanted, 2 * buffer_.size());
  }
  wanted = std::max(wanted, kReadBytes);
  if (wanted < buffer_.capacity()) wanted = buffer_.capacity();
  return std::min(wanted, std::max(capacity_max(), buffer_.capacity()));
}

// An option behind the entries has no declared size: it begins, at least.
std::optional<size_t> Decoder::missing() const {
  if (phase_ != Phase::packed) return std::nullopt;
  return needed_ + (parts_left_ > 1 ? 1 : 0) - buffered();
}

void Decoder::release_buffer() {
  CHECK(buffered() == 0);
  buffer_.release();
  start_ = 0;
}

Result<std::optional<Message>, DecodeError> Decoder::next() {
  while (true) {
    const Turn turned = turn();
    if (!turned) return failure(turned.error());
    if (at_ > options_.message_bytes_max) return failure(DecodeError::message_too_large);
    if (complete()) return hand_over();
    if (*turned == Outcome::need_bytes) break;
  }
  // Each byte is moved at most once on its way here: from now on this message begins at 0.
  if (start_ > 0) {
    buffer_.consume(start_);
    start_ = 0;
  }
  return std::nullopt;
}

Decoder::Turn Decoder::need(uint64_t bytes) {
  const uint64_t total = at_ + bytes;
  if (total > options_.message_bytes_max) return failure(DecodeError::message_too_large);
  needed_ = static_cast<size_t>(total);
  return Outcome::need_bytes;
}

Decoder::Turn Decoder::turn() {
  switch (phase_) {
    case Phase::start:
      return take_start();
    case Phase::tag:
      return take_tag();
    case Phase::body:
      return take_body();
    case Phase::packed:
      return take_packed();
    case Phase::forward:
    case Phase::time:
    case Phase::record:
      return take_scanned();
    case Phase::option:
      break;
  }
  return take_option();
}

Decoder::Turn Decoder::take_start() {
  if (rest().empty()) return need(1);
  const uint8_t first = rest()[0];
  if (first == 0xc0) {
    ++start_;
    return Outcome::go_on;
  }
  if (first == '{' || first == '[') return failure(DecodeError::json_not_supported);
  if (first == 0xc1) return failure(DecodeError::not_msgpack);
  if (first < 0x80) return refuse_start();
  const auto head = read_head(rest());
  if (!head) return need(kHeadMax);
  if (head->kind != Head::Kind::array || head->count < 2 || head->count > 4) {
    return failure(DecodeError::wrong_shape);
  }
  parts_left_ = static_cast<uint32_t>(head->count);
  at_ = head->size;
  phase_ = Phase::tag;
  return Outcome::go_on;
}

// A small number begins no message: what is it?
Decoder::Turn Decoder::refuse_start() {
  switch (opening_of(rest())) {
    case Opening::undecided:
      return need(rest().size() + 1);
    case Opening::tls:
      return failure(DecodeError::tls_on_plain_port);
    case Opening::http:
      return failure(DecodeError::http_on_this_port);
    case Opening::proxy:
      return failure(DecodeError::proxy_protocol);
    case Opening::other:
      break;
  }
  return failure(DecodeError::wrong_shape);
}

Decoder::Turn Decoder::take_tag() {
  if (rest().empty()) return need(1);
  const auto head = read_head(rest());
  if (!head) return need(kHeadMax);
  if (head->kind != Head::Kind::text) return failure(DecodeError::wrong_shape);
  if (head->count > kTagBytesMax) return failure(DecodeError::tag_too_long);
  const auto size = static_cast<size_t>(head->count);
  if (rest().size() < head->size + size) return need(head->size + size);
  message_.tag = as_text(rest().subspan(head->size, size));
  at_ += head->size + size;
  --parts_left_;
  phase_ = Phase::body;
  return Outcome::go_on;
}

// What stands after the tag tells the mode.
Decoder::Turn Decoder::take_body() {
  if (rest().empty()) return need(1);
  const auto head = read_head(rest());
  if (!head) return need(kHeadMax);
  body_at_ = at_;
  if (head->kind == Head::Kind::text) {
    if (parts_left_ > 2) return failure(DecodeError::wrong_shape);
    message_.mode = Mode::packed_forward;
    at_ += head->size;
    packed_size_ = static_cast<size_t>(head->count);
    entries_begin_ = at_;
    phase_ = Phase::packed;
    return Outcome::go_on;
  }
  if (head->kind != Head::Kind::array) return begin_message_mode();
  if (head->count == 2 && parts_left_ > 1) return take_pair(head->size);
  return begin_entries(head->size);
}

// [time, metadata] of a Message, or two entries? A time is a scalar, metadata a map.
Decoder::Turn Decoder::take_pair(size_t head_size) {
  if (parts_left_ > 2) return begin_message_mode();
  if (rest().size() == head_size) return need(head_size + 1);
  const ByteView pair = rest().subspan(head_size);
  const auto first = read_head(pair);
  const bool is_map = is_map_head(pair[0]);
  if (is_map || !first || first->kind != Head::Kind::other) return begin_entries(head_size);
  MsgpackScanner scanner;
  switch (scanner.scan(pair)) {
    case MsgpackScanner::State::failed:
      return failure(DecodeError::not_msgpack);
    case MsgpackScanner::State::need_bytes:
      return need(head_size + scanner.needed());
    case MsgpackScanner::State::done:
      break;
  }
  const auto second = static_cast<size_t>(scanner.position());
  if (pair.size() == second) return need(head_size + second + 1);
  return is_map_head(pair[second]) ? begin_message_mode() : begin_entries(head_size);
}

Decoder::Turn Decoder::begin_entries(size_t head_size) {
  if (parts_left_ > 2) return failure(DecodeError::wrong_shape);
  message_.mode = Mode::forward;
  entries_begin_ = at_ + head_size;
  begin_scan(Phase::forward, MsgpackScanner::TooDeep::is_passed);
  return Outcome::go_on;
}

Decoder::Turn Decoder::begin_message_mode() {
  if (parts_left_ < 2) return failure(DecodeError::wrong_shape);
  message_.mode = Mode::message;
  entries_begin_ = at_ - 1;  // 0x92 goes there, over the last byte of the tag
  begin_scan(Phase::time, MsgpackScanner::TooDeep::is_passed);
  return Outcome::go_on;
}

Decoder::Turn Decoder::take_packed() {
  if (rest().size() < packed_size_) return need(packed_size_);
  at_ += packed_size_;
  entries_end_ = at_;
  --parts_left_;
  begin_scan(Phase::option, MsgpackScanner::TooDeep::fails);
  return Outcome::go_on;
}

void Decoder::begin_scan(Phase phase, MsgpackScanner::TooDeep too_deep) {
  phase_ = phase;
  scanner_.restart(too_deep);
}

// Looks for the end of the value at at_, and steps over it.
Decoder::Turn Decoder::scan() {
  switch (scanner_.scan(rest())) {
    case MsgpackScanner::State::failed:
      return failure(scanner_.error() == MsgpackError::too_deep ? DecodeError::too_deep
                                                                : DecodeError::not_msgpack);
    case MsgpackScanner::State::need_bytes: {
      // Each value that is still to come is a byte at least.
      const uint64_t bytes_min = scanner_.position() + scanner_.values_pending();
      if (at_ + bytes_min > options_.message_bytes_max) {
        return failure(DecodeError::message_too_large);
      }
      return need(scanner_.needed());
    }
    case MsgpackScanner::State::done:
      break;
  }
  at_ += static_cast<size_t>(scanner_.position());
  --parts_left_;
  return Outcome::go_on;
}

Decoder::Turn Decoder::take_scanned() {
  const Turn scanned = scan();
  if (!scanned || *scanned == Outcome::need_bytes) return scanned;
  entries_end_ = at_;
  if (phase_ == Phase::time) {
    begin_scan(Phase::record, MsgpackScanner::TooDeep::is_passed);
  } else {
    begin_scan(Phase::option, MsgpackScanner::TooDeep::fails);
  }
  return Outcome::go_on;
}

Decoder::Turn Decoder::take_option() {
  if (parts_left_ > 1) return failure(DecodeError::wrong_shape);
  const size_t option_at = at_;
  const Turn scanned = scan();
  if (!scanned) return scanned;
  if (*scanned == Outcome::need_bytes) {
    if (needed_ - option_at > kOptionBytesMax) return failure(DecodeError::option_too_large);
    return scanned;
  }
  const auto read = read_option(buffer_.view().subspan(start_ + option_at, at_ - option_at));
  if (!read) return failure(read.error());
  return Outcome::go_on;
}

Result<void, DecodeError> Decoder::read_option(ByteView option) {
  MsgpackCursor cursor(option);
  MsgpackToken token;
  CHECK(cursor.next(token));  // it has been scanned
  if (token.type == MsgpackType::nil) return {};
  if (token.type != MsgpackType::map) return failure(DecodeError::wrong_shape);
  bool has_known_key = false;
  for (uint32_t pairs = token.count; pairs > 0; --pairs) {
    const ByteView key_bytes = cursor.skip().value();
    const ByteView value_bytes = cursor.skip().value();
    MsgpackToken key;
    MsgpackToken value;
    CHECK(MsgpackCursor(key_bytes).next(key) && MsgpackCursor(value_bytes).next(value));
    if (!key.is_text()) continue;
    const std::string_view name = as_text(key.bytes);
    has_known_key = has_known_key || is_option_key(name);
    if (name == "chunk" && value.is_text()) {
      message_.has_chunk = true;
      message_.chunk = as_text(value.bytes);
      message_.chunk_is_bin = value.type == MsgpackType::bin;
    } else if (name == "size" && value.type == MsgpackType::unsigned_integer) {
      message_.size_hint = value.unsigned_integer;
    } else if (name == "fluent_signal" && value.type != MsgpackType::nil) {
      const bool logs = value.type == MsgpackType::unsigned_integer && value.unsigned_integer == 0;
      if (!logs) return failure(DecodeError::metrics_or_traces);
    } else if (name == "compressed" && message_.mode == Mode::packed_forward &&
               value.type != MsgpackType::nil) {
      const auto compression =
          value.is_text() ? codec::compression_named(as_text(value.bytes)) : std::nullopt;
      if (compression != Compression::none && compression != Compression::gzip &&
          compression != Compression::zstd) {
        return failure(DecodeError::unknown_compression);
      }
      message_.compression = *compression;
    }
  }
  if (token.count > 0 && !has_known_key) reconsider_mode();
  return {};
}

// [tag, "yesterday", record], [tag, [1, 2], record]: the option is none, and what stands before it
// begins with no entry, so it is a Message with a time that is none, to be set apart as malformed.
void Decoder::reconsider_mode() {
  if (message_.mode == Mode::message || entries_begin_ == entries_end_) return;
  if (is_array_head(buffer_.data()[start_ + entries_begin_])) return;
  message_.mode = Mode::message;
  entries_begin_ = body_at_ - 1;
  entries_end_ = at_;
}

Message Decoder::hand_over() {
  const size_t size = at_;
  const size_t end = start_ + size;
  Message message = std::move(message_);
  message.entries_offset = entries_begin_;
  message.entries_size = entries_end_ - entries_begin_;
  message.storage_was_buffer = size >= buffer_.capacity() / 2;
  if (message.storage_was_buffer) {
    ByteBuffer left_over = ByteBuffer::copy_of(buffer_.view().subspan(end));
    message.storage = std::exchange(buffer_, std::move(left_over));
    message.entries_offset += start_;
    start_ = 0;
  } else {
    message.storage =
        ByteBuffer::copy_of(buffer_.view().subspan(start_ + entries_begin_, message.entries_size));
    message.entries_offset = 0;
    start_ = end;
  }
  if (message.mode == Mode::message) message.storage.data()[message.entries_offset] = 0x92;
  begin_message();
  return message;
}

void Decoder::begin_message() {
  phase_ = Phase::start;
  at_ = 0;
  needed_ = 0;
  parts_left_ = 0;
  message_ = Message{};
}

}  // namespace penstock::protocol::forward
