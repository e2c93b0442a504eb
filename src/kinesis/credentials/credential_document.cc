#include "kinesis/credentials/credential_document.h"

#include <simdjson.h>

#include <algorithm>

#include "codec/rfc3339.h"

namespace penstock::kinesis {
namespace {

// WallTime counts nanoseconds, which end in 2262; some agents say the year 9999 for "never".
constexpr int64_t kFarthest = 7'258'118'400;  // 2200-01-01

std::string text_of(const simdjson::dom::element& document, const char* key) {
  std::string_view text;
  return document[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

}  // namespace

Result<WallTime, Error> parse_expiration(std::string_view text, std::string_view who) {
  const auto time = codec::parse_rfc3339(text);
  if (!time) return run_error(std::string(who) + " named an expiration that is no time");
  return WallTime(seconds(std::clamp<int64_t>(time->seconds, 0, kFarthest)));
}

Result<Credentials, Error> parse_credential_document(std::string_view json, std::string_view who) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (parser.parse(json.data(), json.size()).get(document) != simdjson::SUCCESS ||
      !document.is_object()) {
    return run_error(std::string(who) + " did not answer with a JSON object");
  }
  Credentials found;
  found.access_key_id = text_of(document, "AccessKeyId");
  found.secret_access_key = text_of(document, "SecretAccessKey");
  found.session_token = text_of(document, "Token");
  if (found.session_token.empty()) found.session_token = text_of(document, "SessionToken");
  found.account_id = text_of(document, "AccountId");
  if (found.empty()) {
    const std::string code = text_of(document, "Code").substr(0, 64);
    return run_error(std::string(who) + " handed out no keys" +
                     (code.empty() || code == "Success" ? "" : " (" + code + ")"));
  }
  const std::string expiration = text_of(document, "Expiration");
  if (!expiration.empty()) {
    const auto expiry = parse_expiration(expiration, who);
    if (!expiry) return failure(expiry.error());
    found.expiry = *expiry;
  }
  return found;
}

}  // namespace penstock::kinesis
