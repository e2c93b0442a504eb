// SyslogBatch: messages to one batch of events, within memory that was leased for it beforehand.
//
// Pure; thread: none of its own.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "protocol/json_entries.h"
#include "protocol/syslog/message.h"
#include "record/batch.h"

namespace penstock::ingest {

class SyslogBatch {
 public:
  // What one message of so many bytes can come to at most: each of them a \u00xx, and the members
  // of its header.
  [[nodiscard]] static constexpr size_t cost(size_t message_bytes) {
    return 6 * message_bytes + 1_KiB;
  }

  // size_max: bytes of entries, at least what the first message can come to. size_expected: made
  // room for at once.
  SyslogBatch(int64_t received_ns, size_t size_max, bool unwrap_json, size_t size_expected = 0)
      : received_ns_(received_ns),
        size_max_(size_max),
        entries_(codec::event_time_of(received_ns), size_max, size_expected),
        options_{codec::event_time_of(received_ns), unwrap_json} {}

  [[nodiscard]] bool has_room(size_t message_bytes) const {
    return entries_.size() + cost(message_bytes) <= size_max_;
  }
  void add(ByteView message) { protocol::syslog::append_message(entries_, message, options_); }
  [[nodiscard]] bool empty() const { return entries_.count() == 0; }

  // Source and lease are the caller's to fill in.
  [[nodiscard]] record::Batch take() {
    record::Batch batch = entries_.take();
    batch.tag = "syslog";
    batch.received_ns = received_ns_;
    return batch;
  }

 private:
  const int64_t received_ns_;
  const size_t size_max_;
  protocol::JsonEntries entries_;
  const protocol::syslog::MessageOptions options_;
};

}  // namespace penstock::ingest
