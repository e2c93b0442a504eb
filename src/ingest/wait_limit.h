// WaitLimit: until when a request may wait, whatever it waits for: memory, room, the disk. When the
// limit passes, the event being waited for is set, and the waiter finds passed().
//
// Thread: the session's IoThread, all of it.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "base/clock.h"
#include "net/event.h"

namespace penstock::ingest {

// shared_ptr: a timer under way refers to it weakly.
class WaitLimit : public std::enable_shared_from_this<WaitLimit> {
 public:
  explicit WaitLimit(boost::asio::any_io_executor executor) : timer_(std::move(executor)) {}

  // The limit is `time` from now; one set before is forgotten.
  void start(nanoseconds time) {
    passed_ = false;
    waiting_.reset();
    timer_.expires_after(time);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) self->pass();
    });
  }
  void stop() {
    timer_.cancel();
    waiting_.reset();
  }
  [[nodiscard]] bool passed() const { return passed_; }

  // event is what is waited for from now on.
  void watch(const std::shared_ptr<net::Event>& event) {
    waiting_ = event;
    if (passed_) event->set();
  }

 private:
  void pass() {
    if (timer_.expiry() > std::chrono::steady_clock::now()) return;  // set anew meanwhile
    passed_ = true;
    if (const auto event = waiting_.lock()) event->set();
  }

  boost::asio::steady_timer timer_;
  std::weak_ptr<net::Event> waiting_;
  bool passed_ = false;
};

}  // namespace penstock::ingest
