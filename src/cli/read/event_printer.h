// EventPrinter: stored events to stdout, one JSON a line: what `penstock tail` and `penstock
// unpack` print. What is no JSON object is written as {"base64":…}.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace penstock::cli {

// Writes until it has written as many as it may, or nobody reads any more.
class EventPrinter {
 public:
  explicit EventPrinter(uint64_t most) : left_(most) {}

  // wrap: what stands before the event in an object around it, which `}` closes; empty: no wrap.
  void print(ByteView event, std::string_view wrap = {});
  void flush();

  [[nodiscard]] bool wants_more() const { return left_ > 0 && error_ == 0; }
  // Flushes and says on stderr if stdout could not be written. EPIPE is how `| head` says that it
  // has enough.
  [[nodiscard]] int finish();

 private:
  uint64_t left_;
  int error_ = 0;
  ByteBuffer line_;
};

}  // namespace penstock::cli
