#include "net/io_thread.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <future>

#include "net/event.h"

namespace penstock::net {
namespace {

// Tells another loop when its frame goes, like a session whose answer another one waits for.
class Telling {
 public:
  explicit Telling(std::shared_ptr<Event> told) : told_(std::move(told)) {}
  ~Telling() { told_->set(); }
  Telling(const Telling&) = delete;
  Telling& operator=(const Telling&) = delete;

 private:
  std::shared_ptr<Event> told_;
};

asio::awaitable<void> wait_for(std::shared_ptr<Event> event, std::promise<void>& waits) {
  waits.set_value();
  co_await event->wait();
}

asio::awaitable<void> tell_at_the_end(std::shared_ptr<Event> told, std::shared_ptr<Event> never,
                                      std::promise<void>& waits) {
  const Telling telling(std::move(told));
  waits.set_value();
  co_await never->wait();
}

// The sanitizers see a loop that is used after it is gone.
TEST(IoThreads, WhatIsSuspendedOnOneLoopMayTellAnotherWhileItIsDestroyed) {
  std::promise<void> first_waits;
  std::promise<void> second_waits;
  std::weak_ptr<Event> left;
  {
    IoThreads threads(2);
    threads.start();
    asio::io_context& first = threads.all()[0]->context();
    asio::io_context& second = threads.all()[1]->context();
    const auto decided = std::make_shared<Event>(first.get_executor());
    left = decided;
    asio::co_spawn(first, wait_for(decided, first_waits), asio::detached);
    asio::co_spawn(
        second,
        tell_at_the_end(decided, std::make_shared<Event>(second.get_executor()), second_waits),
        asio::detached);
    first_waits.get_future().wait();
    second_waits.get_future().wait();
    threads.stop();
  }
  EXPECT_TRUE(left.expired());
}

}  // namespace
}  // namespace penstock::net
