#include "encode/md5.h"

#include <bit>
#include <cstring>

#include "base/big_endian.h"

namespace penstock::encode {
namespace {

// RFC 1321, section 3.4. The second forms need one operation less on the path that everything waits
// for (D and F of the first form depend on each other).
constexpr uint32_t mix_1(uint32_t x, uint32_t y, uint32_t z) { return z ^ (x & (y ^ z)); }
constexpr uint32_t mix_2(uint32_t x, uint32_t y, uint32_t z) { return (x & z) + (y & ~z); }
constexpr uint32_t mix_3(uint32_t x, uint32_t y, uint32_t z) { return x ^ y ^ z; }
constexpr uint32_t mix_4(uint32_t x, uint32_t y, uint32_t z) { return y ^ (x | ~z); }

template <uint32_t (*mix)(uint32_t, uint32_t, uint32_t)>
inline void step(uint32_t& a, uint32_t b, uint32_t c, uint32_t d, uint32_t word, uint32_t constant,
                 int shift) {
  a = std::rotl(a + word + constant + mix(b, c, d), shift) + b;
}

struct State {
  uint32_t a = 0x67452301;
  uint32_t b = 0xefcdab89;
  uint32_t c = 0x98badcfe;
  uint32_t d = 0x10325476;

  // Straight-line on purpose: the four words stay in registers.
  void add_block(const uint8_t* block) {
    const auto word = [block](size_t i) { return load_le<uint32_t>(block + 4 * i); };
    const State before = *this;
    step<mix_1>(a, b, c, d, word(0), 0xd76aa478, 7);
    step<mix_1>(d, a, b, c, word(1), 0xe8c7b756, 12);
    step<mix_1>(c, d, a, b, word(2), 0x242070db, 17);
    step<mix_1>(b, c, d, a, word(3), 0xc1bdceee, 22);
    step<mix_1>(a, b, c, d, word(4), 0xf57c0faf, 7);
    step<mix_1>(d, a, b, c, word(5), 0x4787c62a, 12);
    step<mix_1>(c, d, a, b, word(6), 0xa8304613, 17);
    step<mix_1>(b, c, d, a, word(7), 0xfd469501, 22);
    step<mix_1>(a, b, c, d, word(8), 0x698098d8, 7);
    step<mix_1>(d, a, b, c, word(9), 0x8b44f7af, 12);
    step<mix_1>(c, d, a, b, word(10), 0xffff5bb1, 17);
    step<mix_1>(b, c, d, a, word(11), 0x895cd7be, 22);
    step<mix_1>(a, b, c, d, word(12), 0x6b901122, 7);
    step<mix_1>(d, a, b, c, word(13), 0xfd987193, 12);
    step<mix_1>(c, d, a, b, word(14), 0xa679438e, 17);
    step<mix_1>(b, c, d, a, word(15), 0x49b40821, 22);
    step<mix_2>(a, b, c, d, word(1), 0xf61e2562, 5);
    step<mix_2>(d, a, b, c, word(6), 0xc040b340, 9);
    step<mix_2>(c, d, a, b, word(11), 0x265e5a51, 14);
    step<mix_2>(b, c, d, a, word(0), 0xe9b6c7aa, 20);
    step<mix_2>(a, b, c, d, word(5), 0xd62f105d, 5);
    step<mix_2>(d, a, b, c, word(10), 0x02441453, 9);
    step<mix_2>(c, d, a, b, word(15), 0xd8a1e681, 14);
    step<mix_2>(b, c, d, a, word(4), 0xe7d3fbc8, 20);
    step<mix_2>(a, b, c, d, word(9), 0x21e1cde6, 5);
    step<mix_2>(d, a, b, c, word(14), 0xc33707d6, 9);
    step<mix_2>(c, d, a, b, word(3), 0xf4d50d87, 14);
    step<mix_2>(b, c, d, a, word(8), 0x455a14ed, 20);
    step<mix_2>(a, b, c, d, word(13), 0xa9e3e905, 5);
    step<mix_2>(d, a, b, c, word(2), 0xfcefa3f8, 9);
    step<mix_2>(c, d, a, b, word(7), 0x676f02d9, 14);
    step<mix_2>(b, c, d, a, word(12), 0x8d2a4c8a, 20);
    step<mix_3>(a, b, c, d, word(5), 0xfffa3942, 4);
    step<mix_3>(d, a, b, c, word(8), 0x8771f681, 11);
    step<mix_3>(c, d, a, b, word(11), 0x6d9d6122, 16);
    step<mix_3>(b, c, d, a, word(14), 0xfde5380c, 23);
    step<mix_3>(a, b, c, d, word(1), 0xa4beea44, 4);
    step<mix_3>(d, a, b, c, word(4), 0x4bdecfa9, 11);
    step<mix_3>(c, d, a, b, word(7), 0xf6bb4b60, 16);
    step<mix_3>(b, c, d, a, word(10), 0xbebfbc70, 23);
    step<mix_3>(a, b, c, d, word(13), 0x289b7ec6, 4);
    step<mix_3>(d, a, b, c, word(0), 0xeaa127fa, 11);
    step<mix_3>(c, d, a, b, word(3), 0xd4ef3085, 16);
    step<mix_3>(b, c, d, a, word(6), 0x04881d05, 23);
    step<mix_3>(a, b, c, d, word(9), 0xd9d4d039, 4);
    step<mix_3>(d, a, b, c, word(12), 0xe6db99e5, 11);
    step<mix_3>(c, d, a, b, word(15), 0x1fa27cf8, 16);
    step<mix_3>(b, c, d, a, word(2), 0xc4ac5665, 23);
    step<mix_4>(a, b, c, d, word(0), 0xf4292244, 6);
    step<mix_4>(d, a, b, c, word(7), 0x432aff97, 10);
    step<mix_4>(c, d, a, b, word(14), 0xab9423a7, 15);
    step<mix_4>(b, c, d, a, word(5), 0xfc93a039, 21);
    step<mix_4>(a, b, c, d, word(12), 0x655b59c3, 6);
    step<mix_4>(d, a, b, c, word(3), 0x8f0ccc92, 10);
    step<mix_4>(c, d, a, b, word(10), 0xffeff47d, 15);
    step<mix_4>(b, c, d, a, word(1), 0x85845dd1, 21);
    step<mix_4>(a, b, c, d, word(8), 0x6fa87e4f, 6);
    step<mix_4>(d, a, b, c, word(15), 0xfe2ce6e0, 10);
    step<mix_4>(c, d, a, b, word(6), 0xa3014314, 15);
    step<mix_4>(b, c, d, a, word(13), 0x4e0811a1, 21);
    step<mix_4>(a, b, c, d, word(4), 0xf7537e82, 6);
    step<mix_4>(d, a, b, c, word(11), 0xbd3af235, 10);
    step<mix_4>(c, d, a, b, word(2), 0x2ad7d2bb, 15);
    step<mix_4>(b, c, d, a, word(9), 0xeb86d391, 21);
    a += before.a;
    b += before.b;
    c += before.c;
    d += before.d;
  }
};

}  // namespace

Md5Digest md5(ByteView bytes) {
  State state;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 64; at += 64, left -= 64) state.add_block(at);

  // The rest, a one bit, zeros, and the length in bits in the last eight bytes.
  uint8_t last[128] = {};
  if (left > 0) std::memcpy(last, at, left);
  last[left] = 0x80;
  const size_t last_size = left < 56 ? 64 : 128;
  store_le(last + last_size - 8, static_cast<uint64_t>(bytes.size()) * 8);
  state.add_block(last);
  if (last_size == 128) state.add_block(last + 64);

  Md5Digest digest;
  store_le(digest.data(), state.a);
  store_le(digest.data() + 4, state.b);
  store_le(digest.data() + 8, state.c);
  store_le(digest.data() + 12, state.d);
  return digest;
}

Uint128 hash_key_of(std::string_view partition_key) {
  const Md5Digest digest = md5(as_bytes(partition_key));
  return static_cast<Uint128>(load_be<uint64_t>(digest.data())) << 64 |
         load_be<uint64_t>(digest.data() + 8);
}

}  // namespace penstock::encode
