// Events that are stored, written to stdout as JSON, one a line.
#pragma once

#include <cstdint>
#include <string>

#include "kinesis_format/event_encoder.h"
#include "spool/spool_inspection.h"

namespace penstock::cli {

class EventLines {
 public:
  explicit EventLines(uint64_t max) : left_(max) {}

  // The events of an entry. In a wrap of JSON: `before` is written before each event, and `}`
  // behind it; empty: no wrap.
  void print(const record::Batch& batch, const std::string& before);
  [[nodiscard]] bool wants_more() const { return left_ > 0 && error_ == 0; }
  // Flushes; EPIPE is how `| head` says that it has enough.
  [[nodiscard]] int finish();

 private:
  void print_event(const record::Batch& batch, const record::EventView& event, uint32_t index,
                   const std::string& before);

  uint64_t left_;
  int error_ = 0;
  ByteBuffer line_;
  const kinesis_format::EventEncoder encoder_;
};

// "name":"text" with a comma behind it.
[[nodiscard]] std::string json_field(std::string_view name, std::string_view text);
// RFC 3339, or empty where that cannot say it.
[[nodiscard]] std::string rfc3339_of(int64_t unix_ns);

}  // namespace penstock::cli
