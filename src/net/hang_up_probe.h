// HangUpProbe: whether a peer has hung up, for who does not own its connection: another thread may
// have to know what became of a request that this peer has perhaps sent again.
//
// Thread: any; the connection's own thread calls forget() before it closes the descriptor.
#pragma once

#include <mutex>

namespace penstock::net {

class HangUpProbe {
 public:
  explicit HangUpProbe(int descriptor) : descriptor_(descriptor) {}

  // The peer has ended its side, or the connection is broken or closed.
  [[nodiscard]] bool has_hung_up() const;
  // The connection is broken: what was written last does not arrive.
  [[nodiscard]] bool is_broken() const;
  // Bytes that were written and that the peer's system has not confirmed.
  [[nodiscard]] bool has_unconfirmed() const;
  void forget();

 private:
  [[nodiscard]] int look(short events) const;

  mutable std::mutex mutex_;
  int descriptor_;  // -1: closed
};

}  // namespace penstock::net
