// Inflating log chunks: ours, and zlib as the yardstick for choosing ISA-L.
#include <benchmark/benchmark.h>

#include <random>

#include "codec/compress_for_tests.h"
#include "codec/inflate.h"

namespace penstock::codec {
namespace {

std::string log_text() {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < 1'000'000) {
    text += "{\"@timestamp\":\"2024-06-11T08:15:00." + std::to_string(random() % 1'000'000) +
            "Z\",\"message\":\"GET /orders/" + std::to_string(random()) +
            " 200\",\"kubernetes\":{\"namespace_name\":\"shop-frontend\"}}\n";
  }
  return text;
}

void inflater(benchmark::State& state, Compression compression, const Bytes& input) {
  for (auto _ : state) {
    ByteBuffer out;
    if (!inflate_whole({compression, 64_MiB}, input, out)) state.SkipWithError("inflate failed");
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * 1'000'000);
}
BENCHMARK_CAPTURE(inflater, gzip, Compression::gzip, gzip_bytes(log_text()));
BENCHMARK_CAPTURE(inflater, zstd, Compression::zstd, zstd_bytes(log_text()));
BENCHMARK_CAPTURE(inflater, snappy, Compression::snappy, snappy_bytes(log_text()));

void zlib_gunzip(benchmark::State& state) {
  Bytes input = gzip_bytes(log_text());
  for (auto _ : state) {
    ByteBuffer out(2'000'000);
    z_stream stream{};
    inflateInit2(&stream, 31);
    stream.next_in = input.data();
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.capacity());
    if (inflate(&stream, Z_FINISH) != Z_STREAM_END) state.SkipWithError("zlib failed");
    inflateEnd(&stream);
  }
  state.SetBytesProcessed(state.iterations() * 1'000'000);
}
BENCHMARK(zlib_gunzip);

}  // namespace
}  // namespace penstock::codec
