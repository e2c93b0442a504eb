// Any bytes as what hands out credentials: JSON documents, answers of STS, expirations.
#include "kinesis/credentials/credential_document.h"

#include "base/bytes.h"
#include "base/check.h"
#include "kinesis/credentials/sts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;  // NOLINT(google-build-using-namespace)
  const std::string_view text = as_text(ByteView(data, size));
  if (const auto keys = kinesis::parse_credential_document(text, "x")) CHECK(!keys->empty());
  if (const auto keys = kinesis::parse_sts_answer(text, "x")) {
    CHECK(!keys->empty() && keys->expiry.has_value());
  }
  if (const auto expiry = kinesis::parse_expiration(text, "x")) {
    CHECK(*expiry >= WallTime() && *expiry < WallTime(seconds(7'300'000'000)));
  }
  return 0;
}
