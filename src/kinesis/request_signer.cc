#include "kinesis/request_signer.h"

#include <string>
#include <vector>

namespace penstock::kinesis {

RequestSigner::RequestSigner(Endpoint endpoint)
    : endpoint_(std::move(endpoint)), signer_(endpoint_.region, endpoint_.service) {}

net::HttpRequest RequestSigner::sign(const Call& call, const Credentials& credentials,
                                     WallTime now) {
  const std::string date = amz_date(now);
  std::vector<Signer::Header> headers = {
      {"content-type", call.content_type}, {"host", endpoint_.host}, {"x-amz-date", date}};
  if (!credentials.session_token.empty()) {
    headers.push_back({"x-amz-security-token", credentials.session_token});
  }
  if (!call.target.empty()) headers.push_back({"x-amz-target", call.target});

  net::HttpRequest request;
  request.url = endpoint_.url;
  request.headers.reserve(headers.size() + 1);
  for (const Signer::Header& header : headers) {
    request.headers.push_back(std::string(header.name) + ": " + std::string(header.value));
  }
  request.headers.push_back(
      "Authorization: " +
      signer_.authorization(
          {.path = endpoint_.path, .headers = headers, .payload_sha256 = sha256_hex(call.body)},
          credentials, now));
  return request;
}

}  // namespace penstock::kinesis
