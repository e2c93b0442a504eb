// WaitLimit: until when a request may wait, whatever it waits for: memory, room, the disk. When the
// limit passes, the event being waited for is set, and the waiter finds passed().
//
// A timer is armed only when something is waited for, and left alone when the next request moves
// the limit: most requests arm none.
//
// Thread: the session's IoThread, all of it.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "base/clock.h"
#include "net/event.h"

namespace penstock::net {

// shared_ptr: a timer under way refers to it weakly.
class WaitLimit : public std::enable_shared_from_this<WaitLimit> {
 public:
  explicit WaitLimit(boost::asio::any_io_executor executor) : timer_(std::move(executor)) {}

  // The limit is `time` from now; one set before is forgotten.
  void start(nanoseconds time) {
    passed_ = false;
    waiting_.reset();
    expiry_ = std::chrono::steady_clock::now() + time;
  }
  void stop() { waiting_.reset(); }
  [[nodiscard]] bool passed() const { return passed_; }

  // event is what is waited for from now on.
  void watch(const std::shared_ptr<net::Event>& event) {
    waiting_ = event;
    if (passed_) return event->set();
    // A timer that goes off too early is armed again for what is left.
    if (!armed_ || timer_.expiry() > expiry_) arm();
  }

 private:
  void arm() {
    armed_ = true;
    timer_.expires_at(expiry_);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) self->go_off();
    });
  }

  void go_off() {
    if (timer_.expiry() > std::chrono::steady_clock::now()) return;  // armed again meanwhile
    armed_ = false;
    const auto event = waiting_.lock();
    if (!event) return;
    if (expiry_ > std::chrono::steady_clock::now()) return arm();
    passed_ = true;
    event->set();
  }

  boost::asio::steady_timer timer_;
  SteadyTime expiry_;
  bool armed_ = false;
  bool passed_ = false;
  std::weak_ptr<net::Event> waiting_;
};

}  // namespace penstock::net
