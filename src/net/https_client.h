// HttpsClient: HTTP one exchange at a time, blocking; for control-plane calls, credential
// providers and commands. Keeps its connections between calls.
//
// Thread: one at a time.
#pragma once

#include "net/http_loop.h"

namespace penstock::net {

class HttpsClient {
 public:
  explicit HttpsClient(HttpOptions options = {}) : loop_(std::move(options)) {}

  // Returns when the exchange is over, at the latest when its deadlines have passed.
  [[nodiscard]] HttpResponse fetch(HttpRequest request);

 private:
  HttpLoop loop_;
};

}  // namespace penstock::net
