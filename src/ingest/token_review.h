// TokenReview: asks the cluster's API server whose a bearer token is, and remembers the answer.
//
//   fresh, 60 s              answered from memory; from half of it on a new review is begun
//   then, while the API      the last answer, 10 minutes longer (a "no": not longer)
//   server cannot be reached
//   else                     unreachable
//
// The blocking call runs on a thread of its own. Keeps digests of tokens, never a token that is not
// under review. Thread: any; the awaiting side is the session's IoThread.
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
#include "ingest/http_auth.h"
#include "ingest/wait_limit.h"
#include "net/event.h"

namespace penstock::ingest {

// What the API server says of one token: whose it is ("" when it is nobody's), or nullopt when no
// answer could be had. Blocks. The seam for tests.
using ReviewToken = std::function<std::optional<std::string>(const std::string& token)>;

class TokenReview {
 public:
  // With the pod's own service account, which needs the ClusterRole system:auth-delegator. The
  // error says what is missing when this is no pod.
  static Result<std::shared_ptr<TokenReview>, Error> of_cluster();

  explicit TokenReview(ReviewToken review, const Clock& clock = Clock::system());
  ~TokenReview();
  // Joins its thread and forgets who waits. Before the io_contexts of those go. Idempotent.
  void stop();
  TokenReview(const TokenReview&) = delete;
  TokenReview& operator=(const TokenReview&) = delete;

  // The user's name, "" for a definite no, nullopt when the API server cannot be reached or limit
  // has passed.
  boost::asio::awaitable<std::optional<std::string>> user_of(std::string token, WaitLimit& limit);

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
  Lookup look_up(const HttpAuth::Digest& key, const std::string& token,
                 const boost::asio::any_io_executor& executor);
  std::optional<std::string> remembered(const HttpAuth::Digest& key) const;
  void begin_review(Entry& entry, const HttpAuth::Digest& key, const std::string& token);
  void make_room();
  void review_all();

  const ReviewToken review_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  Entries entries_;                                             // under mutex_
  std::deque<std::pair<HttpAuth::Digest, std::string>> queue_;  // under mutex_
  bool stopping_ = false;                                       // under mutex_
  std::thread thread_;
};

}  // namespace penstock::ingest
