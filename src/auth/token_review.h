// TokenReview: asks the cluster's API server whose a bearer token is, and remembers the answer.
//
//   fresh, 60 s              answered from memory; from half of it on a new review is begun
//   then, while the API      the last answer, 10 minutes longer (a "no": not longer)
//   server cannot be reached
//   else                     unreachable
//
// The blocking calls run on threads of their own, several at once. Peers take turns, whatever
// number of unknown tokens one of them sends; tokens that were good are renewed before any unknown
// one is looked at. Keeps digests of tokens, never a token that is not under review. Thread: any;
// the awaiting side is the session's IoThread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "auth/http_auth.h"
#include "net/event.h"
#include "net/wait_limit.h"

namespace penstock::auth {

// What the API server says of one token: whose it is ("" when it is nobody's), or nullopt when no
// answer could be had. Blocks; called from several threads at once. The seam for tests.
using ReviewToken = std::function<std::optional<std::string>(const std::string& token)>;

class TokenReview {
 public:
  static constexpr size_t kAtOnce = 16;
  static constexpr size_t kAtOnceOfPeer = 12;  // so that others find a free one
  static constexpr size_t kQueueOfPeer = 1024;

  // With the pod's own service account, which needs the ClusterRole system:auth-delegator. The
  // error says what is missing when this is no pod.
  static Result<std::shared_ptr<TokenReview>, Error> of_cluster();

  explicit TokenReview(ReviewToken review, const Clock& clock = Clock::system());
  ~TokenReview();
  // Joins its threads and forgets who waits. Before the io_contexts of those go. Idempotent.
  void stop();
  TokenReview(const TokenReview&) = delete;
  TokenReview& operator=(const TokenReview&) = delete;

  // The user's name, "" for a definite no, nullopt when the API server cannot be reached or limit
  // has passed. peer: its address.
  boost::asio::awaitable<std::optional<std::string>> user_of(std::string token, std::string peer,
                                                             net::WaitLimit& limit);

 private:
  struct Entry {
    std::string user;
    SteadyTime answered{};
    bool has_answer = false;
    bool under_review = false;
    std::vector<std::shared_ptr<net::Event>> waiting;
  };
  using Entries = std::map<HttpAuth::Digest, Entry>;

  struct Lookup {
    std::optional<std::string> user;
    std::shared_ptr<net::Event> review;  // set when one under way is over; null: user is the answer
  };
  struct Review {
    HttpAuth::Digest key;
    std::string token;
    std::string peer;  // empty: a renewal
  };
  struct Peer {
    std::deque<Review> waiting;
    size_t under_review = 0;
  };
  Lookup look_up(const HttpAuth::Digest& key, const std::string& token, const std::string& peer,
                 const boost::asio::any_io_executor& executor);
  std::optional<std::string> remembered(const HttpAuth::Digest& key) const;
  void begin_review(Entry& entry, Review review);
  void make_room();
  void run_reviews();
  // With the lock held:
  std::optional<Review> next_review();
  void take_answer(const Review& review, std::optional<std::string> user);

  const ReviewToken review_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  // Under mutex_:
  Entries entries_;
  std::deque<Review> renewals_;
  std::map<std::string, Peer> peers_;  // those with anything waiting or under review
  std::string last_peer_;              // whose turn it was
  std::vector<std::thread> threads_;   // begun when they are first needed
  size_t idle_threads_ = 0;
  size_t queued_ = 0;  // that no thread has taken
  bool stopping_ = false;
};

}  // namespace penstock::auth
