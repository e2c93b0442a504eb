#include "codec/compress.h"

#include <gtest/gtest.h>

#include <initializer_list>

#include "codec/compress_for_tests.h"

namespace penstock::codec {
namespace {

constexpr size_t kLineCount = 1000;

std::string repetitive_lines() {
  std::string text;
  for (size_t i = 0; i < kLineCount; ++i) {
    text += R"({"level":"info","kubernetes":{"namespace_name":"shop"},"message":"request )" +
            std::to_string(i) + "\"}\n";
  }
  return text;
}

// What earlier calls leave on the stack, more deeply than a compressor's frame reaches.
[[gnu::noinline]] void leave_on_stack(uint16_t value) {
  volatile uint16_t words[256 * 1024 / sizeof(uint16_t)];
  for (volatile uint16_t& word : words) word = value;
}

Bytes compressed(Compressor& compressor, std::string_view text, uint16_t on_stack) {
  ByteBuffer out;
  leave_on_stack(on_stack);
  compressor.append(out, as_bytes(text));
  const ByteView view = out.view();
  return {view.begin(), view.end()};
}

class Compress : public testing::TestWithParam<Compression> {};

INSTANTIATE_TEST_SUITE_P(Forms, Compress, testing::Values(Compression::gzip, Compression::zstd),
                         [](const auto& form) {
                           return form.param == Compression::gzip ? "gzip" : "zstd";
                         });

TEST_P(Compress, RepetitionIsFoundWhateverIsOnTheStack) {
  const std::string text = repetitive_lines();
  Compressor compressor(GetParam());
  const Bytes first = compressed(compressor, text, 0);
  EXPECT_LT(first.size(), text.size() / 10);
  for (const uint16_t on_stack : std::initializer_list<uint16_t>{1, 4, 8, 15, 16, 0xffff}) {
    EXPECT_EQ(compressed(compressor, text, on_stack), first) << on_stack;
  }
}

TEST_P(Compress, SamePayloadSameBytes) {
  const std::string text = repetitive_lines();
  Compressor compressor(GetParam());
  const Bytes first = compressed(compressor, text, 0);
  EXPECT_EQ(compressed(compressor, text, 0), first);
  Compressor other(GetParam());
  EXPECT_EQ(compressed(other, text, 0), first);
}

}  // namespace
}  // namespace penstock::codec
