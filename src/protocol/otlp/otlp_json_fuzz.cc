// Any bytes as an OTLP request: what comes out is JSON objects in UTF-8, within the bound, and the
// same where the bound leaves no room for an index of the body.
#include "protocol/json_entries_oracle.h"
#include "protocol/otlp/logs.h"

using namespace penstock;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kSizeMax = 8192;
  ByteBuffer body = ByteBuffer::copy_of({data, size});
  const auto logs = protocol::otlp::decode_logs_json(body, {{1, 2}, kSizeMax});
  if (!logs) return 0;
  protocol::check_entries(logs->events, kSizeMax);
  protocol::check_entries(logs->malformed, kSizeMax);
  const auto unindexed = protocol::otlp::decode_logs_json(body, {{1, 2}, size});
  if (!unindexed) return 0;
  CHECK(as_text(unindexed->events.entries()) == as_text(logs->events.entries()));
  CHECK(as_text(unindexed->malformed.entries()) == as_text(logs->malformed.entries()));
  return 0;
}
