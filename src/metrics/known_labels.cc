#include "metrics/known_labels.h"

namespace penstock::metrics {
namespace {

using std::string_view;

constexpr string_view kForward[] = {
    "ack_timeout",       "acks_not_read",   "corrupt",
    "handshake_timeout", "internal",        "json_not_supported",
    "max_connections",   "message_timeout", "message_too_large",
    "metrics_or_traces", "not_msgpack",     "option_too_large",
    "tag_too_long",      "tls_handshake",   "tls_on_plain_port",
    "too_deep",          "too_large",       "too_many_events",
    "too_slow",          "truncated",       "unknown_compression",
    "window_too_large",  "wrong_shape",
};
constexpr string_view kHttp[] = {
    "ack_timeout",      "answer_timeout", "bad_request",     "content_encoding",
    "content_type",     "corrupt",        "draining",        "handshake_timeout",
    "head_too_large",   "internal",       "max_connections", "memory",
    "message_timeout",  "method",         "no_room",         "not_json",
    "not_otlp",         "path",           "spool_closed",    "tls_handshake",
    "token_review",     "too_large",      "too_slow",        "truncated",
    "window_too_large",
};
constexpr string_view kSyslog[] = {
    "handshake_timeout", "internal",  "max_connections", "message_timeout",
    "tls_handshake",     "too_large", "too_slow",        "truncated",
};
constexpr string_view kForwardAuth[] = {
    "bad_key", "bad_user", "no_handshake", "same_hostname", "tls_on_plain_port", "wrong_shape",
};
constexpr string_view kHttpAuth[] = {"missing_credentials", "service_account", "wrong_credentials"};

constexpr string_view kDeadOfStreams[] = {"no_data_key", "oversized", "refused"};
constexpr string_view kDeadWithoutStream[] = {"malformed", "no_route"};
constexpr string_view kDropped[] = {"damaged",  "malformed",    "no_data_key",
                                    "no_route", "not_selected", "oversized",
                                    "own_logs", "refused",      "spool_full"};
constexpr string_view kRequestResults[] = {"credentials", "fault",          "hold",
                                           "ok",          "other_protocol", "partial",
                                           "refused",     "throttled",      "too_large"};
constexpr string_view kRecordResults[] = {"accepted",       "credentials", "failed",
                                          "fault",          "hold",        "refused",
                                          "other_protocol", "throttled",   "too_large"};

}  // namespace

Labels refusal_reasons(string_view source_type) {
  if (source_type == "forward") return kForward;
  if (source_type == "http") return kHttp;
  if (source_type == "syslog") return kSyslog;
  return {};
}

Labels auth_failure_reasons(string_view source_type) {
  if (source_type == "forward") return kForwardAuth;
  if (source_type == "http") return kHttpAuth;
  return {};
}

Labels dead_letter_reasons_of_streams() { return kDeadOfStreams; }
Labels dead_letter_reasons_without_stream() { return kDeadWithoutStream; }
Labels drop_reasons() { return kDropped; }
Labels put_request_results() { return kRequestResults; }
Labels put_record_results() { return kRecordResults; }

}  // namespace penstock::metrics
