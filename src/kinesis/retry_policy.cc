#include "kinesis/retry_policy.h"

#include <algorithm>

namespace penstock::kinesis {
namespace {

// Bases and the cap of 20 s are those of the AWS SDKs' standard mode (2026 rules).
constexpr milliseconds kTransientBase{50};
constexpr milliseconds kThrottleBase{1'000};
constexpr milliseconds kCap{20'000};
// What only time or a person mends is not worth a quick try.
constexpr milliseconds kSlowBase{5'000};
constexpr milliseconds kSlowCap{60'000};
constexpr milliseconds kHoldMin{30'000};
constexpr milliseconds kHoldMax{60'000};
// The hint may lengthen a wait by this much, and never shortens it.
constexpr milliseconds kHintMax{5'000};

milliseconds between(milliseconds least, milliseconds most, uint64_t random) {
  const auto span = static_cast<uint64_t>((most - least).count()) + 1;
  return least + milliseconds(random % span);
}

// Full jitter below an exponential cap.
milliseconds back_off(milliseconds base, milliseconds cap, uint32_t tries, uint64_t random) {
  const uint32_t doublings = std::min<uint32_t>(tries > 0 ? tries - 1 : 0, 16);
  const milliseconds ceiling = std::min(cap, base * (1 << doublings));
  return between(milliseconds(1), ceiling, random);
}

milliseconds with_hint(milliseconds wait, int64_t hint_ms) {
  return hint_ms < 0 ? wait : std::clamp(milliseconds(hint_ms), wait, wait + kHintMax);
}

Retry hold(uint64_t random) { return {Remedy::hold, between(kHoldMin, kHoldMax, random), true}; }

Retry refused(const FailedRequest& failed, uint64_t random) {
  if (failed.record_count > 1) return {Remedy::bisect, milliseconds(0), false};
  return {Remedy::refused_alone, between(kHoldMin, kHoldMax, random), true};
}

}  // namespace

Retry retry_request(const FailedRequest& failed, uint64_t random) {
  const auto again = [&](milliseconds base, milliseconds cap, bool alert) {
    const milliseconds wait = back_off(base, cap, failed.tries, random);
    return Retry{Remedy::resend, with_hint(wait, failed.retry_after_ms), alert};
  };
  switch (failed.error) {
    case PutError::none:
      return {};
    case PutError::throttled:
      return again(kThrottleBase, kCap, false);
    case PutError::kms_throttled:
      return again(kSlowBase, kSlowCap, true);
    case PutError::server_fault:
    case PutError::network:
    case PutError::unknown_outcome:
      return again(kTransientBase, kCap, false);
    case PutError::unknown_code:
      return again(kSlowBase, kSlowCap, true);
    case PutError::not_found:
    case PutError::access_denied:
      return hold(random);
    case PutError::credentials:
      if (failed.tries <= 1) return {Remedy::refresh_credentials, milliseconds(0), false};
      return hold(random);
    case PutError::clock_skew:
      if (failed.tries <= 1) return {Remedy::correct_clock, milliseconds(0), false};
      return hold(random);
    case PutError::serialization:
      if (failed.is_cbor) return {Remedy::use_json, milliseconds(0), false};
      return refused(failed, random);
    case PutError::invalid_argument:
    case PutError::too_large:
      return refused(failed, random);
    case PutError::unknown_operation:
      if (failed.is_cbor) return {Remedy::use_json, milliseconds(0), false};
      return hold(random);
  }
  return hold(random);
}

milliseconds retry_entry(EntryOutcome outcome, uint32_t tries, uint64_t random) {
  switch (outcome) {
    case EntryOutcome::accepted:
      return milliseconds(0);
    case EntryOutcome::unknown_code:
      return back_off(kSlowBase, kSlowCap, tries, random);
    case EntryOutcome::throttled:
    case EntryOutcome::internal_failure:
    case EntryOutcome::unknown:
      // A throttled shard is held back by its pace already.
      return back_off(kTransientBase, milliseconds(5'000), tries, random);
  }
  return kSlowBase;
}

}  // namespace penstock::kinesis
