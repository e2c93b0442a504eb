// DeliveryThread: one HttpLoop on a thread of its own, and whoever lives on it.
#pragma once

#include <future>
#include <memory>
#include <thread>

#include "net/http_loop.h"

namespace penstock::delivery {

class DeliveryThread {
 public:
  explicit DeliveryThread(net::HttpOptions options) : loop_(std::move(options)) {
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~DeliveryThread() { stop(); }
  DeliveryThread(const DeliveryThread&) = delete;
  DeliveryThread& operator=(const DeliveryThread&) = delete;

  [[nodiscard]] net::HttpLoop& loop() { return loop_; }

  // Runs work on the thread and waits for it. Not from the thread itself.
  template <class Work>
  void call(Work work) {
    if (!thread_.joinable()) {
      work();  // the loop has ended: nobody else is there
      return;
    }
    std::promise<void> done;
    loop_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  void stop() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  net::HttpLoop loop_;
  std::thread thread_;
};

}  // namespace penstock::delivery
