// RoomWatch: a message on the one large loan that waits for room in the spool. The room may be made
// by delivering a large entry, which needs that loan: while one waits for it the message keeps it
// for a while only, and is then taken back.
//
// Thread: the session's IoThread.
#pragma once

#include "ingest/intake.h"
#include "net/io_thread.h"
#include "spool/spool.h"

namespace penstock::ingest {

class RoomWatch final : public net::Watched {
 public:
  RoomWatch(Admission& admission, const spool::Spool& spool, seconds patience)
      : admission_(admission), spool_(spool) {
    deadline = std::chrono::steady_clock::now() + patience;
  }

  void expire() override {
    deadline = SteadyTime::min();  // looked at once a second
    if (!spool_.awaits_large_lease()) return;
    is_taken_back_ = admission_.handle.cancel();
    deadline = net::kNoDeadline;
  }
  [[nodiscard]] bool is_taken_back() const { return is_taken_back_; }

 private:
  Admission& admission_;
  const spool::Spool& spool_;
  bool is_taken_back_ = false;
};

}  // namespace penstock::ingest
