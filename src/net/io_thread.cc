#include "net/io_thread.h"

#include <algorithm>

namespace penstock::net {
namespace {
constexpr seconds kTick{1};
}

IoThread::IoThread()
    : next_watched_(watched_.end()),
      last_turn_(std::chrono::steady_clock::now().time_since_epoch().count()),
      work_(asio::make_work_guard(context_)),
      timer_(context_) {}

IoThread::~IoThread() { stop(); }

void IoThread::start() {
  arm_tick();
  thread_ = std::thread([this] { context_.run(); });
}

void IoThread::stop() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
  aside_.stop();
  aside_.join();
}

SteadyTime IoThread::last_turn() const {
  return SteadyTime(SteadyTime::duration(last_turn_.load(std::memory_order_relaxed)));
}

void IoThread::arm_tick() {
  timer_.expires_after(kTick);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void IoThread::tick() {
  const SteadyTime now = std::chrono::steady_clock::now();
  last_turn_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  for (auto place = watched_.begin(); place != watched_.end(); place = next_watched_) {
    // expire() may end this session and so take it, or others, off the list.
    next_watched_ = std::next(place);
    if ((*place)->deadline <= now) {
      (*place)->deadline = kNoDeadline;
      (*place)->expire();
    }
  }
  next_watched_ = watched_.end();
  arm_tick();
}

IoThread::Watch::Watch(IoThread& thread, Watched& watched) : thread_(thread) {
  place_ = thread_.watched_.insert(thread_.watched_.end(), &watched);
}

IoThread::Watch::~Watch() {
  if (thread_.next_watched_ == place_) ++thread_.next_watched_;
  thread_.watched_.erase(place_);
}

IoThreads::IoThreads(size_t count) {
  for (size_t i = 0; i < count; ++i) threads_.push_back(std::make_unique<IoThread>());
}

IoThreads::~IoThreads() {
  stop();
  for (auto& thread : threads_) thread->drop_suspended();
}

void IoThreads::start() {
  for (auto& thread : threads_) thread->start();
}

void IoThreads::stop() {
  for (auto& thread : threads_) thread->stop();
}

IoThread& IoThreads::least_loaded() {
  return **std::min_element(threads_.begin(), threads_.end(),
                            [](const auto& a, const auto& b) { return a->load() < b->load(); });
}

}  // namespace penstock::net
