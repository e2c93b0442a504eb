// FrameReader: where one syslog message ends on a TCP or TLS connection (RFC 6587, RFC 5425).
//
//   17 <13>hello, world…     octet-counted: that many bytes
//   <13>hello, world…⏎       a line: to the next LF or NUL, a CR before it is not part of it
//
// A count is digits, one space and then a priority, "<13>"; a few spaces and a byte order mark may
// stand before either. Whatever else begins a message is a line. Once a message was counted, all
// that follow are: where the next count must be and is not, the connection is out of step, and what
// follows cannot be told apart. Empty lines, and newlines behind a counted message, are passed
// over.
//
// Resumes at any byte and looks at none twice. Thread: none of its own.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace penstock::protocol::syslog {

class FrameReader {
 public:
  enum class Outcome : uint8_t {
    message,      // one whole message
    need_bytes,   // no whole message yet
    too_large,    // one message was longer than message_max and is left out; go on
    out_of_step,  // no count stands where one must: the reader is spent, close the connection
  };

  explicit FrameReader(size_t message_max) : message_max_(message_max) {}

  // input: all bytes received and not yet consumed. consumed: how many to take off its front before
  // the next call, whatever the outcome; message points into them. Call again until need_bytes;
  // then at most message_max + kHeadMax bytes are left over.
  [[nodiscard]] Outcome next(ByteView input, size_t& consumed, ByteView& message);

  // The peer has closed: what is left over is a last line without its newline, or half of a counted
  // message, or a line that is too long by itself (is_cut_off: it is lost).
  struct Rest {
    ByteView message;
    bool is_cut_off = false;
  };
  [[nodiscard]] Rest finish(ByteView input);

  // Twice four spaces and a byte order mark, ten digits and their space, and "<191>".
  static constexpr size_t kHeadMax = 30;

 private:
  enum class State : uint8_t {
    between,           // nothing of the next message has been told yet
    counted,           // size_ bytes of message
    line,              // up to a newline; the first scanned_ bytes hold none
    skipping_counted,  // size_ bytes to pass over
    skipping_line,
    out_of_step,
  };
  enum class Head : uint8_t { need_bytes, none, count };

  // Steps from between to one of the others; false: needs more bytes.
  bool tell(ByteView input, size_t& consumed);
  Head take_count(ByteView rest, size_t& head_size);
  Outcome take_line(ByteView input, size_t& consumed, ByteView& message);

  const size_t message_max_;
  State state_ = State::between;
  bool is_counted_ = false;  // the connection: a message of it was
  uint64_t size_ = 0;
  size_t scanned_ = 0;
};

}  // namespace penstock::protocol::syslog
