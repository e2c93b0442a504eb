// Any bytes as an OTLP request: what comes out is JSON objects in UTF-8, within the bound.
#include "protocol/json_entries_oracle.h"
#include "protocol/otlp/logs.h"

using namespace penstock;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kSizeMax = 8192;
  const auto logs = protocol::otlp::decode_logs_protobuf({data, size}, {{1, 2}, kSizeMax});
  if (!logs) return 0;
  protocol::check_entries(logs->events, kSizeMax);
  protocol::check_entries(logs->malformed, kSizeMax);
  return 0;
}
