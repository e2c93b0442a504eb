#include "metrics/known_labels.h"

namespace penstock::metrics {
namespace {

using std::string_view;

constexpr string_view kForward[] = {
    "ack_timeout",
    "acks_not_read",
    "corrupt",
    "handshake_timeout",
    "http_on_this_port",
    "internal",
    "json_not_supported",
    "malformed_too_large",
    "max_connections",
    "message_timeout",
    "message_too_large",
    "metrics_or_traces",
    "no_room",
    "not_msgpack",
    "option_too_large",
    "proxy_protocol",
    "tag_too_long",
    "tls_handshake",
    "tls_on_plain_port",
    "too_deep",
    "too_large",
    "too_many_events",
    "too_slow",
    "truncated",
    "unknown_compression",
    "window_too_large",
    "wrong_shape",
};
constexpr string_view kHttp[] = {
    "ack_timeout",
    "answer_timeout",
    "bad_request",
    "content_encoding",
    "content_type",
    "corrupt",
    "draining",
    "handshake_timeout",
    "head_too_large",
    "http_on_this_port",
    "internal",
    "max_connections",
    "memory",
    "message_timeout",
    "method",
    "no_length",
    "no_log_records",
    "no_room",
    "not_json",
    "not_msgpack",
    "not_otlp",
    "other_signal",
    "path",
    "proxy_protocol",
    "spool_closed",
    "tls_handshake",
    "tls_on_plain_port",
    "token_review",
    "too_large",
    "too_many_events",
    "too_slow",
    "truncated",
    "window_too_large",
};
constexpr string_view kSyslog[] = {
    "handshake_timeout", "http_on_this_port", "internal",    "max_connections",
    "message_timeout",   "no_room",           "out_of_step", "proxy_protocol",
    "tls_handshake",     "tls_on_plain_port", "too_large",   "too_slow",
    "truncated",         "udp_overflow",
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
constexpr string_view kAdmin[] = {"missing_credentials", "service_account", "tls_handshake",
                                  "token_review", "wrong_credentials"};
constexpr string_view kRequestResults[] = {
    "access_denied", "clock_skew",    "credentials",       "invalid_argument",
    "kms_throttled", "network",       "not_found",         "ok",
    "partial",       "serialization", "server_fault",      "throttled",
    "too_large",     "unknown_code",  "unknown_operation", "unknown_outcome",
};
constexpr string_view kRecordResults[] = {
    "accepted",  "access_denied",    "clock_skew",        "credentials",
    "failed",    "invalid_argument", "kms_throttled",     "network",
    "not_found", "serialization",    "server_fault",      "throttled",
    "too_large", "unknown_code",     "unknown_operation", "unknown_outcome",
};

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
Labels admin_refusal_reasons() { return kAdmin; }
Labels put_request_results() { return kRequestResults; }
Labels put_record_results() { return kRecordResults; }

}  // namespace penstock::metrics
