#include "net/http_loop.h"

#include <algorithm>

#include "base/check.h"

namespace penstock::net {
namespace {

constexpr milliseconds kTurnMax{5'000};
constexpr size_t kIdleTransfersMax = 8;

CURLM* make_multi(const HttpOptions& options) {
  initialise_libcurl();
  CURLM* multi = curl_multi_init();
  CHECK(multi != nullptr);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options.connections_max));
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  return multi;
}

}  // namespace

HttpLoop::HttpLoop(HttpOptions options)
    : options_(std::move(options)),
      proxies_(ProxyRules::of_process()),
      multi_(make_multi(options_)) {
  last_turn_.store(std::chrono::steady_clock::now().time_since_epoch().count());
}

HttpLoop::~HttpLoop() {
  for (auto& [id, exchange] : active_) {
    curl_multi_remove_handle(multi_, exchange.transfer->easy());
  }
  active_.clear();
  idle_transfers_.clear();
  curl_multi_cleanup(multi_);
}

void HttpLoop::run() {
  while (!stopping_.load(std::memory_order_acquire)) turn(kTurnMax);
}

void HttpLoop::stop() {
  stopping_.store(true, std::memory_order_release);
  curl_multi_wakeup(multi_);
}

void HttpLoop::post(Work work) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  if (first) curl_multi_wakeup(multi_);
}

void HttpLoop::turn(milliseconds wait) {
  run_posted();
  run_due_timers();
  int running = 0;
  curl_multi_perform(multi_, &running);
  collect_finished();
  if (!finished_.empty()) {
    call_back();
    wait = milliseconds(0);
  }
  if (stopping_.load(std::memory_order_acquire)) wait = milliseconds(0);
  // A post() between run_posted() and here has left a wake-up behind, so the poll returns at once.
  curl_multi_poll(multi_, nullptr, 0, static_cast<int>(time_to_next_timer(wait).count()), nullptr);
  last_turn_.store(std::chrono::steady_clock::now().time_since_epoch().count(),
                   std::memory_order_relaxed);
}

void HttpLoop::run_posted() {
  std::vector<Work> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(posted_);
  }
  for (Work& one : work) one();
}

milliseconds HttpLoop::time_to_next_timer(milliseconds limit) const {
  if (timers_.empty()) return limit;
  const auto left = timers_.begin()->first.first - std::chrono::steady_clock::now();
  if (left <= nanoseconds(0)) return milliseconds(0);
  // Rounded up, so that the loop does not spin through the last millisecond.
  return std::min(limit, std::chrono::ceil<milliseconds>(left));
}

// What is asked for meanwhile has its turn in the next round, however early it wants to be called:
// work that asks for a time that has passed must not keep all others waiting.
void HttpLoop::run_due_timers() {
  if (timers_.empty()) return;
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto first_new = next_id_;
  for (auto due = timers_.begin(); due != timers_.end() && due->first.first <= now;) {
    if (due->first.second >= first_new) {
      ++due;
      continue;
    }
    auto taken = timers_.extract(due);
    taken.mapped()();
    due = timers_.begin();  // any other may have been canceled
  }
}

HttpLoop::TimerId HttpLoop::call_at(SteadyTime when, Work work) {
  const TimerId timer{when, next_id_++};
  timers_.emplace(timer, std::move(work));
  return timer;
}

HttpLoop::TimerId HttpLoop::call_after(nanoseconds delay, Work work) {
  return call_at(std::chrono::steady_clock::now() + delay, std::move(work));
}

bool HttpLoop::cancel_timer(TimerId timer) { return timers_.erase(timer) == 1; }

HttpLoop::ExchangeId HttpLoop::start(HttpRequest request, Callback callback) {
  const ExchangeId id = next_id_++;
  if (active_.size() < options_.connections_max) {
    begin(id, std::move(request), std::move(callback));
  } else {
    waiting_.push_back({id, std::move(request), std::move(callback)});
  }
  return id;
}

void HttpLoop::begin(ExchangeId id, HttpRequest request, Callback callback) {
  Exchange exchange;
  if (idle_transfers_.empty()) {
    exchange.transfer = std::make_unique<HttpTransfer>(options_);
  } else {
    exchange.transfer = std::move(idle_transfers_.back());
    idle_transfers_.pop_back();
  }
  const std::string proxy = request.use_proxy ? proxies_.proxy_for(request.url) : std::string();
  exchange.transfer->begin(std::move(request), proxy);
  exchange.callback = std::move(callback);
  by_transfer_[exchange.transfer.get()] = id;
  CHECK(curl_multi_add_handle(multi_, exchange.transfer->easy()) == CURLM_OK);
  active_.emplace(id, std::move(exchange));
  watch_for_stall(id);
}

void HttpLoop::watch_for_stall(ExchangeId id) {
  Exchange& exchange = active_.at(id);
  exchange.stall_timer =
      call_after(nanoseconds(exchange.transfer->timeouts().first_byte) / HttpTransfer::kStallTicks,
                 [this, id] {
                   if (active_.at(id).transfer->stalled()) {
                     finish(id, CURLE_OPERATION_TIMEDOUT, HttpFailure::timeout,
                            "nothing sent and nothing received within the deadline");
                   } else {
                     watch_for_stall(id);
                   }
                 });
}

void HttpLoop::cancel(ExchangeId id) {
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(),
                                    [id](const Waiting& one) { return one.id == id; });
  if (waiting != waiting_.end()) {
    HttpResponse response;
    response.failure = HttpFailure::canceled;
    response.request_body = std::move(waiting->request.body);
    finished_.push_back({std::move(waiting->callback), std::move(response)});
    waiting_.erase(waiting);
  } else if (active_.contains(id)) {
    finish(id, CURLE_ABORTED_BY_CALLBACK, HttpFailure::canceled, "canceled");
  }
}

// Takes the exchange off libcurl and lays its response aside for call_back(). An unfinished one
// takes its connection with it.
void HttpLoop::finish(ExchangeId id, CURLcode code, HttpFailure failure, const char* text) {
  const auto found = active_.find(id);
  CHECK(found != active_.end());
  Exchange exchange = std::move(found->second);
  active_.erase(found);
  by_transfer_.erase(exchange.transfer.get());
  cancel_timer(exchange.stall_timer);

  HttpResponse response = exchange.transfer->end(code);
  curl_multi_remove_handle(multi_, exchange.transfer->easy());
  if (failure != HttpFailure::none) {
    response.failure = failure;
    response.failure_text = text;
  }
  if (idle_transfers_.size() < kIdleTransfersMax) {
    idle_transfers_.push_back(std::move(exchange.transfer));
  }
  finished_.push_back({std::move(exchange.callback), std::move(response)});
}

void HttpLoop::collect_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    HttpTransfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    finish(by_transfer_.at(transfer), message->data.result, HttpFailure::none, "");
  }
}

void HttpLoop::call_back() {
  std::vector<Finished> finished;
  finished.swap(finished_);
  while (!waiting_.empty() && active_.size() < options_.connections_max) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    begin(next.id, std::move(next.request), std::move(next.callback));
  }
  for (Finished& one : finished) one.callback(std::move(one.response));
}

}  // namespace penstock::net
