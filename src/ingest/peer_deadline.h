// PeerDeadline: how long a session waits for its peer before it ends the connection.
//
// Thread: the session's IoThread.
#pragma once

#include <string_view>

#include "net/io_thread.h"

namespace penstock::ingest {

// What a deadline ends. reason: a label of messages_refused; empty: nothing to complain about.
class Expirable {
 public:
  virtual void end_late(std::string_view reason) = 0;

 protected:
  ~Expirable() = default;
};

class PeerDeadline final : public net::Watched {
 public:
  PeerDeadline(Expirable& owner, std::string_view reason) : owner_(owner), reason_(reason) {}
  void expire() override { owner_.end_late(reason_); }
  void in(seconds time) { deadline = std::chrono::steady_clock::now() + time; }
  void off() { deadline = net::kNoDeadline; }

 private:
  Expirable& owner_;
  const std::string_view reason_;
};

}  // namespace penstock::ingest
