#include "protocol/syslog/framing.h"

#include <algorithm>
#include <array>
#include <utility>

namespace penstock::protocol::syslog {
namespace {

constexpr uint64_t kSkippedMax = 64_MiB;

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

constexpr size_t kNeedBytes = SIZE_MAX;

// Steps over a few spaces and a byte order mark; kNeedBytes when that may go on behind the input.
size_t pass_blanks(ByteView input, size_t at) {
  constexpr size_t kSpacesMax = 4;
  constexpr std::array<uint8_t, 3> kMark{0xef, 0xbb, 0xbf};
  for (size_t i = 0; i < kSpacesMax && at < input.size() && input[at] == ' '; ++i) ++at;
  const size_t there = std::min(input.size() - at, kMark.size());
  if (!std::equal(kMark.begin(), kMark.begin() + there, input.begin() + static_cast<ptrdiff_t>(at)))
    return at;
  return there == kMark.size() && at + there < input.size() ? at + there : kNeedBytes;
}

enum class Match : uint8_t { no, yes, need_bytes };

// "<", one to three digits, ">"
Match match_priority(ByteView input, size_t& size) {
  if (input[0] != '<') return Match::no;
  size_t at = 1;
  while (at < std::min<size_t>(input.size(), 4) && is_digit(input[at])) ++at;
  if (at == input.size()) return Match::need_bytes;
  size = at + 1;
  return at > 1 && input[at] == '>' ? Match::yes : Match::no;
}

}  // namespace

FrameReader::Head FrameReader::take_count(ByteView rest, size_t& head_size) {
  constexpr size_t kDigitsMax = 10;
  size_t at = pass_blanks(rest, 0);
  if (at == kNeedBytes) return Head::need_bytes;
  size_t digits = 0;
  size_ = 0;
  for (; digits < kDigitsMax && at < rest.size() && is_digit(rest[at]); ++digits) {
    size_ = size_ * 10 + static_cast<uint64_t>(rest[at++] - '0');
  }
  if (at == rest.size()) return Head::need_bytes;
  if (digits == 0 || rest[at] != ' ') return Head::none;
  head_size = at + 1;
  if (is_counted_ && size_ == 0) return Head::count;  // an empty message
  at = pass_blanks(rest, head_size);
  if (at == kNeedBytes) return Head::need_bytes;
  size_t priority_size = 0;
  switch (match_priority(rest.subspan(at), priority_size)) {
    case Match::yes:  // which the message has room for
      return size_ == 0 || at + priority_size <= head_size + size_ ? Head::count : Head::none;
    case Match::need_bytes:
      return Head::need_bytes;
    case Match::no:
      break;
  }
  return is_counted_ && rest[at] == '<' ? Head::count : Head::none;
}

bool FrameReader::tell(ByteView input, size_t& consumed) {
  while (consumed < input.size() && (ends_line(input[consumed]) || input[consumed] == '\r')) {
    ++consumed;
  }
  const ByteView rest = input.subspan(consumed);
  if (rest.empty()) return false;
  scanned_ = 0;
  size_t head_size = 0;
  switch (take_count(rest, head_size)) {
    case Head::need_bytes:
      return false;
    case Head::none:
      state_ = is_counted_ ? State::out_of_step : State::line;
      return true;
    case Head::count:
      break;
  }
  is_counted_ = true;
  consumed += head_size;
  // Nobody's message is that much larger than message_max: passing over it would be passing over
  // all that follows.
  if (size_ > std::max<uint64_t>(kSkippedMax, 16 * uint64_t{message_max_})) {
    state_ = State::out_of_step;
  } else {
    state_ = size_ > message_max_ ? State::skipping_counted : State::counted;
  }
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
        if (size_ == 0) break;
        return Outcome::message;
      case State::out_of_step:
        return Outcome::out_of_step;
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
  const State state = std::exchange(state_, State::between);
  if (state == State::counted || (state == State::between && is_counted_ && !input.empty())) {
    return {{}, true};
  }
  if (state == State::out_of_step) return {{}, false};
  if (state == State::skipping_counted || state == State::skipping_line) return {{}, false};
  const ByteView message = without_cr(input);
  if (message.size() > message_max_) return {{}, true};
  return {message, false};
}

}  // namespace penstock::protocol::syslog
