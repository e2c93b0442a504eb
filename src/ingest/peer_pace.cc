#include "ingest/peer_pace.h"

#include "memory/shortage.h"

namespace penstock::ingest {

bool PeerPace::is_wanted(const memory::MemoryLease& lease) {
  return lease.large() ? memory_.waiting() > 0 : memory::is_short(memory_);
}

void PeerPace::expire() {
  deadline = SteadyTime::min();
  if (lease_ == nullptr) return;
  uint64_t& then = history_[seconds_ % kSeconds];
  const bool is_known = seconds_ >= kSeconds;
  const uint64_t came = bytes_ - then;
  then = bytes_;
  ++seconds_;
  if (!is_known || came >= kSeconds * kBytesPerSecond || !is_wanted(*lease_)) return;
  deadline = net::kNoDeadline;
  owner_.end_late("too_slow");
}

}  // namespace penstock::ingest
