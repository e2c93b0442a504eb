// AWS Signature Version 4: the Authorization header of one request.
//
// The signing key depends only on secret, day, region and service and is kept between calls, so
// that a request costs one SHA-256 of its body (which the caller may keep for a resend) and a few
// hashes of short strings.
//
// Thread: a Signer belongs to one thread. The free functions: any.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "kinesis/credentials/credentials.h"

namespace penstock::kinesis {

// Lower-case hex of the SHA-256.
[[nodiscard]] std::string sha256_hex(ByteView bytes);

// 20150830T123600Z, the form of x-amz-date.
[[nodiscard]] std::string amz_date(WallTime time);

class Signer {
 public:
  struct Header {
    std::string_view name;  // lower case
    std::string_view value;
  };
  struct Request {
    std::string_view method = "POST";
    std::string_view path = "/";           // as in the URL, already percent-encoded
    std::string_view query = {};           // canonical: sorted and encoded
    std::span<const Header> headers = {};  // all that are signed, sorted by name, host and
                                           // x-amz-date (the same time as below) among them
    std::string_view payload_sha256;       // sha256_hex(body)
  };

  Signer(std::string region, std::string service);

  // The value of the Authorization header.
  [[nodiscard]] std::string authorization(const Request& request, const Credentials& credentials,
                                          WallTime time);

  [[nodiscard]] const std::string& region() const { return region_; }
  [[nodiscard]] const std::string& service() const { return service_; }

 private:
  using Digest = std::array<uint8_t, 32>;
  const Digest& signing_key(const Credentials& credentials, std::string_view date);

  std::string region_ = {};
  std::string service_ = {};
  std::string key_secret_ = {};  // what key_ was derived from
  std::string key_date_ = {};
  Digest key_{};
};

}  // namespace penstock::kinesis
