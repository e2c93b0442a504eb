// Any bytes as a body. What comes out is JSON objects in UTF-8, whatever went in; what nlohmann's
// parser takes as an array comes out item by item.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/http/json_body.h"
#include "protocol/json_entries_oracle.h"

using namespace penstock;

namespace {

using Decoder = protocol::http::JsonBodyDecoder;

Result<protocol::http::JsonBody, protocol::http::JsonBodyError> decode(ByteView body, size_t front,
                                                                       size_t bytes_max) {
  ByteBuffer buffer;
  buffer.resize(front);
  buffer.append(body);
  Decoder decoder(std::move(buffer), front, {{1, 2}, bytes_max});
  for (;;) {
    const auto progress = decoder.decode();
    if (!progress) return failure(progress.error());
    if (*progress == Decoder::Progress::done) return decoder.take();
    CHECK(decoder.wanted_bytes() <= bytes_max);
    decoder.make_room();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kBytesMax = 8192;
  const auto decoded = decode({data, size}, size % 40, kBytesMax);
  // How much room there is at first changes nothing but whether there is too little.
  const auto with_more = decode({data, size}, 300, 2 * kBytesMax);
  if (decoded) {
    CHECK(with_more && as_text(with_more->events.entries()) == as_text(decoded->events.entries()));
    CHECK(as_text(with_more->malformed.entries()) == as_text(decoded->malformed.entries()));
  }
  if (decoded) {
    protocol::check_entries(decoded->events, kBytesMax);
    protocol::check_entries(decoded->malformed, kBytesMax);
  }
  const auto tree = nlohmann::json::parse(data, data + size, nullptr, false);
  // The other parser takes a zero byte for the end; and what is small cannot pass the limit.
  if (tree.is_array() && size < 200 && std::find(data, data + size, 0) == data + size) {
    CHECK(decoded);
    CHECK(decoded->events.event_count + decoded->malformed.event_count == tree.size());
  }
  return 0;
}
