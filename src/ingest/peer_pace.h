// PeerPace: a peer in the middle of a message whose memory others wait for has to send at 64 KiB/s
// on average over 10 s. Else its connection ends (`too_slow`).
//
// Only the time during which the peer is waited for counts. While nobody waits for memory every
// rate will do.
//
// Thread: the session's IoThread.
#pragma once

#include <array>
#include <cstdint>

#include "ingest/peer_deadline.h"
#include "memory/memory_budget.h"

namespace penstock::ingest {

class PeerPace final : public net::Watched {
 public:
  static constexpr uint64_t kBytesPerSecond = 64 << 10;
  static constexpr size_t kSeconds = 10;

  PeerPace(Expirable& owner, memory::MemoryBudget& memory) : owner_(owner), memory_(memory) {}

  // A read begins; lease pays for what has come of the message, and stays where it is until the
  // read has ended.
  void waits(const memory::MemoryLease& lease) {
    lease_ = &lease;
    deadline = SteadyTime::min();  // looked at once a second
  }
  void came(size_t bytes) {
    lease_ = nullptr;
    arrives(bytes);
  }
  // The read goes on.
  void arrives(size_t bytes) { bytes_ += bytes; }
  // Nothing is held any more.
  void rests() {
    lease_ = nullptr;
    seconds_ = 0;
    deadline = net::kNoDeadline;
  }

  void expire() override;

 private:
  // Others wait for what it would give back.
  [[nodiscard]] bool is_wanted(const memory::MemoryLease& lease);

  Expirable& owner_;
  memory::MemoryBudget& memory_;
  const memory::MemoryLease* lease_ = nullptr;  // while the peer is waited for
  uint64_t bytes_ = 0;                          // that came, in all
  uint64_t seconds_ = 0;                        // in which the peer was waited for
  std::array<uint64_t, kSeconds> history_{};    // bytes_ at the end of each of the last of them
};

}  // namespace penstock::ingest
