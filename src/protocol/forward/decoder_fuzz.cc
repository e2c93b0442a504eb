// Any bytes: never a crash, never more memory than allowed, and the same messages however the bytes
// are cut. First byte: how they are cut.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/forward/decoder.h"
#include "protocol/forward/message_batch.h"

namespace {

using namespace penstock::protocol::forward;
using penstock::ByteView;

constexpr size_t kMessageMax = 100'000;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  std::vector<std::string> messages;
  bool refused = false;
};

std::string told(Message& message) {
  std::string text = message.tag + '|' + message.chunk + '|' + std::to_string(message.size_hint) +
                     '|' + std::string(penstock::as_text(message.entries()));
  if (message.compression != penstock::codec::Compression::none) {
    penstock::ByteBuffer inflated;
    if (!penstock::codec::inflate_whole({message.compression, kMessageMax}, message.entries(),
                                        inflated)) {
      return text;
    }
    message.set_inflated(std::move(inflated));
  }
  const auto walked = penstock::record::walk_entries(message.entries());
  if (!walked) return text + std::string(penstock::record::to_string(walked.error()));
  const auto made = to_batch(
      message, *walked,
      {.source = "forward", .sender = {}, .received_ns = 1, .lease = {}, .malformed_lease = {}});
  for (const auto* batch : {&made.batch, made.malformed ? &*made.malformed : nullptr}) {
    if (batch == nullptr) continue;
    const auto again = penstock::record::walk_entries(batch->entries());
    require(again && again->event_count == batch->event_count);
    require(again->malformed_count + again->marker_count == 0);
    text += '|' + std::string(penstock::as_text(batch->entries()));
  }
  require(!made.malformed || made.malformed->storage.size() <= malformed_cost(*walked));
  return text;
}

Outcome decode(ByteView input, size_t piece) {
  Decoder decoder({kMessageMax});
  Outcome outcome;
  while (!input.empty()) {
    if (decoder.wanted_capacity() > decoder.capacity()) decoder.grow(decoder.wanted_capacity());
    require(decoder.capacity() <= decoder.capacity_max());
    const auto space = decoder.free_space();
    require(!space.empty());
    const size_t size = std::min({piece, input.size(), space.size()});
    std::copy_n(input.begin(), size, space.begin());
    decoder.commit(size);
    input = input.subspan(size);
    while (true) {
      auto next = decoder.next();
      if (!next) {
        outcome.refused = true;
        return outcome;
      }
      if (!next->has_value()) break;
      outcome.messages.push_back(told(**next));
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  const Outcome whole = decode(input, SIZE_MAX);
  const Outcome pieces = decode(input, size_t{1} + data[0]);
  require(whole.messages == pieces.messages);
  // A piece may show a refusal that needs more bytes when cut elsewhere, never the other way round.
  require(whole.refused == pieces.refused);
  return 0;
}
