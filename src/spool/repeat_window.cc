#include "spool/repeat_window.h"

#include <algorithm>

namespace penstock::spool {
namespace {
constexpr size_t kFirstSlots = 256;
}

RepeatWindow::RepeatWindow(uint32_t count_max, int64_t window_ns)
    : count_max_(std::max(count_max, 1u)), window_ns_(window_ns) {}

void RepeatWindow::remember(const Hash128& fingerprint, int64_t now_ns) {
  if (window_ns_ <= 0) return;
  expire(now_ns);
  if (!index_.empty() && index_[place_of(fingerprint)] != kFree) return;
  if (count_ == count_max_) forget_oldest();
  if (count_ == ring_.size()) grow();
  const size_t slot = (first_ + count_) % ring_.size();
  ring_[slot] = {fingerprint, now_ns};
  ++count_;
  enter(static_cast<uint32_t>(slot));
}

bool RepeatWindow::contains(const Hash128& fingerprint, int64_t now_ns) {
  expire(now_ns);
  return count_ > 0 && index_[place_of(fingerprint)] != kFree;
}

void RepeatWindow::expire(int64_t now_ns) {
  while (count_ > 0 && now_ns - ring_[first_].time_ns >= window_ns_) forget_oldest();
}

// Linear probing without tombstones: what follows the hole moves up when its home allows.
void RepeatWindow::forget_oldest() {
  const size_t mask = index_.size() - 1;
  size_t hole = place_of(ring_[first_].fingerprint);
  for (size_t next = (hole + 1) & mask; index_[next] != kFree; next = (next + 1) & mask) {
    const size_t wanted = home(ring_[index_[next]].fingerprint);
    if (((next - wanted) & mask) >= ((next - hole) & mask)) {
      index_[hole] = index_[next];
      hole = next;
    }
  }
  index_[hole] = kFree;
  first_ = (first_ + 1) % ring_.size();
  --count_;
}

void RepeatWindow::grow() {
  std::vector<Slot> wider(std::min<size_t>(std::max(kFirstSlots, ring_.size() * 2), count_max_));
  for (size_t i = 0; i < count_; ++i) wider[i] = ring_[(first_ + i) % ring_.size()];
  ring_ = std::move(wider);
  first_ = 0;
  size_t places = 2 * kFirstSlots;
  while (places < ring_.size() * 2) places *= 2;
  index_.assign(places, kFree);
  for (size_t i = 0; i < count_; ++i) enter(static_cast<uint32_t>(i));
}

void RepeatWindow::enter(uint32_t slot) { index_[place_of(ring_[slot].fingerprint)] = slot; }

size_t RepeatWindow::place_of(const Hash128& fingerprint) const {
  const size_t mask = index_.size() - 1;
  size_t place = home(fingerprint);
  while (index_[place] != kFree && ring_[index_[place]].fingerprint != fingerprint) {
    place = (place + 1) & mask;
  }
  return place;
}

}  // namespace penstock::spool
