// Access: whether the Authorization of a request admits it: a token or password that is
// listed in the configuration, or a service account whose token the cluster confirms.
//
// Thread: any; not changed after it is made. judge() runs on the caller's executor.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "auth/http_auth.h"
#include "auth/token_review.h"
#include "net/wait_limit.h"

namespace penstock::auth {

enum class Judgement : uint8_t {
  granted,
  missing,     // no Authorization at all: 401
  wrong,       // no token, password or valid service account of ours: 401
  not_listed,  // a valid service account that may not ask: 403
  unreachable  // the API server gives no answer: 503
};

struct Access {
  HttpAuth listed;
  std::shared_ptr<TokenReview> token_review;  // null: no service accounts are listed

  // authorization: the header's value. peer: its address, for turns between peers.
  [[nodiscard]] boost::asio::awaitable<Judgement> judge(std::string authorization, std::string peer,
                                                        net::WaitLimit& limit) const;
};

}  // namespace penstock::auth
