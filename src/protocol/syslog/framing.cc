#include "protocol/syslog/framing.h"

#include <algorithm>

namespace penstock::protocol::syslog {
namespace {

bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }
bool ends_line(uint8_t byte) { return byte == '\n' || byte == 0; }

size_t find_line_end(ByteView input, size_t from) {
  const auto end =
      std::find_if(input.begin() + static_cast<ptrdiff_t>(from), input.end(), ends_line);
  return static_cast<size_t>(end - input.begin());
}

ByteView without_line_end(ByteView message) {
  while (!message.empty() && (ends_line(message.back()) || message.back() == '\r')) {
    message = message.first(message.size() - 1);
  }
  return message;
}

// A line may have one byte more than a message: the CR of CR LF.
ByteView without_cr(ByteView line) {
  return !line.empty() && line.back() == '\r' ? line.first(line.size() - 1) : line;
}

}  // namespace

bool FrameReader::tell(ByteView input, size_t& consumed) {
  while (consumed < input.size() && (ends_line(input[consumed]) || input[consumed] == '\r')) {
    ++consumed;
  }
  const ByteView rest = input.subspan(consumed);
  if (rest.empty()) return false;
  scanned_ = 0;
  constexpr size_t kDigitsMax = kHeadMax - 2;
  size_t digits = 0;
  size_ = 0;
  if (rest[0] != '0') {
    while (digits < std::min(rest.size(), kDigitsMax) && is_digit(rest[digits])) {
      size_ = size_ * 10 + static_cast<uint64_t>(rest[digits++] - '0');
    }
  }
  if (digits == 0) {
    state_ = State::line;
    return true;
  }
  // "123", "123 ": may still become a count.
  if (rest.size() == digits) return false;
  if (rest.size() > digits && rest[digits] == ' ') {
    if (rest.size() == digits + 1) return false;
    if (rest[digits + 1] == '<') {
      consumed += digits + 1;
      state_ = size_ > message_max_ ? State::skipping_counted : State::counted;
      return true;
    }
  }
  state_ = State::line;
  return true;
}

FrameReader::Outcome FrameReader::take_line(ByteView input, size_t& consumed, ByteView& message) {
  const ByteView rest = input.subspan(consumed);
  const size_t end = find_line_end(rest, scanned_);
  if (end == rest.size()) {
    scanned_ = end;
    if (end <= message_max_ + 1) return Outcome::need_bytes;
    consumed += end;
    state_ = State::skipping_line;
    return Outcome::too_large;
  }
  consumed += end + 1;
  state_ = State::between;
  message = without_cr(rest.first(end));
  return message.size() > message_max_ ? Outcome::too_large : Outcome::message;
}

FrameReader::Outcome FrameReader::next(ByteView input, size_t& consumed, ByteView& message) {
  consumed = 0;
  message = {};
  for (;;) {
    const ByteView rest = input.subspan(consumed);
    switch (state_) {
      case State::between:
        if (!tell(input, consumed)) return Outcome::need_bytes;
        if (state_ == State::skipping_counted) return Outcome::too_large;
        break;
      case State::counted:
        if (rest.size() < size_) return Outcome::need_bytes;
        message = without_line_end(rest.first(static_cast<size_t>(size_)));
        consumed += static_cast<size_t>(size_);
        state_ = State::between;
        return Outcome::message;
      case State::line:
        return take_line(input, consumed, message);
      case State::skipping_counted: {
        const uint64_t skipped = std::min<uint64_t>(rest.size(), size_);
        consumed += static_cast<size_t>(skipped);
        size_ -= skipped;
        if (size_ > 0) return Outcome::need_bytes;
        state_ = State::between;
        break;
      }
      case State::skipping_line: {
        const size_t end = find_line_end(rest, 0);
        consumed += std::min(end + 1, rest.size());
        if (end == rest.size()) return Outcome::need_bytes;
        state_ = State::between;
        break;
      }
    }
  }
}

FrameReader::Rest FrameReader::finish(ByteView input) {
  const State state = state_;
  state_ = State::between;
  if (state == State::counted) return {{}, true};
  if (state == State::skipping_counted || state == State::skipping_line) return {{}, false};
  const ByteView message = without_cr(input);
  if (message.size() > message_max_) return {{}, true};
  return {message, false};
}

}  // namespace penstock::protocol::syslog
