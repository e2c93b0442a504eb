// HttpLoop: an event loop of one thread on libcurl's multi interface: HTTP exchanges, timers, and
// work posted from other threads.
//
//   HttpLoop loop({.connections_max = 16});
//   std::thread thread([&] { loop.run(); });
//   loop.post([&] { loop.start(request, [](HttpResponse response) { … }); });
//
// Exchanges go out over HTTP/1.1 on kept-alive connections, each with its own deadlines. A
// request's body belongs to the loop until its callback, which gives it back.
//
// Thread: run(), start(), cancel() and the timers belong to the loop's thread (the one in run());
// post(), stop() and last_turn() to any. Callbacks run on the loop's thread, never inside start().
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/http_exchange.h"
#include "net/http_transfer.h"
#include "net/proxy_rules.h"

namespace penstock::net {

class HttpLoop {
 public:
  using Work = std::function<void()>;
  using Callback = std::function<void(HttpResponse)>;
  using ExchangeId = uint64_t;  // never 0
  using TimerId = std::pair<SteadyTime, uint64_t>;

  explicit HttpLoop(HttpOptions options);
  // Drops what is under way without calling back.
  ~HttpLoop();
  HttpLoop(const HttpLoop&) = delete;
  HttpLoop& operator=(const HttpLoop&) = delete;

  // Turns until stop(); what is posted before run() is done first.
  void run();
  // One turn: waits at most `wait`, less when there is something to do.
  void turn(milliseconds wait);
  void stop();

  void post(Work work);

  TimerId call_at(SteadyTime when, Work work);
  TimerId call_after(nanoseconds delay, Work work);
  // False: it has been called.
  bool cancel_timer(TimerId timer);

  // callback is called exactly once, unless the loop ends first.
  ExchangeId start(HttpRequest request, Callback callback);
  // Ends the exchange with HttpFailure::canceled. No effect when it is over.
  void cancel(ExchangeId exchange);

  [[nodiscard]] size_t under_way() const { return active_.size() + waiting_.size(); }
  // When the loop last came round; it does at least every 5 s.
  [[nodiscard]] SteadyTime last_turn() const {
    return SteadyTime(nanoseconds(last_turn_.load(std::memory_order_relaxed)));
  }

 private:
  struct Exchange {
    std::unique_ptr<HttpTransfer> transfer;
    Callback callback;
    TimerId stall_timer;
  };
  struct Waiting {
    ExchangeId id;
    HttpRequest request;
    Callback callback;
  };
  struct Finished {
    Callback callback;
    HttpResponse response;
  };

  void begin(ExchangeId id, HttpRequest request, Callback callback);
  void watch_for_stall(ExchangeId id);
  void finish(ExchangeId id, CURLcode code, HttpFailure failure, const char* text);
  void collect_finished();
  void call_back();
  void run_posted();
  void run_due_timers();
  [[nodiscard]] milliseconds time_to_next_timer(milliseconds limit) const;

  const HttpOptions options_;
  const ProxyRules proxies_;  // of the environment when the loop was made
  CURLM* const multi_;
  uint64_t next_id_ = 1;
  std::unordered_map<ExchangeId, Exchange> active_;
  std::unordered_map<const HttpTransfer*, ExchangeId> by_transfer_;
  std::deque<Waiting> waiting_;
  std::vector<Finished> finished_;
  std::vector<std::unique_ptr<HttpTransfer>> idle_transfers_;
  std::map<TimerId, Work> timers_;

  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> last_turn_{0};
  std::mutex mutex_;
  std::vector<Work> posted_;  // under mutex_
};

}  // namespace penstock::net
