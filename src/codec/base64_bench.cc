// Budget: 1.5 GB/s of input each way.
#include "codec/base64.h"

#include <benchmark/benchmark.h>

namespace penstock::codec {
namespace {

ByteBuffer some_bytes(size_t size) {
  ByteBuffer bytes;
  for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<uint8_t>(i * 31 ^ i >> 3));
  return bytes;
}

void encode(benchmark::State& state) {
  const ByteBuffer bytes = some_bytes(static_cast<size_t>(state.range(0)));
  ByteBuffer text;
  for (auto _ : state) {
    text.clear();
    append_base64(text, bytes.view());
    benchmark::DoNotOptimize(text.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(encode)->Arg(1200)->Arg(1 << 20);

void decode(benchmark::State& state) {
  ByteBuffer text;
  append_base64(text, some_bytes(static_cast<size_t>(state.range(0))).view());
  ByteBuffer bytes;
  for (auto _ : state) {
    bytes.clear();
    if (!decode_base64(bytes, text.view())) state.SkipWithError("not decoded");
    benchmark::DoNotOptimize(bytes.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(decode)->Arg(1200)->Arg(1 << 20);

}  // namespace
}  // namespace penstock::codec
