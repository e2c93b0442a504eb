// A stream cut anywhere gives the same messages: the first byte of the input says into what pieces
// it is cut. What is left over is bounded.
#include <string>
#include <vector>

#include "base/check.h"
#include "protocol/syslog/framing.h"

using namespace penstock;
using protocol::syslog::FrameReader;

namespace {

constexpr size_t kMessageMax = 40;

struct Read {
  std::vector<std::string> messages;
  size_t too_large = 0;
  bool is_out_of_step = false;
};

Read read(std::string_view stream, size_t step) {
  FrameReader reader(kMessageMax);
  Read result;
  std::string buffer;
  for (size_t at = 0; at < stream.size(); at += step) {
    buffer += stream.substr(at, step);
    for (bool more = true; more;) {
      size_t consumed = 0;
      ByteView message;
      const auto outcome = reader.next(as_bytes(buffer), consumed, message);
      CHECK(consumed <= buffer.size());
      if (outcome == FrameReader::Outcome::message) {
        CHECK(message.size() <= kMessageMax);
        result.messages.emplace_back(as_text(message));
      }
      if (outcome == FrameReader::Outcome::too_large) ++result.too_large;
      more = outcome != FrameReader::Outcome::need_bytes;
      buffer.erase(0, consumed);
      if (outcome == FrameReader::Outcome::out_of_step) {
        result.is_out_of_step = true;
        return result;
      }
    }
    CHECK(buffer.size() <= kMessageMax + FrameReader::kHeadMax);
  }
  const auto rest = reader.finish(as_bytes(buffer));
  if (!rest.message.empty()) result.messages.emplace_back(as_text(rest.message));
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view stream = as_text({data + 1, size - 1});
  const Read whole = read(stream, stream.size());
  const Read pieces = read(stream, 1u + data[0] % 16u);
  CHECK(whole.messages == pieces.messages && whole.too_large == pieces.too_large);
  CHECK(whole.is_out_of_step == pieces.is_out_of_step);
  return 0;
}
