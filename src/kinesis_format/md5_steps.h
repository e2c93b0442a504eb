// The block function of MD5 (RFC 1321) on words, or on vectors that have a word of each of several
// messages. For md5.cc and md5_avx2.cc alone: everything is in an unnamed namespace, because the
// second is compiled for another instruction set and must not share a function with anybody.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace penstock::kinesis_format {
namespace {

inline uint32_t load_word(const uint8_t* from) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

inline uint32_t rotated(uint32_t x, int by) { return x << by | x >> (32 - by); }

// Two vectors: two chains of steps that do not wait for each other.
template <class Vector>
struct Lanes {
  static constexpr size_t kCount = 2 * sizeof(Vector) / sizeof(uint32_t);
  Vector low, high;
};
#define PENSTOCK_MD5_OPERATOR(op)                                     \
  template <class V>                                                  \
  inline Lanes<V> operator op(const Lanes<V>& x, const Lanes<V>& y) { \
    return {x.low op y.low, x.high op y.high};                        \
  }
PENSTOCK_MD5_OPERATOR(&)
PENSTOCK_MD5_OPERATOR(|)
PENSTOCK_MD5_OPERATOR(^)
PENSTOCK_MD5_OPERATOR(+)
#undef PENSTOCK_MD5_OPERATOR
template <class V>
inline Lanes<V> operator+(const Lanes<V>& x, uint32_t y) {
  return {x.low + y, x.high + y};
}
template <class V>
inline Lanes<V> operator~(const Lanes<V>& x) {
  return {~x.low, ~x.high};
}
template <class V>
inline Lanes<V> rotated(const Lanes<V>& x, int by) {
  return {(x.low << by) | (x.low >> (32 - by)), (x.high << by) | (x.high >> (32 - by))};
}

// RFC 1321, section 3.4. The second forms need one operation less on the path that everything waits
// for (D and F of the first form depend on each other).
constexpr auto mix_1 = [](const auto& x, const auto& y, const auto& z) {
  return z ^ (x & (y ^ z));
};
constexpr auto mix_2 = [](const auto& x, const auto& y, const auto& z) {
  return (x & z) + (y & ~z);
};
constexpr auto mix_3 = [](const auto& x, const auto& y, const auto& z) { return x ^ y ^ z; };
constexpr auto mix_4 = [](const auto& x, const auto& y, const auto& z) { return y ^ (x | ~z); };

template <class Mix, class Word>
inline void step(Mix mix, Word& a, const Word& b, const Word& c, const Word& d, const Word& word,
                 uint32_t constant, int shift) {
  a = rotated(a + word + constant + mix(b, c, d), shift) + b;
}

// Of one message, or of as many as Word has lanes.
template <class Word>
struct State {
  Word a, b, c, d;

