// One syslog message to one event: a JSON object, as doc/syslog.md says.
//
//   {"facility":"auth","severity":"crit","timestamp":"…","hostname":"…","appname":"su",
//    "procid":"…","msgid":"…","structured_data":{"id":{"name":"value"}},"message":"…"}
//
// RFC 5424 and RFC 3164 told apart for each message; whatever it is, it becomes an event: at worst
// all of it is `message`.
//
// Pure: no I/O, no clock. Thread: any.
#pragma once

#include "base/bytes.h"
#include "codec/event_time.h"
#include "protocol/json_entries.h"

namespace penstock::protocol::syslog {

struct MessageOptions {
  codec::EventTime received;
  // A text that is a JSON object, alone or behind "@cee:", becomes the record; the header then only
  // gives the time. The sender is trusted with every field, log_type among them.
  bool unwrap_json = false;
};

// message: one frame (framing.h) or datagram.
void append_message(JsonEntries& events, ByteView message, const MessageOptions& options);

// What append_message() adds for the message at most: escapes, replaced bytes, and the members of
// its header.
[[nodiscard]] size_t entry_size_max(ByteView message);

}  // namespace penstock::protocol::syslog
