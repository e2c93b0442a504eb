// RequestSigner: the signed HTTP request of one call to one endpoint. Sign again for every try: the
// date is part of the signature.
//
// Thread: one at a time (the signing key is kept between calls).
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "kinesis/credentials/credentials.h"
#include "kinesis/endpoint.h"
#include "kinesis/sigv4.h"
#include "net/http_exchange.h"

namespace penstock::kinesis {

inline constexpr std::string_view kJsonContentType = "application/x-amz-json-1.1";
inline constexpr std::string_view kCborContentType = "application/x-amz-cbor-1.1";

class RequestSigner {
 public:
  explicit RequestSigner(Endpoint endpoint);

  struct Call {
    std::string_view content_type;
    std::string_view target;  // X-Amz-Target, "Kinesis_20131202.PutRecords"; "": none
    ByteView body;            // what is signed; the caller puts it into the request
  };
  // now: corrected by what is known of the service's clock.
  [[nodiscard]] net::HttpRequest sign(const Call& call, const Credentials& credentials,
                                      WallTime now);

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

 private:
  Endpoint endpoint_;
  Signer signer_;
};

}  // namespace penstock::kinesis
