#include "kinesis/request_signer.h"

#include <gmock/gmock.h>

#include "kinesis/clock_offset.h"

namespace penstock::kinesis {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

TEST(RequestSigner, HeadersAreThoseThatWereSigned) {
  EndpointOptions options;
  options.region = "us-east-1";
  RequestSigner signer(*resolve_endpoint(options));
  Credentials credentials;
  credentials.access_key_id = "AKIDEXAMPLE";
  credentials.secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  credentials.session_token = "AQoDYXdzEXAMPLETOKEN";
  const net::HttpRequest request = signer.sign(
      {.content_type = kJsonContentType,
       .target = "Kinesis_20131202.PutRecords",
       .body = as_bytes(
           R"({"StreamName":"logs","Records":[{"Data":"eyJtIjoib25lIn0K","PartitionKey":"a"}]})")},
      credentials, WallTime(seconds(1440938160)));
  EXPECT_EQ(request.url, "https://kinesis.us-east-1.amazonaws.com");
  EXPECT_THAT(
      request.headers,
      ElementsAre("content-type: application/x-amz-json-1.1",
                  "host: kinesis.us-east-1.amazonaws.com", "x-amz-date: 20150830T123600Z",
                  "x-amz-security-token: AQoDYXdzEXAMPLETOKEN",
                  "x-amz-target: Kinesis_20131202.PutRecords",
                  "Authorization: AWS4-HMAC-SHA256 "
                  "Credential=AKIDEXAMPLE/20150830/us-east-1/kinesis/aws4_request, "
                  "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                  "Signature=d8350253f7aba9e1778f09fcb5b99c0f9a269e41d6e50c25e021233065116871"));
}

TEST(ClockOffset, LearnsOnlyWhatMatters) {
  ClockOffset offset;
  const WallTime ours{seconds(1'000'000)};
  EXPECT_FALSE(offset.learn(ours + seconds(20), ours));
  EXPECT_EQ(offset.correct(ours), ours);
  EXPECT_TRUE(offset.learn(ours + seconds(700), ours));
  EXPECT_EQ(offset.correct(ours), ours + seconds(700));
  EXPECT_FALSE(offset.learn(ours + seconds(701), ours));
  EXPECT_TRUE(offset.learn(ours, ours));  // somebody has set our clock
  EXPECT_EQ(offset.correct(ours), ours);
}

}  // namespace
}  // namespace penstock::kinesis
