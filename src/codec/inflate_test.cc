#include "codec/inflate.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/big_endian.h"
#include "codec/compress_for_tests.h"

namespace penstock::codec {
namespace {

std::string log_text(size_t size) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < size) {
    text += "2024-06-11 08:15:07.120 INFO request=" + std::to_string(random()) + " status=200\n";
  }
  text.resize(size);
  return text;
}

Bytes joined(const Bytes& a, const Bytes& b) {
  Bytes both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

Result<std::string, InflateError> inflate_in_pieces(Inflater::Options options, ByteView input,
                                                    size_t in_piece, size_t out_piece) {
  Inflater inflater(options);
  std::string text;
  Bytes out(out_piece);
  size_t at = 0;
  size_t given = std::min(in_piece, input.size());
  for (int idle = 0; idle < 10;) {
    // A copy, so that a sanitizer sees reads outside.
    const Bytes piece(input.begin() + static_cast<ptrdiff_t>(at),
                      input.begin() + static_cast<ptrdiff_t>(given));
    const auto step = inflater.step(piece, out, given == input.size());
    if (!step) return failure(step.error());
    EXPECT_LE(step->consumed, piece.size());
    EXPECT_LE(step->produced, out.size());
    text.append(reinterpret_cast<const char*>(out.data()), step->produced);
    at += step->consumed;
    idle = step->consumed + step->produced == 0 ? idle + 1 : 0;
    if (step->state == Inflater::State::done) return text;
    if (step->state == Inflater::State::need_input) {
      EXPECT_LT(given, input.size());
      given = std::min(given + in_piece, input.size());
      idle = 0;
    }
    if (step->output_wanted > out.size()) out.resize(step->output_wanted);
  }
  ADD_FAILURE() << "no progress";
  return failure(InflateError::corrupt);
}

struct Case {
  std::string name;
  Compression compression;
  std::function<Bytes(std::string_view)> compress;
};

Bytes snappy_framed(std::string_view text);

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"gzip", Compression::gzip, [](auto text) { return gzip_bytes(text); }},
      {"gzip_of_two_members", Compression::gzip,
       [](auto text) {
         return joined(gzip_bytes(text.substr(0, text.size() / 3)),
                       gzip_bytes(text.substr(text.size() / 3)));
       }},
      {"gzip_stored", Compression::gzip,
       [](auto text) { return deflate_bytes(text, ZlibForm::gzip, 0); }},
      {"zlib", Compression::deflate, [](auto text) { return deflate_bytes(text, ZlibForm::zlib); }},
      {"raw_deflate", Compression::deflate,
       [](auto text) { return deflate_bytes(text, ZlibForm::raw); }},
      {"zstd", Compression::zstd, [](auto text) { return zstd_bytes(text); }},
      {"zstd_of_two_frames", Compression::zstd,
       [](auto text) {
         return joined(zstd_bytes(text.substr(0, text.size() / 3)),
                       zstd_stream_bytes(text.substr(text.size() / 3), 17));
       }},
      {"snappy_block", Compression::snappy, [](auto text) { return snappy_bytes(text); }},
      {"snappy_framed", Compression::snappy, [](auto text) { return snappy_framed(text); }},
  };
  return all;
}