  // word(i): the i-th of the block. Straight-line on purpose: the four words stay in registers.
  template <class Load>
  void add_block(const Load& word) {
    const State before = *this;
    step(mix_1, a, b, c, d, word(0), 0xd76aa478, 7);
    step(mix_1, d, a, b, c, word(1), 0xe8c7b756, 12);
    step(mix_1, c, d, a, b, word(2), 0x242070db, 17);
    step(mix_1, b, c, d, a, word(3), 0xc1bdceee, 22);
    step(mix_1, a, b, c, d, word(4), 0xf57c0faf, 7);
    step(mix_1, d, a, b, c, word(5), 0x4787c62a, 12);
    step(mix_1, c, d, a, b, word(6), 0xa8304613, 17);
    step(mix_1, b, c, d, a, word(7), 0xfd469501, 22);
    step(mix_1, a, b, c, d, word(8), 0x698098d8, 7);
    step(mix_1, d, a, b, c, word(9), 0x8b44f7af, 12);
    step(mix_1, c, d, a, b, word(10), 0xffff5bb1, 17);
    step(mix_1, b, c, d, a, word(11), 0x895cd7be, 22);
    step(mix_1, a, b, c, d, word(12), 0x6b901122, 7);
    step(mix_1, d, a, b, c, word(13), 0xfd987193, 12);
    step(mix_1, c, d, a, b, word(14), 0xa679438e, 17);
    step(mix_1, b, c, d, a, word(15), 0x49b40821, 22);
    step(mix_2, a, b, c, d, word(1), 0xf61e2562, 5);
    step(mix_2, d, a, b, c, word(6), 0xc040b340, 9);
    step(mix_2, c, d, a, b, word(11), 0x265e5a51, 14);
    step(mix_2, b, c, d, a, word(0), 0xe9b6c7aa, 20);
    step(mix_2, a, b, c, d, word(5), 0xd62f105d, 5);
    step(mix_2, d, a, b, c, word(10), 0x02441453, 9);
    step(mix_2, c, d, a, b, word(15), 0xd8a1e681, 14);
    step(mix_2, b, c, d, a, word(4), 0xe7d3fbc8, 20);
    step(mix_2, a, b, c, d, word(9), 0x21e1cde6, 5);
    step(mix_2, d, a, b, c, word(14), 0xc33707d6, 9);
    step(mix_2, c, d, a, b, word(3), 0xf4d50d87, 14);
    step(mix_2, b, c, d, a, word(8), 0x455a14ed, 20);
    step(mix_2, a, b, c, d, word(13), 0xa9e3e905, 5);
    step(mix_2, d, a, b, c, word(2), 0xfcefa3f8, 9);
    step(mix_2, c, d, a, b, word(7), 0x676f02d9, 14);
    step(mix_2, b, c, d, a, word(12), 0x8d2a4c8a, 20);
    step(mix_3, a, b, c, d, word(5), 0xfffa3942, 4);
    step(mix_3, d, a, b, c, word(8), 0x8771f681, 11);
    step(mix_3, c, d, a, b, word(11), 0x6d9d6122, 16);
    step(mix_3, b, c, d, a, word(14), 0xfde5380c, 23);
    step(mix_3, a, b, c, d, word(1), 0xa4beea44, 4);
    step(mix_3, d, a, b, c, word(4), 0x4bdecfa9, 11);
    step(mix_3, c, d, a, b, word(7), 0xf6bb4b60, 16);
    step(mix_3, b, c, d, a, word(10), 0xbebfbc70, 23);
    step(mix_3, a, b, c, d, word(13), 0x289b7ec6, 4);
    step(mix_3, d, a, b, c, word(0), 0xeaa127fa, 11);
    step(mix_3, c, d, a, b, word(3), 0xd4ef3085, 16);
    step(mix_3, b, c, d, a, word(6), 0x04881d05, 23);
    step(mix_3, a, b, c, d, word(9), 0xd9d4d039, 4);
    step(mix_3, d, a, b, c, word(12), 0xe6db99e5, 11);
    step(mix_3, c, d, a, b, word(15), 0x1fa27cf8, 16);
    step(mix_3, b, c, d, a, word(2), 0xc4ac5665, 23);
    step(mix_4, a, b, c, d, word(0), 0xf4292244, 6);
    step(mix_4, d, a, b, c, word(7), 0x432aff97, 10);
    step(mix_4, c, d, a, b, word(14), 0xab9423a7, 15);
    step(mix_4, b, c, d, a, word(5), 0xfc93a039, 21);
    step(mix_4, a, b, c, d, word(12), 0x655b59c3, 6);
    step(mix_4, d, a, b, c, word(3), 0x8f0ccc92, 10);
    step(mix_4, c, d, a, b, word(10), 0xffeff47d, 15);
    step(mix_4, b, c, d, a, word(1), 0x85845dd1, 21);
    step(mix_4, a, b, c, d, word(8), 0x6fa87e4f, 6);
    step(mix_4, d, a, b, c, word(15), 0xfe2ce6e0, 10);
    step(mix_4, c, d, a, b, word(6), 0xa3014314, 15);
    step(mix_4, b, c, d, a, word(13), 0x4e0811a1, 21);
    step(mix_4, a, b, c, d, word(4), 0xf7537e82, 6);
    step(mix_4, d, a, b, c, word(11), 0xbd3af235, 10);
    step(mix_4, c, d, a, b, word(2), 0x2ad7d2bb, 15);
    step(mix_4, b, c, d, a, word(9), 0xeb86d391, 21);
    *this = {a + before.a, b + before.b, c + before.c, d + before.d};
  }
};

constexpr State<uint32_t> kMd5Begin{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

// The states of as many messages as there are lanes; of each word all together.
constexpr size_t kMd5LanesMax = 16;
using Md5States = uint32_t[4][kMd5LanesMax];

// Adds so many blocks to each: that at at[i], and on from there in steps of stride[i].
template <class Vector>
inline void add_blocks_side_by_side(Md5States& states, const uint8_t** at, const size_t* stride,
                                    size_t blocks) {
  using Word = Lanes<Vector>;
  State<Word> state;
  Word* const words_of_state[4] = {&state.a, &state.b, &state.c, &state.d};
  for (size_t i = 0; i < 4; ++i) std::memcpy(words_of_state[i], states[i], sizeof(Word));
  for (; blocks > 0; --blocks) {
    Word words[16];
    for (size_t w = 0; w < 16; ++w) {
      for (size_t i = 0; i < Word::kCount / 2; ++i) {
        words[w].low[i] = load_word(at[i] + 4 * w);
        words[w].high[i] = load_word(at[i + Word::kCount / 2] + 4 * w);
      }
    }
    state.add_block([&words](size_t i) -> const Word& { return words[i]; });
    for (size_t i = 0; i < Word::kCount; ++i) at[i] += stride[i];
  }
  for (size_t i = 0; i < 4; ++i) std::memcpy(states[i], words_of_state[i], sizeof(Word));
}

}  // namespace

// Sixteen lanes, on processors that have AVX2.
void add_blocks_avx2(uint32_t (&states)[4][16], const uint8_t** at, const size_t* stride,
                     size_t blocks);

}  // namespace penstock::kinesis_format
