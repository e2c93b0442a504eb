#include "encode/md5.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/big_endian.h"
#include "base/check.h"

namespace penstock::encode {
namespace {

// Eight numbers in two vectors: two chains of steps that do not wait for each other, and no more
// than every x86-64 and ARM has.
struct Lanes {
  using Four = uint32_t __attribute__((vector_size(16)));
  Four low, high;

  Lanes() = default;
  Lanes(Four l, Four h) : low(l), high(h) {}
  explicit Lanes(uint32_t each) : low(Four{} + each), high(Four{} + each) {}
};
constexpr size_t kLanes = 8;

inline Lanes operator&(const Lanes& x, const Lanes& y) { return {x.low & y.low, x.high & y.high}; }
inline Lanes operator|(const Lanes& x, const Lanes& y) { return {x.low | y.low, x.high | y.high}; }
inline Lanes operator^(const Lanes& x, const Lanes& y) { return {x.low ^ y.low, x.high ^ y.high}; }
inline Lanes operator+(const Lanes& x, const Lanes& y) { return {x.low + y.low, x.high + y.high}; }
inline Lanes operator+(const Lanes& x, uint32_t y) { return {x.low + y, x.high + y}; }
inline Lanes operator~(const Lanes& x) { return {~x.low, ~x.high}; }
inline Lanes& operator+=(Lanes& x, const Lanes& y) { return x = x + y; }

inline Lanes rotated(const Lanes& x, int by) {
  return {(x.low << by) | (x.low >> (32 - by)), (x.high << by) | (x.high >> (32 - by))};
}
inline uint32_t rotated(uint32_t x, int by) { return std::rotl(x, by); }

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
  Word a{0x67452301};
  Word b{0xefcdab89};
  Word c{0x98badcfe};
  Word d{0x10325476};

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
    a += before.a;
    b += before.b;
    c += before.c;
    d += before.d;
  }
};

void add_block(State<uint32_t>& state, const uint8_t* block) {
  state.add_block([block](size_t i) { return load_le<uint32_t>(block + 4 * i); });
}

// What is behind the last whole block: a one bit, zeros, and the length in bits in the last eight
// bytes.
struct Tail {
  uint8_t bytes[128] = {};
  size_t blocks = 1;

  void fill(ByteView message) {
    const size_t left = message.size() % 64;
    std::memset(bytes, 0, sizeof bytes);
    if (left > 0) std::memcpy(bytes, message.data() + message.size() - left, left);
    bytes[left] = 0x80;
    blocks = left < 56 ? 1 : 2;
    store_le(bytes + blocks * 64 - 8, static_cast<uint64_t>(message.size()) * 8);
  }
};

Md5Digest digest_of(const State<uint32_t>& state) {
  Md5Digest digest;
  store_le(digest.data(), state.a);
  store_le(digest.data() + 4, state.b);
  store_le(digest.data() + 8, state.c);
  store_le(digest.data() + 12, state.d);
  return digest;
}

// Several messages side by side, each in a lane of its own; when one ends the next takes its lane.
class SideBySide {
 public:
  SideBySide(std::span<const ByteView> messages, std::span<Md5Digest> digests)
      : messages_(messages), digests_(digests) {}

  void run() {
    for (;;) {
      size_t busy = 0;
      for (size_t lane = 0; lane < kLanes; ++lane) busy += take_message(lane) ? 1 : 0;
      if (busy < kWorthwhile) break;
      add_blocks();
    }
    for (size_t lane = 0; lane < kLanes; ++lane) finish_alone(lane);
  }

 private:
  // With fewer lanes at work one after the other is faster.
  static constexpr size_t kWorthwhile = 3;

  struct Lane {
    const uint8_t* at = nullptr;
    size_t blocks = 0;  // left at `at`; 0: idle
    bool in_tail = false;
    size_t message = 0;
    Tail tail;
  };

  // False: there is none left, and the lane has none.
  bool take_message(size_t number) {
    Lane& lane = lanes_[number];
    if (lane.blocks > 0) return true;
    if (next_ == messages_.size()) return false;
    const ByteView message = messages_[next_];
    lane.message = next_++;
    lane.tail.fill(message);
    lane.at = message.data();
    lane.blocks = message.size() / 64;
    lane.in_tail = lane.blocks == 0;
    if (lane.in_tail) to_tail(lane);
    set_state(number, {});
    return true;
  }

