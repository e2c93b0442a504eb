#include "delivery/http_put_port.h"

#include "base/log.h"

namespace penstock::delivery {
HttpPutPort::HttpPutPort(net::HttpLoop& loop, Options options,
                         std::shared_ptr<CredentialSource> credentials, const Clock& clock)
    : loop_(loop),
      options_(std::move(options)),
      credentials_(std::move(credentials)),
      clock_(clock),
      signer_(options_.endpoint),
      self_(std::make_shared<HttpPutPort*>(this)) {}

void HttpPutPort::set_endpoint(kinesis::Endpoint endpoint) {
  signer_ = kinesis::RequestSigner(std::move(endpoint));
}

net::HttpRequest HttpPutPort::sign(kinesis_format::Request& request,
                                   const kinesis::Credentials& credentials) {
  const WallTime now = clock_offset_.correct(clock_.wall());
  net::HttpRequest http = signer_.sign(
      {.content_type = request.content_type(), .target = request.target(), .body = request.body()},
      credentials, now);
  http.timeouts = options_.timeouts;
  http.body = request.take_body();
  return http;
}

void HttpPutPort::put(kinesis_format::Request request, Callback callback) {
  const auto credentials = credentials_->current();
  auto kept = std::make_shared<kinesis_format::Request>(std::move(request));
  if (!credentials || credentials->empty()) {
    credentials_->refresh_soon();
    loop_.post([kept, callback = std::move(callback)] {
      PutResult result;
      result.error = kinesis::PutError::credentials;
      result.code = "no credentials";
      callback(std::move(result), std::move(*kept));
    });
    return;
  }
  net::HttpRequest http = sign(*kept, *credentials);
  loop_.start(std::move(http), [weak = std::weak_ptr(self_), kept,
                                callback = std::move(callback)](net::HttpResponse response) {
    const auto self = weak.lock();
    if (!self) return;
    kept->give_back_body(std::move(response.request_body));
    PutResult result = (*self)->read(response, *kept);
    callback(std::move(result), std::move(*kept));
  });
}

// The service answers CBOR, but does not document it. What does not know it says so, calls the body
// broken, or (emulators) answers like a broken web server, again and again.
bool HttpPutPort::speaks_no_cbor(const kinesis_format::Request& request) {
  constexpr int kDoubtsMax = 3;
  if (request.protocol() != kinesis_format::Protocol::cbor || cbor_understood_) return false;
  if (answer_.code_is_the_services || answer_.error == kinesis::PutError::none) {
    cbor_understood_ = answer_.error != kinesis::PutError::serialization &&
                       answer_.error != kinesis::PutError::unknown_operation;
    return !cbor_understood_;
  }
  if (answer_.error != kinesis::PutError::server_fault || ++cbor_doubts_ < kDoubtsMax) return false;
  cbor_doubts_ = 0;
  return true;
}

PutResult HttpPutPort::read(const net::HttpResponse& response,
                            const kinesis_format::Request& request) {
  reader_.read(response, request.slots().size(), answer_);
  PutResult result;
  result.error = speaks_no_cbor(request) ? kinesis::PutError::unknown_operation : answer_.error;
  result.took = response.total_time;
  result.code = !answer_.code.empty() ? answer_.code : response.failure_text;
  if (answer_.retry_after_ms > 0) result.retry_after = milliseconds(answer_.retry_after_ms);
  result.entries = answer_.entries;
  if (result.error == kinesis::PutError::clock_skew && answer_.server_time) {
    clock_offset_.learn(*answer_.server_time, clock_.wall());
    log_limited(
        LogLevel::warn, "clock_skew", "our clock is off: signing by the service's",
        {{"offset_s", std::chrono::duration_cast<seconds>(clock_offset_.offset()).count()}});
  } else if (result.error == kinesis::PutError::clock_skew ||
             result.error == kinesis::PutError::credentials) {
    credentials_->refresh_soon();
  }
  return result;
}

}  // namespace penstock::delivery
