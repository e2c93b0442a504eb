// Any bytes as what a client sends: fed whole and in pieces they must make the same requests, and
// no body may grow beyond its limit or its room. When a fault is noticed depends on how much of it
// is there, so faults are not compared.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ingest/http_body.h"
#include "ingest/http_request_reader.h"

namespace {

using penstock::ByteBuffer;
using penstock::ByteView;
using penstock::ingest::HttpRequestReader;
using Progress = HttpRequestReader::Progress;

constexpr size_t kBodyMax = 100'000;

// Each request as text, up to the end or a fault.
std::vector<std::string> read_all(ByteView input, size_t piece) {
  std::vector<std::string> seen;
  HttpRequestReader reader(kBodyMax);
  reader.open();
  for (;;) {
    const auto progress = reader.next();
    if (!progress) return seen;
    switch (*progress) {
      case Progress::head: {
        const auto& head = reader.head();
        seen.push_back("head: " + head.path + " " + head.content_type);
        if (head.content_length && *head.content_length > kBodyMax) return seen;
        break;
      }
      case Progress::need_room:
        CHECK(reader.wanted_body_capacity() <= kBodyMax);
        reader.grow_body(reader.wanted_body_capacity());
        break;
      case Progress::message: {
        ByteBuffer body = reader.take_body();
        CHECK(body.size() <= kBodyMax);
        seen.emplace_back(penstock::as_text(body.view()));
        if (const auto kind = penstock::ingest::body_kind(reader.head())) {
          (void)penstock::ingest::decode_http_body(
              penstock::ingest::body_kind(*kind, reader.head().content_type, body.view()), body, 0,
              4 * kBodyMax);
        }
        reader.start_next();
        break;
      }
      case Progress::need_bytes: {
        if (input.empty()) return seen;
        const auto room = reader.free_space();
        CHECK(!room.empty());
        const size_t taken = std::min({piece, room.size(), input.size()});
        std::copy_n(input.begin(), taken, room.begin());
        reader.commit(taken);
        input = input.subspan(taken);
        break;
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(data, size);
  const auto whole = read_all(input, size);
  CHECK(read_all(input, 1) == whole);
  CHECK(read_all(input, 1 + size % 7) == whole);
  return 0;
}
