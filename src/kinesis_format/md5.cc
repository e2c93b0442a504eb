#include "kinesis_format/md5.h"

#include <algorithm>
#include <cstring>

#include "base/big_endian.h"
#include "base/check.h"
#include "kinesis_format/md5_steps.h"

namespace penstock::kinesis_format {
namespace {

using Four = uint32_t __attribute__((vector_size(16)));  // every x86-64 and ARM has it

#ifdef PENSTOCK_MD5_AVX2
bool has_avx2() {
  static const bool answer = __builtin_cpu_supports("avx2") != 0;
  return answer;
}
#else
bool has_avx2() { return false; }
void add_blocks_avx2(Md5States&, const uint8_t**, const size_t*, size_t) {}
#endif

void add_block(State<uint32_t>& state, const uint8_t* block) {
  state.add_block([block](size_t i) { return load_word(block + 4 * i); });
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
  SideBySide(std::span<const ByteView> messages, std::span<Md5Digest> digests, bool wide)
      : messages_(messages),
        digests_(digests),
        lane_count_(wide ? kMd5LanesMax : Lanes<Four>::kCount) {}

  void run() {
    for (;;) {
      size_t busy = 0;
      for (size_t lane = 0; lane < lane_count_; ++lane) busy += take_message(lane) ? 1 : 0;
      if (busy < kWorthwhile) break;
      add_blocks();
    }
    for (size_t lane = 0; lane < lane_count_; ++lane) finish_alone(lane);
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
    set_state(number, kMd5Begin);
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
    const uint8_t* at[kMd5LanesMax];
    size_t stride[kMd5LanesMax];
    size_t blocks = SIZE_MAX;
    for (size_t i = 0; i < lane_count_; ++i) {
      const bool is_busy = lanes_[i].blocks > 0;
      at[i] = is_busy ? lanes_[i].at : kIdle;
      stride[i] = is_busy ? 64 : 0;
      if (is_busy) blocks = std::min(blocks, lanes_[i].blocks);
    }
    if (lane_count_ == Lanes<Four>::kCount) {
      add_blocks_side_by_side<Four>(states_, at, stride, blocks);
    } else {
      add_blocks_avx2(states_, at, stride, blocks);
    }
    for (size_t i = 0; i < lane_count_; ++i) {
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

  [[nodiscard]] State<uint32_t> state_of(size_t lane) const {
    return {states_[0][lane], states_[1][lane], states_[2][lane], states_[3][lane]};
  }
  void set_state(size_t lane, const State<uint32_t>& state) {
    states_[0][lane] = state.a;
    states_[1][lane] = state.b;
    states_[2][lane] = state.c;
    states_[3][lane] = state.d;
  }

  const std::span<const ByteView> messages_;
  const std::span<Md5Digest> digests_;
  const size_t lane_count_;
  size_t next_ = 0;
  alignas(64) Md5States states_{};
  std::array<Lane, kMd5LanesMax> lanes_;
};

}  // namespace

Md5Digest md5(ByteView bytes) {
  State<uint32_t> state = kMd5Begin;
  const uint8_t* at = bytes.data();
  for (size_t left = bytes.size(); left >= 64; at += 64, left -= 64) add_block(state, at);
  Tail tail;
  tail.fill(bytes);
  for (size_t i = 0; i < tail.blocks; ++i) add_block(state, tail.bytes + 64 * i);
  return digest_of(state);
}

void md5_of_each(std::span<const ByteView> messages, std::span<Md5Digest> digests,
                 bool may_use_avx2) {
  CHECK(messages.size() == digests.size());
  SideBySide(messages, digests, may_use_avx2 && has_avx2()).run();
}

Uint128 hash_key_of(std::string_view partition_key) {
  const Md5Digest digest = md5(as_bytes(partition_key));
  return static_cast<Uint128>(load_be<uint64_t>(digest.data())) << 64 |
         load_be<uint64_t>(digest.data() + 8);
}

}  // namespace penstock::kinesis_format
