// What decoding costs an event and a byte, for chunks of every size and reads of every size:
// neither may grow with the chunk.
#include "protocol/forward/decoder.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

#include "base/big_endian.h"
#include "codec/msgpack_writer.h"
#include "protocol/forward/message_batch.h"

namespace penstock::protocol::forward {
namespace {

// One chunk of `count` records of about 1.2 KB, 30 fields each.
ByteBuffer make_message(int64_t count, bool packed) {
  ByteBuffer record;
  codec::MsgpackWriter fields(record);
  fields.map(30);
  for (int i = 0; i < 30; ++i) {
    fields.str("field_" + std::to_string(i));
    fields.str(std::string(static_cast<size_t>(i), 'v') + std::string(i == 29 ? 400 : 0, 'm'));
  }
  ByteBuffer entries;
  codec::MsgpackWriter writer(entries);
  for (int64_t i = 0; i < count; ++i) {
    writer.array(2);
    writer.event_time({1'700'000'000, static_cast<uint32_t>(i)});
    writer.raw(record.view());
  }
  ByteBuffer message;
  codec::MsgpackWriter outer(message);
  outer.array(3);
  outer.str("kubernetes.var.log.pods.shop-frontend_web.nginx.0.log");
  if (packed) {
    outer.bin(entries.view());
  } else {
    outer.array(static_cast<uint32_t>(count));
    outer.raw(entries.view());
  }
  outer.map(2);
  outer.str("size");
  outer.integer(count);
  outer.str("chunk");
  outer.str("b34ef67d4e2a9c10b34ef67d4e2a9c10");
  return message;
}

template <bool kPacked, bool kToBatch>
void decode(benchmark::State& state) {
  const int64_t count = state.range(0);
  const auto piece = static_cast<size_t>(state.range(1));
  const ByteBuffer message = make_message(count, kPacked);
  Decoder decoder({.message_bytes_max = 1_GiB});
  for (auto _ : state) {
    bool got = false;
    for (ByteView input = message.view(); !input.empty();) {
      if (decoder.wanted_capacity() > decoder.capacity()) decoder.grow(decoder.wanted_capacity());
      const size_t size = std::min({piece, input.size(), decoder.free_space().size()});
      std::copy_n(input.begin(), size, decoder.free_space().begin());
      decoder.commit(size);
      input = input.subspan(size);
      auto next = decoder.next();
      if (!next) state.SkipWithError("refused");
      if (!next->has_value()) continue;
      if constexpr (kToBatch) {
        const auto walked = record::walk_entries((*next)->entries());
        if (!walked) {
          state.SkipWithError("refused");
          break;
        }
        auto batch = to_batch(**next, *walked,
                              {.source = "forward",
                               .sender = {},
                               .received_ns = 1,
                               .lease = {},
                               .malformed_lease = {}});
        benchmark::DoNotOptimize(batch);
      }
      got = true;
    }
    if (!got) state.SkipWithError("no message");
  }
  state.SetItemsProcessed(state.iterations() * count);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(message.size()));
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t count : {10, 100, 1000, 100'000}) benchmark->Args({count, 65'536});
}
void small_pieces(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t count : {10, 1000, 10'000}) benchmark->Args({count, 1})->Args({count, 1448});
}
BENCHMARK(decode<true, false>)->Name("packed")->Apply(sizes)->Apply(small_pieces);
BENCHMARK(decode<true, true>)->Name("packed_walked_and_hashed")->Apply(sizes);
BENCHMARK(decode<false, false>)->Name("forward")->Apply(sizes)->Apply(small_pieces);

}  // namespace
}  // namespace penstock::protocol::forward