uint32_t crc32c_bit_by_bit(std::string_view text) {
  uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

void append_snappy_chunk(Bytes& out, uint8_t type, const Bytes& body) {
  out.push_back(type);
  for (const int shift : {0, 8, 16}) out.push_back(static_cast<uint8_t>(body.size() >> shift));
  out.insert(out.end(), body.begin(), body.end());
}

// Compressed and stored chunks by turns, with a skippable one between.
Bytes snappy_framed(std::string_view text) {
  Bytes out;
  append_snappy_chunk(out, 0xff, {'s', 'N', 'a', 'P', 'p', 'Y'});
  for (size_t i = 0; !text.empty(); ++i) {
    const std::string_view part = text.substr(0, 65'536);
    text.remove_prefix(part.size());
    const uint32_t crc = crc32c_bit_by_bit(part);
    Bytes body(4);
    store_le<uint32_t>(body.data(), (crc >> 15 | crc << 17) + 0xa282ead8u);
    const bool stored = i % 2 == 1;
    const Bytes packed = stored ? Bytes(part.begin(), part.end()) : snappy_bytes(part);
    append_snappy_chunk(out, stored ? 0x01 : 0x00, joined(body, packed));
    append_snappy_chunk(out, 0xfe, Bytes(300, 0));
  }
  return out;
}

class EachFormat : public ::testing::TestWithParam<Case> {
 protected:
  Inflater::Options options(uint64_t max = 64_MiB) const { return {GetParam().compression, max}; }
};

TEST_P(EachFormat, GivesBackWhatWasCompressed) {
  for (const size_t size : {1u, 5u, 1000u, 300'000u}) {
    const std::string text = log_text(size);
    const Bytes input = GetParam().compress(text);
    ByteBuffer out;
    ASSERT_TRUE(inflate_whole(options(), input, out).has_value()) << size;
    EXPECT_EQ(as_text(out.view()), text);
  }
}

TEST_P(EachFormat, IsResumedAtAnyByteOfInputAndOutput) {
  const std::string text = log_text(70'000);
  const Bytes input = GetParam().compress(text);
  for (const auto& [in_piece, out_piece] : std::vector<std::pair<size_t, size_t>>{
           {1, 4096}, {7, 1}, {1000, 3}, {4096, 70'000}, {500, 1}, {1, 1}}) {
    const auto got = inflate_in_pieces(options(), input, in_piece, out_piece);
    ASSERT_TRUE(got.has_value()) << to_string(got.error());
    EXPECT_EQ(*got, text);
  }
}

TEST_P(EachFormat, CutAnywhereIsTruncated) {
  const Bytes input = GetParam().compress(log_text(500));
  for (size_t size = 0; size < input.size(); ++size) {
    const auto got = inflate_in_pieces(options(), ByteView(input).first(size), 64, 4096);
    // Framed snappy and members back to back have places where the input may well end.
    if (got.has_value()) {
      EXPECT_LT(got->size(), 501u);
      continue;
    }
    EXPECT_TRUE(
        got.error() == InflateError::truncated ||
        (GetParam().compression == Compression::snappy && got.error() == InflateError::corrupt))
        << size << to_string(got.error());
  }
}

TEST_P(EachFormat, EndsAtTheLimitAndNotOneByteLater) {
  const std::string text = log_text(100'000);
  const Bytes input = GetParam().compress(text);
  for (const size_t out_piece : {1000u, 200'000u}) {
    EXPECT_TRUE(inflate_in_pieces(options(text.size()), input, 4096, out_piece).has_value());
    const auto refused = inflate_in_pieces(options(text.size() - 1), input, 4096, out_piece);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error(), InflateError::too_large);
  }
}

TEST_P(EachFormat, NeedsNoSpareByteInABufferOfTheRightSize) {
  const std::string text = log_text(100'000);
  const Bytes input = GetParam().compress(text);
  ByteBuffer out(text.size());
  Inflater inflater(options());
  const auto step = inflater.step(input, out.free_space(), true);
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->state, Inflater::State::done);
  EXPECT_EQ(step->produced, text.size());
}

TEST_P(EachFormat, SurvivesEveryFlippedBit) {
  const std::string text = log_text(300);
  const Bytes input = GetParam().compress(text);
  for (size_t bit = 0; bit < input.size() * 8; ++bit) {
    Bytes damaged = input;
    damaged[bit / 8] = static_cast<uint8_t>(damaged[bit / 8] ^ (1u << (bit % 8)));
    const auto got = inflate_in_pieces(options(1_MiB), damaged, 50, 100);
    EXPECT_LE(got.value_or("").size(), 1_MiB);
  }
}

TEST_P(EachFormat, RefusesWhatFollowsTheEnd) {
  const Bytes input = joined(GetParam().compress(log_text(100)), {0x00, 0x01, 0x02});
  EXPECT_FALSE(inflate_in_pieces(options(), input, 4096, 4096).has_value());
}

TEST_P(EachFormat, GuessesAtLeastNothingAndAtMostTheLimit) {
  const Bytes input = GetParam().compress(log_text(100'000));
  const size_t guess = output_guess(GetParam().compression, input, 1_MiB);
  EXPECT_GT(guess, 0u);
  EXPECT_LE(guess, 1_MiB);
  EXPECT_EQ(output_guess(GetParam().compression, input, 10), 10u);
}

INSTANTIATE_TEST_SUITE_P(Formats, EachFormat, ::testing::ValuesIn(cases()),
                         [](const auto& each) { return each.param.name; });

// A member whose header has an extra field, a name, a comment and a checksum, as `gzip FILE` and
// others write some of them.
TEST(Inflater, TakesAHeaderWithOptionalFieldsInAnyPieces) {
  const Bytes member = {0x1f, 0x8b, 0x08, 0x1e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
                        0x61, 0x62, 0x63, 0x64, 0x70, 0x72, 0x6f, 0x6a, 0x65, 0x63, 0x74, 0x73,
                        0x2e, 0x6a, 0x73, 0x6f, 0x6e, 0x00, 0x61, 0x20, 0x63, 0x6f, 0x6d, 0x6d,
                        0x65, 0x6e, 0x74, 0x00, 0xf8, 0xf8, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57,
                        0xc8, 0x40, 0x90, 0x00, 0x80, 0x88, 0xf9, 0xe5, 0x11, 0x00, 0x00, 0x00};
  for (size_t piece = 1; piece <= member.size(); ++piece) {
    const auto got =
        inflate_in_pieces({.compression = Compression::gzip, .output_bytes_max = 1_MiB},
                          joined(member, member), piece, 4096);
    ASSERT_TRUE(got.has_value()) << "in pieces of " << piece;
    EXPECT_EQ(*got, "hello hello hellohello hello hello");
  }
}

TEST(Inflater, StopsABombAtTheLimit) {
  const std::string zeros(20'000'000, '\0');
  for (const Bytes& bomb : {gzip_bytes(zeros), zstd_bytes(zeros)}) {
    const bool zstd = bomb[0] == 0x28;
    ByteBuffer out;
    const auto got =
        inflate_whole({zstd ? Compression::zstd : Compression::gzip, 1_MiB}, bomb, out);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error(), InflateError::too_large);
    EXPECT_LE(out.capacity(), 1_MiB + 1);
  }
}

TEST(Inflater, RefusesADeclaredSizeThatASnappyBlockCannotHold) {
  const Bytes claim{0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 'a'};  // 4 GiB - 1 from seven bytes
  ByteBuffer out;
  EXPECT_EQ(inflate_whole({Compression::snappy, 8_GiB}, claim, out).error(), InflateError::corrupt);
  EXPECT_EQ(output_guess(Compression::snappy, claim, 64_MiB), claim.size() * 8);
}

TEST(Inflater, RefusesAWindowLargerThanItMayHold) {
  const Bytes input = zstd_stream_bytes(log_text(9'000'000), 24);
  ByteBuffer out;
  EXPECT_EQ(inflate_whole({Compression::zstd, 1_GiB}, input, out).error(),
            InflateError::window_too_large);
  EXPECT_TRUE(
      inflate_whole({Compression::zstd, 1_GiB}, zstd_stream_bytes(log_text(9'000'000), 23), out)
          .has_value());
}

TEST(Inflater, TakesALargeFrameOfKnownSizeWhole) {
  const std::string text = log_text(20'000'000);
  const Bytes input = zstd_bytes(text, 25 /* a window as large as the text */);
  ByteBuffer out;
  EXPECT_TRUE(inflate_whole({Compression::zstd, 64_MiB}, input, out).has_value());
  EXPECT_EQ(out.size(), text.size());
}

TEST(Inflater, KnowsWhatItHoldsBesides) {
  EXPECT_LT(Inflater::working_bytes(Compression::gzip), 128_KiB);
  EXPECT_LT(Inflater::working_bytes(Compression::zstd), 10_MiB);
  EXPECT_GT(Inflater::working_bytes(Compression::zstd), 8_MiB);
  const Bytes small = zstd_bytes(log_text(10'000));
  EXPECT_LT(Inflater::working_bytes(Compression::zstd, small), 1_MiB);
  EXPECT_GT(Inflater::working_bytes(Compression::zstd,
                                    joined(small, zstd_stream_bytes(log_text(10'000'000), 23))),
            8_MiB);
}

TEST(Inflater, KnowsTheNamesSendersUse) {
  EXPECT_EQ(compression_named("text"), Compression::none);
  EXPECT_EQ(compression_named("x-gzip"), Compression::gzip);
  EXPECT_EQ(compression_named("deflate"), Compression::deflate);
  EXPECT_EQ(compression_named("br"), std::nullopt);
}

}  // namespace
}  // namespace penstock::codec
