// HttpRequest and HttpResponse: one exchange with a service, as values.
//
// A response says all that a sender must know to decide what became of its request: whether an
// answer came, and if not, whether the request's bytes had left.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace penstock::net {

enum class HttpFailure : uint8_t {
  none,                // an answer was received whole; look at status
  resolve,             // no such host
  connect,             // refused, unreachable, or no connection within its deadline
  tls,                 // handshake or certificate
  proxy,               // the proxy could not be reached or refused the tunnel
  timeout,             // connected, then a deadline passed
  reset,               // the connection ended or broke in mid-exchange
  response_too_large,  // more than response_bytes_max
  bad_response,        // not HTTP
  canceled,            // by us
  internal,            // a request that cannot be made (bad URL), or no memory
};
[[nodiscard]] std::string_view name_of(HttpFailure failure);

// How much of the request went to the kernel. A body that is not all written cannot have been
// accepted by a service that checks Content-Length or a signature.
enum class RequestWritten : uint8_t { none, part, all };

struct HttpTimeouts {
  milliseconds connect{5'000};  // name look-up, TCP, TLS, proxy
  milliseconds first_byte{
      15'000};                 // no byte sent and none received for this long, before the answer
  milliseconds whole{60'000};  // from start to the last byte
};

struct HttpRequest {
  std::string method = "POST";
  std::string url;
  std::vector<std::string> headers;  // "Name: value"; Content-Length is added
  ByteBuffer body;                   // handed over; comes back in the response
  HttpTimeouts timeouts;
  size_t response_bytes_max = 4u << 20;
  bool use_proxy = true;  // false: never by a proxy, whatever the environment says (metadata)
};

struct HttpResponse {
  HttpFailure failure = HttpFailure::none;
  std::string failure_text;  // for the log: what, where; never a header or a body

  int status = 0;
  std::string content_type;
  std::string request_id;       // x-amzn-RequestId
  std::string error_type;       // x-amzn-ErrorType
  std::string date;             // Date
  int64_t retry_after_ms = -1;  // x-amz-retry-after; -1: absent
  ByteBuffer body;

  ByteBuffer request_body;  // the request's, given back
  RequestWritten written = RequestWritten::none;
  // A kept connection turned out dead before a byte came back, and the request went out a second
  // time on a new one. When the first copy had been written whole, it may count twice.
  bool resent = false;

  nanoseconds connect_time{};     // until the connection was ready; 0 on a kept one
  nanoseconds first_byte_time{};  // until the answer began; 0: it did not
  nanoseconds total_time{};

  [[nodiscard]] bool answered() const { return failure == HttpFailure::none; }
  // Nothing can be said about what the service did with the request.
  [[nodiscard]] bool outcome_unknown() const {
    return failure != HttpFailure::none && (written == RequestWritten::all || resent);
  }
};

}  // namespace penstock::net
