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

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Takes the zone off the end of a time and returns it as RFC 3339 writes it; none is UTC.
std::string take_zone(std::string_view& time) {
  for (const std::string_view name : {"Z", "z", "UTC", "GMT"}) {
    if (!time.ends_with(name)) continue;
    time = without_blanks(time.substr(0, time.size() - name.size()));
    return "Z";
  }
  const size_t sign = time.find_last_of("+-");
  // The last '-' of a bare date is none.
  if (sign == std::string_view::npos || time.find(':') == std::string_view::npos ||
      sign < time.find(':')) {
    return "Z";
  }
  const std::string_view zone = time.substr(sign);
  std::string digits;
  for (const char c : zone.substr(1)) {
    if (c != ':') digits += c;
  }
  if (digits.size() == 2) digits += "00";
  if (digits.size() != 4 || !is_digits(digits)) return std::string(zone);
  time = without_blanks(time.substr(0, sign));
  return zone[0] + digits.substr(0, 2) + ":" + digits.substr(2);
}

// ISO 8601 as the programs behind credential_process and boto3 write it, as RFC 3339: a blank
// instead of the T, no colons or dashes, no seconds, a zone as UTC, +0000 or not at all (which
// is UTC). What is none of these comes back as it is.
std::string as_rfc3339(std::string_view text) {
  std::string_view rest = without_blanks(text);
  const bool has_basic_time = rest.size() > 9 && rest[8] == 'T' && is_digits(rest.substr(0, 8));
  std::string expanded;
  if (has_basic_time && rest.size() >= 15 && is_digits(rest.substr(9, 6))) {  // 20300102T030405Z
    expanded = std::string(rest.substr(0, 4)) + "-" + std::string(rest.substr(4, 2)) + "-" +
               std::string(rest.substr(6, 2)) + "T" + std::string(rest.substr(9, 2)) + ":" +
               std::string(rest.substr(11, 2)) + ":" + std::string(rest.substr(13));
    rest = expanded;
  }
  std::string_view time = rest;
  const std::string zone = take_zone(time);
  std::string out(time);
  if (out.size() == 10) out += "T00:00:00";
  if (out.size() == 16) out += ":00";
  if (out.size() > 10 && out[10] == ' ') out[10] = 'T';
  return out + zone;
}

}  // namespace

Result<WallTime, Error> parse_expiration(std::string_view text, std::string_view who) {
  const auto time = codec::parse_rfc3339(as_rfc3339(text));
  if (!time) return run_error(std::string(who) + " returned an expiration that is not a time");
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
    return run_error(std::string(who) + " returned no keys" +
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
