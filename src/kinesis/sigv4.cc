#include "kinesis/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <ctime>

#include "base/check.h"
#include "base/text.h"
#include "codec/hex.h"
#include "codec/percent_encoding.h"

namespace penstock::kinesis {
namespace {

using Digest = std::array<uint8_t, 32>;

Digest sha256(ByteView bytes) {
  Digest digest;
  unsigned int size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  return digest;
}

Digest hmac(ByteView key, std::string_view text) {
  Digest digest;
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data(),
             &size) != nullptr);
  return digest;
}

// Every service but S3 signs the path encoded once more: a '%' of the URL becomes %25.
std::string canonical_path(std::string_view path) {
  return path.empty() ? "/" : codec::percent_encoded(path, "/");
}

}  // namespace

std::string sha256_hex(ByteView bytes) { return codec::hex(sha256(bytes)); }

std::string amz_date(WallTime time) {
  const std::time_t unix_time = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&unix_time, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc)};
}

Signer::Signer(std::string region, std::string service)
    : region_(std::move(region)), service_(std::move(service)) {}

const Signer::Digest& Signer::signing_key(const Credentials& credentials, std::string_view date) {
  if (key_date_ == date && key_secret_ == credentials.secret_access_key) return key_;
  const std::string secret = "AWS4" + credentials.secret_access_key;
  const Digest date_key = hmac(as_bytes(secret), date);
  const Digest region_key = hmac(date_key, region_);
  const Digest service_key = hmac(region_key, service_);
  key_ = hmac(service_key, "aws4_request");
  key_secret_ = credentials.secret_access_key;
  key_date_ = date;
  return key_;
}

std::string Signer::authorization(const Request& request, const Credentials& credentials,
                                  WallTime time) {
  const std::string timestamp = amz_date(time);
  const std::string_view date = std::string_view(timestamp).substr(0, 8);

  std::string names;
  std::string canonical;
  canonical.reserve(1024);
  canonical.append(request.method).append("\n");
  canonical.append(canonical_path(request.path)).append("\n");
  canonical.append(request.query).append("\n");
  for (const Header& header : request.headers) {
    canonical.append(header.name).append(":").append(trimmed(header.value, " \t")).append("\n");
    if (!names.empty()) names += ';';
    names += header.name;
  }
  canonical.append("\n").append(names).append("\n").append(request.payload_sha256);

  std::string scope(date);
  scope.append("/").append(region_).append("/").append(service_).append("/aws4_request");

  std::string to_sign = "AWS4-HMAC-SHA256\n";
  to_sign.append(timestamp).append("\n").append(scope).append("\n");
  to_sign.append(sha256_hex(as_bytes(canonical)));

  const std::string signature = codec::hex(hmac(signing_key(credentials, date), to_sign));
  std::string value = "AWS4-HMAC-SHA256 Credential=";
  value.append(credentials.access_key_id).append("/").append(scope);
  value.append(", SignedHeaders=").append(names);
  value.append(", Signature=").append(signature);
  return value;
}

}  // namespace penstock::kinesis
