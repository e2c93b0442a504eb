// Any bytes as a body. What comes out is JSON objects in UTF-8, whatever went in; what nlohmann's
// parser takes as an array comes out item by item.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/http/json_body.h"
#include "protocol/json_entries_oracle.h"

using namespace penstock;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kSizeMax = 4096;
  ByteBuffer body = ByteBuffer::copy_of({data, size});
  const auto decoded = protocol::http::decode_json_body(body, {{1, 2}, kSizeMax});
  if (decoded) {
    protocol::check_entries(decoded->events, kSizeMax);
    protocol::check_entries(decoded->malformed, kSizeMax);
  }
  const auto tree = nlohmann::json::parse(data, data + size, nullptr, false);
  // The other parser takes a zero byte for the end; and what is small cannot pass the limit.
  if (tree.is_array() && size < 200 && std::find(data, data + size, 0) == data + size) {
    CHECK(decoded);
    CHECK(decoded->events.event_count + decoded->malformed.event_count == tree.size());
  }
  return 0;
}
