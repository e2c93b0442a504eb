#include "ingest/token_review.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

namespace penstock::ingest {

namespace asio = boost::asio;

namespace {

constexpr seconds kFresh{60};
constexpr seconds kFreshNo{10};
constexpr seconds kLonger{600};
constexpr size_t kEntriesMax = 1024;
constexpr size_t kQueueMax = 256;
constexpr size_t kTokenSizeMax = 8_KiB;

// RFC 6750's b64token: what needs no escaping in JSON.
bool is_token(std::string_view token) {
  return !token.empty() && token.size() <= kTokenSizeMax &&
         std::all_of(token.begin(), token.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  std::string_view("-._~+/=").find(static_cast<char>(c)) != std::string_view::npos;
         });
}

}  // namespace

TokenReview::TokenReview(ReviewToken review, const Clock& clock)
    : review_(std::move(review)), clock_(clock), thread_([this] { review_all(); }) {}

TokenReview::~TokenReview() { stop(); }

void TokenReview::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  if (thread_.joinable()) thread_.join();
  entries_.clear();
}

asio::awaitable<std::optional<std::string>> TokenReview::user_of(std::string token,
                                                                 WaitLimit& limit) {
  if (!is_token(token)) co_return std::string();
  const auto executor = co_await asio::this_coro::executor;
  const HttpAuth::Digest key = HttpAuth::digest_of(token);
  const Lookup found = look_up(key, token, executor);
  if (!found.review) co_return found.user;
  limit.watch(found.review);
  co_await found.review->wait();
  co_return remembered(key);
}

TokenReview::Lookup TokenReview::look_up(const HttpAuth::Digest& key, const std::string& token,
                                         const asio::any_io_executor& executor) {
  const std::lock_guard lock(mutex_);
  if (!entries_.contains(key)) make_room();
  Entry& entry = entries_[key];
  const nanoseconds age = clock_.steady() - entry.answered;
  const nanoseconds fresh = entry.user.empty() ? kFreshNo : kFresh;
  const bool is_fresh = entry.has_answer && age < fresh;
  if (!is_fresh || (!entry.user.empty() && age > fresh / 2)) begin_review(entry, key, token);
  if (is_fresh) return {entry.user, nullptr};
  if (!entry.under_review) return {std::nullopt, nullptr};  // too many at once
  entry.waiting.push_back(std::make_shared<net::Event>(executor));
  return {std::nullopt, entry.waiting.back()};
}

std::optional<std::string> TokenReview::remembered(const HttpAuth::Digest& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end() || !found->second.has_answer) return std::nullopt;
  const Entry& entry = found->second;
  const nanoseconds age = clock_.steady() - entry.answered;
  const nanoseconds usable = entry.user.empty() ? nanoseconds(kFreshNo) : kFresh + kLonger;
  if (age >= usable) return std::nullopt;
  return entry.user;
}

void TokenReview::begin_review(Entry& entry, const HttpAuth::Digest& key,
                               const std::string& token) {
  if (entry.under_review || queue_.size() >= kQueueMax) return;
  entry.under_review = true;
  queue_.emplace_back(key, token);
  work_.notify_one();
}

// Whoever tries tokens must not fill the memory: the longest unasked answers go first.
void TokenReview::make_room() {
  while (entries_.size() >= kEntriesMax) {
    auto oldest = entries_.end();
    for (auto each = entries_.begin(); each != entries_.end(); ++each) {
      if (each->second.under_review) continue;
      // A "no" is worth less than a "yes".
      const auto rank = [](const Entry& entry) {
        return std::pair(!entry.user.empty(), entry.answered);
      };
      if (oldest == entries_.end() || rank(each->second) < rank(oldest->second)) oldest = each;
    }
    if (oldest == entries_.end()) return;
    entries_.erase(oldest);
  }
}

void TokenReview::review_all() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const auto [key, token] = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    auto user = review_(token);
    lock.lock();
    Entry& entry = entries_[key];
    entry.under_review = false;
    if (user) {
      entry.user = std::move(*user);
      entry.answered = clock_.steady();
      entry.has_answer = true;
    }
    for (const auto& event : std::exchange(entry.waiting, {})) event->set();
  }
}

}  // namespace penstock::ingest
