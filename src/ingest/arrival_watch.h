// ArrivalWatch: notices once a second what has come of a message that waits in its socket.
//
// Thread: the session's IoThread.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>

#include "net/io_thread.h"
#include "net/stream.h"

namespace penstock::ingest {

class ArrivalWatch final : public net::Watched {
 public:
  // known: how much has been noticed before; kept up to date.
  ArrivalWatch(net::Stream& stream, size_t& known, std::function<void(size_t)> on_more)
      : stream_(stream), known_(known), on_more_(std::move(on_more)) {
    deadline = SteadyTime::min();
  }

  void expire() override {
    deadline = SteadyTime::min();
    const size_t waiting = stream_.bytes_waiting();
    if (waiting > known_) on_more_(waiting - known_);
    known_ = std::max(known_, waiting);
  }

 private:
  net::Stream& stream_;
  size_t& known_;
  const std::function<void(size_t)> on_more_;
};

}  // namespace penstock::ingest
