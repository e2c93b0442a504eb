// The values that the labels `reason` and `result` take, so that a scrape shows every series with a
// zero before its first event: an increase from nothing is invisible to Prometheus.
//
// tests/harness reads these lists: a process test that scrapes another value fails.
#pragma once

#include <span>
#include <string_view>

namespace penstock::metrics {

using Labels = std::span<const std::string_view>;

// Of penstock_messages_refused_total and penstock_auth_failures_total, by the type of the source.
[[nodiscard]] Labels refusal_reasons(std::string_view source_type);
[[nodiscard]] Labels auth_failure_reasons(std::string_view source_type);

[[nodiscard]] Labels dead_letter_reasons_of_streams();
[[nodiscard]] Labels dead_letter_reasons_without_stream();
[[nodiscard]] Labels drop_reasons();
[[nodiscard]] Labels admin_refusal_reasons();
[[nodiscard]] Labels put_request_results();
[[nodiscard]] Labels put_record_results();

}  // namespace penstock::metrics
