#include "auth/token_review.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

namespace penstock::auth {

namespace asio = boost::asio;

namespace {

constexpr seconds kFresh{60};
constexpr seconds kFreshNo{10};
constexpr seconds kLonger{600};
constexpr size_t kEntriesMax = 1024;
constexpr size_t kRenewalsMax = 256;
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
    : review_(std::move(review)), clock_(clock) {}

TokenReview::~TokenReview() { stop(); }

void TokenReview::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads = std::exchange(threads_, {});
  }
  work_.notify_all();
  for (std::thread& thread : threads) thread.join();
  const std::lock_guard lock(mutex_);
  for (auto& [key, entry] : entries_) {
    for (const auto& event : entry.waiting) event->set();  // they find no answer
  }
  entries_.clear();
}

asio::awaitable<std::optional<std::string>> TokenReview::user_of(std::string token,
                                                                 std::string peer,
                                                                 net::WaitLimit& limit) {
  if (!is_token(token)) co_return std::string();
  const auto executor = co_await asio::this_coro::executor;
  const HttpAuth::Digest key = HttpAuth::digest_of(token);
  const Lookup found = look_up(key, token, peer, executor);
  if (!found.review) co_return found.user;
  limit.watch(found.review);
  co_await found.review->wait();
  co_return remembered(key);
}

TokenReview::Lookup TokenReview::look_up(const HttpAuth::Digest& key, const std::string& token,
                                         const std::string& peer,
                                         const asio::any_io_executor& executor) {
  const std::lock_guard lock(mutex_);
  if (!entries_.contains(key)) make_room();
  Entry& entry = entries_[key];
  const nanoseconds age = clock_.steady() - entry.answered;
  const nanoseconds fresh = entry.user.empty() ? kFreshNo : kFresh;
  const bool is_fresh = entry.has_answer && age < fresh;
  const bool was_good = entry.has_answer && !entry.user.empty();
  if (!is_fresh || (was_good && age > fresh / 2)) {
    begin_review(entry, {key, token, was_good ? std::string() : peer});
  }
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

void TokenReview::begin_review(Entry& entry, Review review) {
  if (entry.under_review || stopping_) return;
  if (review.peer.empty()) {
    if (renewals_.size() >= kRenewalsMax) return;
    renewals_.push_back(std::move(review));
  } else {
    Peer& peer = peers_[review.peer];
    if (peer.waiting.size() >= kQueueOfPeer) return;
    peer.waiting.push_back(std::move(review));
  }
  entry.under_review = true;
  ++queued_;
  if (queued_ > idle_threads_ && threads_.size() < kAtOnce) {
    threads_.emplace_back([this] { run_reviews(); });
  }
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

void TokenReview::run_reviews() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::optional<Review> review;
    ++idle_threads_;
    work_.wait(lock, [&] { return stopping_ || (review = next_review()); });
    --idle_threads_;
    if (stopping_) return;
    lock.unlock();
    auto user = review_(review->token);
    lock.lock();
    take_answer(*review, std::move(user));
  }
}

// Renewals first, then the peers in turn.
std::optional<TokenReview::Review> TokenReview::next_review() {
  std::optional<Review> next;
  if (!renewals_.empty()) {
    next = std::move(renewals_.front());
    renewals_.pop_front();
    --queued_;
    return next;
  }
  auto place = peers_.upper_bound(last_peer_);
  for (size_t i = 0; i < peers_.size(); ++i, ++place) {
    if (place == peers_.end()) place = peers_.begin();
    Peer& peer = place->second;
    if (peer.waiting.empty() || peer.under_review >= kAtOnceOfPeer) continue;
    next = std::move(peer.waiting.front());
    peer.waiting.pop_front();
    ++peer.under_review;
    --queued_;
    last_peer_ = place->first;
    break;
  }
  return next;
}

void TokenReview::take_answer(const Review& review, std::optional<std::string> user) {
  if (!review.peer.empty()) {
    const auto peer = peers_.find(review.peer);
    --peer->second.under_review;
    if (peer->second.under_review == 0 && peer->second.waiting.empty()) peers_.erase(peer);
    work_.notify_one();  // another of this peer's may go now
  }
  Entry& entry = entries_[review.key];
  entry.under_review = false;
  if (user) {
    entry.user = std::move(*user);
    entry.answered = clock_.steady();
    entry.has_answer = true;
  }
  for (const auto& event : std::exchange(entry.waiting, {})) event->set();
}

}  // namespace penstock::auth
