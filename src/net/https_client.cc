#include "net/https_client.h"

#include <optional>

namespace penstock::net {

HttpResponse HttpsClient::fetch(HttpRequest request) {
  std::optional<HttpResponse> answer;
  loop_.start(std::move(request), [&](HttpResponse response) { answer = std::move(response); });
  while (!answer) loop_.turn(milliseconds(1'000));
  return std::move(*answer);
}

}  // namespace penstock::net
