// IoThread: one io_context, one OS thread; a connection lives and dies on one of them, so sessions
// need no locks. Once a second it looks at the deadlines of its sessions, which makes setting a
// deadline an assignment instead of a timer operation per read.
//
// Work that takes longer than a connection may keep its neighbors waiting (inflating and walking
// tens of MiB) runs on a second thread, beside the loop: see run_aside.h.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <list>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace penstock::net {

namespace asio = boost::asio;

inline constexpr SteadyTime kNoDeadline = SteadyTime::max();

// Something with a deadline on an IoThread. Thread: that one.
class Watched {
 public:
  virtual ~Watched() = default;
  // Called once per passed deadline, at most about a second late; deadline is kNoDeadline by then.
  virtual void expire() = 0;

  SteadyTime deadline = kNoDeadline;
};

class IoThread {
 public:
  IoThread();
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  void start();
  // Stops the loop, then the work beside it, and joins both. What was suspended on the loop is
  // destroyed later, so work beside it may refer to that.
  void stop();
  // Destroys what was suspended on the stopped loop. What that posts to another loop, or cancels
  // there, finds it whole: IoThreads drops on all of them before the first one goes.
  void drop_suspended() { context_.drop_suspended(); }

  [[nodiscard]] asio::io_context& context() { return context_; }
  // Runs long work, one piece after the other.
  [[nodiscard]] asio::thread_pool& aside() { return aside_; }

  // The deadline of watched is looked at from now until the handle goes. Thread: this one.
  class Watch {
   public:
    Watch(IoThread& thread, Watched& watched);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    IoThread& thread_;
    std::list<Watched*>::iterator place_;
  };

  // Connections on this thread. Thread: any.
  [[nodiscard]] size_t load() const { return load_.load(std::memory_order_relaxed); }
  void add_load(int by) { load_.fetch_add(static_cast<size_t>(by), std::memory_order_relaxed); }
  // When the loop last went round. Thread: any.
  [[nodiscard]] SteadyTime last_turn() const;

 private:
  void arm_tick();
  void tick();

  // Before the context: what is suspended on it is destroyed with it and takes itself off the list.
  std::list<Watched*> watched_;
  std::list<Watched*>::iterator next_watched_;
  std::atomic<SteadyTime::rep> last_turn_;
  std::atomic<size_t> load_{0};
  class Loop : public asio::io_context {
   public:
    Loop() : asio::io_context(1) {}
    void drop_suspended() { shutdown(); }
  };
  Loop context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer timer_;
  asio::thread_pool aside_{1};
  std::thread thread_;
};

// All of them. Thread: any, after construction.
class IoThreads {
 public:
  explicit IoThreads(size_t count);
  ~IoThreads();
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;
  void start();
  void stop();
  [[nodiscard]] IoThread& least_loaded();
  [[nodiscard]] const std::vector<std::unique_ptr<IoThread>>& all() const { return threads_; }

 private:
  std::vector<std::unique_ptr<IoThread>> threads_;
};

}  // namespace penstock::net
