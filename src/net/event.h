// Event: set once, on any thread; awaited by one coroutine on its IoThread.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

namespace penstock::net {

namespace asio = boost::asio;

// shared_ptr because setter and waiter outlive each other in any order.
class Event : public std::enable_shared_from_this<Event> {
 public:
  explicit Event(asio::any_io_executor executor) : timer_(std::move(executor)) {}
  void set();
  [[nodiscard]] bool is_set() const { return set_.load(std::memory_order_acquire); }
  asio::awaitable<void> wait();

 private:
  std::atomic<bool> set_{false};
  asio::steady_timer timer_;
};

}  // namespace penstock::net