  static void to_tail(Lane& lane) {
    lane.in_tail = true;
    lane.at = lane.tail.bytes;
    lane.blocks = lane.tail.blocks;
  }

  // As many as all busy lanes have.
  void add_blocks() {
    static constexpr uint8_t kIdle[64] = {};
    const uint8_t* at[kLanes];
    size_t stride[kLanes];
    size_t blocks = SIZE_MAX;
    for (size_t i = 0; i < kLanes; ++i) {
      const bool is_busy = lanes_[i].blocks > 0;
      at[i] = is_busy ? lanes_[i].at : kIdle;
      stride[i] = is_busy ? 64 : 0;
      if (is_busy) blocks = std::min(blocks, lanes_[i].blocks);
    }
    for (size_t done = 0; done < blocks; ++done) {
      Lanes words[16];
      for (size_t w = 0; w < 16; ++w) {
        const auto word = [&](size_t i) { return load_le<uint32_t>(at[i] + 4 * w); };
        words[w] = Lanes(Lanes::Four{word(0), word(1), word(2), word(3)},
                         Lanes::Four{word(4), word(5), word(6), word(7)});
      }
      state_.add_block([&words](size_t i) -> const Lanes& { return words[i]; });
      for (size_t i = 0; i < kLanes; ++i) at[i] += stride[i];
    }
    for (size_t i = 0; i < kLanes; ++i) {
      Lane& lane = lanes_[i];
      if (lane.blocks == 0) continue;
      lane.at = at[i];
      lane.blocks -= blocks;
      if (lane.blocks > 0) continue;
      if (lane.in_tail) {
        digests_[lane.message] = digest_of(state_of(i));
      } else {
        to_tail(lane);
      }
    }
  }

  void finish_alone(size_t number) {
    Lane& lane = lanes_[number];
    if (lane.blocks == 0) return;
    State<uint32_t> state = state_of(number);
    for (;;) {
      for (; lane.blocks > 0; --lane.blocks, lane.at += 64) add_block(state, lane.at);
      if (lane.in_tail) break;
      to_tail(lane);
    }
    digests_[lane.message] = digest_of(state);
  }

  static uint32_t& number_in(Lanes& lanes, size_t lane) {
    return reinterpret_cast<uint32_t*>(lane < 4 ? &lanes.low : &lanes.high)[lane % 4];
  }
  [[nodiscard]] State<uint32_t> state_of(size_t lane) {
    return {number_in(state_.a, lane), number_in(state_.b, lane), number_in(state_.c, lane),
            number_in(state_.d, lane)};
  }
  void set_state(size_t lane, const State<uint32_t>& state) {
    number_in(state_.a, lane) = state.a;
    number_in(state_.b, lane) = state.b;
    number_in(state_.c, lane) = state.c;
    number_in(state_.d, lane) = state.d;
  }

  const std::span<const ByteView> messages_;
  const std::span<Md5Digest> digests_;
  size_t next_ = 0;
  State<Lanes> state_;
  std::array<Lane, kLanes> lanes_;
};

}  // namespace

Md5Digest md5(ByteView bytes) {
  State<uint32_t> state;
  const uint8_t* at = bytes.data();
  for (size_t left = bytes.size(); left >= 64; at += 64, left -= 64) add_block(state, at);
  Tail tail;
  tail.fill(bytes);
  for (size_t i = 0; i < tail.blocks; ++i) add_block(state, tail.bytes + 64 * i);
  return digest_of(state);
}

void md5_of_each(std::span<const ByteView> messages, std::span<Md5Digest> digests) {
  CHECK(messages.size() == digests.size());
  SideBySide(messages, digests).run();
}

Uint128 hash_key_of(std::string_view partition_key) {
  const Md5Digest digest = md5(as_bytes(partition_key));
  return static_cast<Uint128>(load_be<uint64_t>(digest.data())) << 64 |
         load_be<uint64_t>(digest.data() + 8);
}

}  // namespace penstock::encode
