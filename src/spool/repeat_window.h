// RepeatWindow: the fingerprints of the chunks that are safe, for as long as a sender may send them
// again. Bounded in time and in number; when the number is reached the oldest are forgotten first.
//
// Memory: 24 bytes a fingerprint and 8 bytes of index, grown as needed. No allocation per chunk.
// Thread: none of its own; the spool's lock guards it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hash.h"

namespace penstock::spool {

class RepeatWindow {
 public:
  RepeatWindow(uint32_t count_max, int64_t window_ns);

  // now_ns is the wall clock. Times should not run backwards; one that does only makes its
  // fingerprint, and what is older, forgotten a little later.
  void remember(const Hash128& fingerprint, int64_t now_ns);
  [[nodiscard]] bool contains(const Hash128& fingerprint, int64_t now_ns);
  [[nodiscard]] int64_t window_ns() const { return window_ns_; }
  void set_window(int64_t window_ns) { window_ns_ = window_ns; }
  [[nodiscard]] size_t size() const { return count_; }

 private:
  struct Slot {
    Hash128 fingerprint;
    int64_t time_ns;
  };
  static constexpr uint32_t kFree = ~0u;

  void expire(int64_t now_ns);
  void forget_oldest();
  void grow();
  void enter(uint32_t slot);
  [[nodiscard]] size_t home(const Hash128& fingerprint) const {
    return static_cast<size_t>(fingerprint.low ^ fingerprint.high) & (index_.size() - 1);
  }
  // Where the index points to this fingerprint, or the free place where it would.
  [[nodiscard]] size_t place_of(const Hash128& fingerprint) const;

  const uint32_t count_max_;
  int64_t window_ns_;
  std::vector<Slot> ring_;       // ring_[(first_ + i) % ring_.size()], i < count_, oldest first
  std::vector<uint32_t> index_;  // open addressing, linear probing, at most half full
  size_t first_ = 0;
  size_t count_ = 0;
};

}  // namespace penstock::spool
