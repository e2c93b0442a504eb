#include "kinesis/error_code.h"

#include <algorithm>
#include <array>
#include <utility>

namespace penstock::kinesis {
namespace {

// Sources: Kinesis Data Streams API reference (PutRecords, Common Errors), Firehose API reference
// (PutRecordBatch), and the throttle and transient codes that the AWS SDKs share.
constexpr std::pair<std::string_view, PutError> kCodes[] = {
    {"ProvisionedThroughputExceededException", PutError::throttled},
    {"Throttling", PutError::throttled},
    {"ThrottlingException", PutError::throttled},
    {"ThrottledException", PutError::throttled},
    {"RequestThrottledException", PutError::throttled},
    {"RequestThrottled", PutError::throttled},
    {"TooManyRequestsException", PutError::throttled},
    {"RequestLimitExceeded", PutError::throttled},
    {"BandwidthLimitExceeded", PutError::throttled},
    {"LimitExceededException", PutError::throttled},
    {"SlowDown", PutError::throttled},
    {"PriorRequestNotComplete", PutError::throttled},
    {"TransactionInProgressException", PutError::throttled},
    {"KMSThrottlingException", PutError::kms_throttled},
    {"InternalFailure", PutError::server_fault},
    {"InternalFailureException", PutError::server_fault},
    {"InternalServerError", PutError::server_fault},
    {"InternalServiceError", PutError::server_fault},
    {"ServiceUnavailable", PutError::server_fault},
    {"ServiceUnavailableException", PutError::server_fault},
    {"RequestTimeout", PutError::server_fault},
    {"RequestTimeoutException", PutError::server_fault},
    {"ResourceNotFoundException", PutError::not_found},
    {"ResourceInUseException", PutError::not_found},
    {"AccessDeniedException", PutError::access_denied},
    {"AccessDenied", PutError::access_denied},
    {"OptInRequired", PutError::access_denied},
    {"KMSAccessDeniedException", PutError::access_denied},
    {"KMSDisabledException", PutError::access_denied},
    {"KMSInvalidStateException", PutError::access_denied},
    {"KMSNotFoundException", PutError::access_denied},
    {"KMSOptInRequired", PutError::access_denied},
    {"InvalidKMSResourceException", PutError::access_denied},
    {"UnrecognizedClientException", PutError::credentials},
    {"InvalidClientTokenId", PutError::credentials},
    {"ExpiredTokenException", PutError::credentials},
    {"ExpiredToken", PutError::credentials},
    {"InvalidSignatureException", PutError::credentials},
    {"SignatureDoesNotMatch", PutError::credentials},
    {"IncompleteSignature", PutError::credentials},
    {"IncompleteSignatureException", PutError::credentials},
    {"MissingAuthenticationToken", PutError::credentials},
    {"MissingAuthenticationTokenException", PutError::credentials},
    {"InvalidAccessKeyId", PutError::credentials},
    {"RequestExpired", PutError::clock_skew},
    {"RequestInTheFuture", PutError::clock_skew},
    {"RequestTimeTooSkewed", PutError::clock_skew},
    {"InvalidArgumentException", PutError::invalid_argument},
    {"ValidationException", PutError::invalid_argument},
    {"ValidationError", PutError::invalid_argument},
    {"SerializationException", PutError::serialization},
    {"RequestEntityTooLarge", PutError::too_large},
    {"RequestEntityTooLargeException", PutError::too_large},
    {"UnknownOperationException", PutError::unknown_operation},
    {"UnknownOperation", PutError::unknown_operation},
    {"InvalidAction", PutError::unknown_operation},
    {"UnsupportedMediaType", PutError::unknown_operation},
};

PutError by_status(int status) {
  switch (status) {
    case 401:
      return PutError::credentials;
    case 403:  // a policy of an endpoint, a proxy or a firewall
      return PutError::access_denied;
    case 408:
      return PutError::server_fault;
    case 413:
      return PutError::too_large;
    case 429:
      return PutError::throttled;
    default:
      return status >= 500 ? PutError::server_fault : PutError::unknown_code;
  }
}

bool speaks_of_the_clock(std::string_view message) {
  return message.find("Signature expired") != std::string_view::npos ||
         message.find("not yet current") != std::string_view::npos;
}

std::string between(std::string_view text, std::string_view open, std::string_view close) {
  const size_t start = text.find(open);
  if (start == std::string_view::npos) return {};
  const size_t from = start + open.size();
  const size_t end = text.find(close, from);
  if (end == std::string_view::npos) return {};
  return std::string(text.substr(from, std::min<size_t>(end - from, 512)));
}

}  // namespace

std::string_view bare_error_code(std::string_view code) {
  if (const size_t colon = code.find(':'); colon != std::string_view::npos) {
    code = code.substr(0, colon);
  }
  if (const size_t hash = code.rfind('#'); hash != std::string_view::npos) {
    code = code.substr(hash + 1);
  }
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  const auto* end = std::find_if_not(code.begin(), code.end(), is_part);
  return code.substr(0, std::min<size_t>(static_cast<size_t>(end - code.begin()), 128));
}

PutError classify_error(std::string_view code, int status, std::string_view message) {
  const auto known = std::find_if(std::begin(kCodes), std::end(kCodes),
                                  [code](const auto& row) { return row.first == code; });
  if (known == std::end(kCodes)) return by_status(status);
  if (known->second == PutError::credentials && speaks_of_the_clock(message)) {
    return PutError::clock_skew;
  }
  return known->second;
}

XmlError read_xml_error(ByteView body) {
  const std::string_view text = as_text(body.subspan(0, std::min<size_t>(body.size(), 64 << 10)));
  XmlError error{between(text, "<Code>", "</Code>"), between(text, "<Message>", "</Message>")};
  if (!error.code.empty()) return error;
  size_t start = 0;
  while ((start = text.find('<', start)) != std::string_view::npos) {
    ++start;
    const size_t end = text.find_first_of(" />", start);
    if (end == std::string_view::npos) break;
    const std::string_view name = text.substr(start, end - start);
    if (name.starts_with('?') || name.starts_with('!')) continue;
    if (name.ends_with("Exception") && name.size() <= 128) error.code = name;
    break;
  }
  return error;
}

std::string message_for_log(std::string_view message) {
  std::string text;
  bool quoted = false;
  for (const char c : message) {
    if (text.size() >= 256) break;
    if (c == '\'') {
      quoted = !quoted;
      if (!quoted) text += "…";
      text += c;
    } else if (!quoted) {
      text += c >= 0x20 && c < 0x7f ? c : ' ';
    }
  }
  return text;
}

}  // namespace penstock::kinesis
