#include "kinesis/sigv4.h"

#include <gmock/gmock.h>

#include <vector>

namespace penstock::kinesis {
namespace {

using ::testing::EndsWith;

// 2015-08-30T12:36:00Z, the moment of the published test suite.
const WallTime kSuiteTime{seconds(1440938160)};
const char kJsonBody[] =
    R"({"StreamName":"logs","Records":[{"Data":"eyJtIjoib25lIn0K","PartitionKey":"a"}]})";
const uint8_t kCborBody[] = {
    0xa2, 0x6a, 0x53, 0x74, 0x72, 0x65, 0x61, 0x6d, 0x4e, 0x61, 0x6d, 0x65, 0x64, 0x6c, 0x6f,
    0x67, 0x73, 0x67, 0x52, 0x65, 0x63, 0x6f, 0x72, 0x64, 0x73, 0x81, 0xa2, 0x64, 0x44, 0x61,
    0x74, 0x61, 0x4c, 0x7b, 0x22, 0x6d, 0x22, 0x3a, 0x22, 0x6f, 0x6e, 0x65, 0x22, 0x7d, 0x0a,
    0x6c, 0x50, 0x61, 0x72, 0x74, 0x69, 0x74, 0x69, 0x6f, 0x6e, 0x4b, 0x65, 0x79, 0x61, 0x61};

Credentials suite_credentials() {
  Credentials credentials;
  credentials.access_key_id = "AKIDEXAMPLE";
  credentials.secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  return credentials;
}

std::string sign(Signer& signer, ByteView body, std::string_view content_type,
                 const Credentials& credentials, WallTime time = kSuiteTime) {
  const std::string date = amz_date(time);
  std::vector<Signer::Header> headers = {{"content-type", content_type},
                                         {"host", "kinesis.us-east-1.amazonaws.com"},
                                         {"x-amz-date", date}};
  if (!credentials.session_token.empty()) {
    headers.push_back({"x-amz-security-token", credentials.session_token});
  }
  headers.push_back({"x-amz-target", "Kinesis_20131202.PutRecords"});
  const std::string digest = sha256_hex(body);
  return signer.authorization({.headers = headers, .payload_sha256 = digest}, credentials, time);
}

TEST(Sigv4, BodiesHashAsPublished) {
  EXPECT_EQ(sha256_hex(as_bytes(kJsonBody)),
            "fb82252fbbd322b1ed3059eb2e3484e765826e140c0ec6c9d69fce5b72d79b04");
  EXPECT_EQ(sha256_hex(kCborBody),
            "d7fbefa2c59ec4220f758b05a25e0a642b2ca904735bcc604ef8eb22638397df");
}

TEST(Sigv4, DateIsBasicIso8601InUtc) { EXPECT_EQ(amz_date(kSuiteTime), "20150830T123600Z"); }

TEST(Sigv4, JsonRequestSignsAsTheReferenceSigner) {
  Signer signer("us-east-1", "kinesis");
  EXPECT_EQ(sign(signer, as_bytes(kJsonBody), "application/x-amz-json-1.1", suite_credentials()),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/kinesis/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
            "Signature=6c2571ef05b033f54dacb044d32e2d3e9c2a8bdf8e345a8c98eae99b03b0fd3f");
}

TEST(Sigv4, SessionTokenIsSigned) {
  Signer signer("us-east-1", "kinesis");
  Credentials credentials = suite_credentials();
  credentials.session_token = "AQoDYXdzEXAMPLETOKEN";
  EXPECT_THAT(sign(signer, as_bytes(kJsonBody), "application/x-amz-json-1.1", credentials),
              EndsWith("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;"
                       "x-amz-target, Signature="
                       "d8350253f7aba9e1778f09fcb5b99c0f9a269e41d6e50c25e021233065116871"));
}

TEST(Sigv4, CborRequestSignsAsTheReferenceSigner) {
  Signer signer("us-east-1", "kinesis");
  EXPECT_THAT(sign(signer, kCborBody, "application/x-amz-cbor-1.1", suite_credentials()),
              EndsWith("Signature="
                       "d47aee913c29183387ba38d386d57304194f0e8740d7cf45a55f27e8f4543091"));
}

TEST(Sigv4, CachedKeyFollowsSecretAndDay) {
  Signer reused("us-east-1", "kinesis");
  const ByteView body = as_bytes(kJsonBody);
  const char* type = "application/x-amz-json-1.1";
  Credentials other = suite_credentials();
  other.secret_access_key = "another";
  for (const Credentials& credentials : {suite_credentials(), other}) {
    for (const WallTime time : {kSuiteTime, kSuiteTime + std::chrono::hours(24)}) {
      Signer fresh("us-east-1", "kinesis");
      EXPECT_EQ(sign(reused, body, type, credentials, time),
                sign(fresh, body, type, credentials, time));
    }
  }
  EXPECT_NE(sign(reused, body, type, suite_credentials()), sign(reused, body, type, other));
}

}  // namespace
}  // namespace penstock::kinesis
