// Any bytes as what a client sends: fed whole and in pieces they must make the same requests, and
// no body may grow beyond its limit or its room. When a fault is noticed depends on how much of it
// is there, so faults are not compared.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ingest/http_body.h"
#include "ingest/http_request_reader.h"
#include "protocol/http/json_body.h"

namespace {

using penstock::ByteBuffer;
using penstock::ByteView;
using penstock::ingest::HttpRequestReader;
using Progress = HttpRequestReader::Progress;

constexpr size_t kBodyMax = 100'000;

void decode(const penstock::ingest::HttpHead& head, ByteBuffer body, size_t front) {
  using penstock::ingest::HttpBodyKind;
  auto kind = penstock::ingest::body_kind(head);
  if (!kind || body.empty()) return;
  kind = penstock::ingest::body_kind(*kind, head.content_type, body.view().subspan(front));
  if (*kind != HttpBodyKind::json) {
    body.consume(front);
    (void)penstock::ingest::decode_otlp_body(*kind, body, 0, 4 * kBodyMax);
    return;
  }
  penstock::protocol::http::JsonBodyDecoder decoder(std::move(body), front, {{}, 4 * kBodyMax});
  for (;;) {
    const auto progress = decoder.decode();
    if (!progress || *progress == penstock::protocol::http::JsonBodyDecoder::Progress::done) return;
    decoder.make_room();
  }
}

// Each request as text, up to the end or a fault.
std::vector<std::string> read_all(ByteView input, size_t piece) {
  std::vector<std::string> seen;
  HttpRequestReader reader(kBodyMax);
  const auto open = [&] {
    reader.open(HttpRequestReader::kHeadBytesMax + piece % 5'000, piece % 50);
  };
  open();
  for (;;) {
    const auto progress = reader.next();
    if (!progress) return seen;
    switch (*progress) {
      case Progress::head: {
        const auto& head = reader.head();
        seen.push_back("head: " + head.path + " " + head.content_type);
        if (head.content_length && *head.content_length > kBodyMax) return seen;
        if (reader.body_fits_buffer() && *head.content_length % 3 != 0) {
          reader.take_buffer();
        } else {
          reader.leave_front(head.content_length.value_or(0) % 50);
        }
        break;
      }
      case Progress::need_room:
        CHECK(reader.wanted_body_capacity() <= reader.front() + kBodyMax);
        reader.grow_body(reader.wanted_body_capacity());
        break;
      case Progress::message: {
        ByteBuffer body = reader.take_body();
        const size_t front = reader.front();
        CHECK(body.size() <= front + kBodyMax);
        if (!body.empty()) seen.emplace_back(penstock::as_text(body.view().subspan(front)));
        decode(reader.head(), std::move(body), front);
        reader.start_next();
        if (reader.is_idle()) {
          reader.release();
          open();
        }
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
