// How long to wait before the n-th try: full jitter below an exponential cap, as AWS's own clients
// do (AWS Architecture Blog, "Exponential Backoff And Jitter"). There is no last try. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace penstock::kinesis {

struct BackOff {
  milliseconds base;
  milliseconds cap;

  // attempt: 1 after the first failure. random: uniform, 64 bits.
  [[nodiscard]] milliseconds delay(uint32_t attempt, uint64_t random) const {
    const uint32_t doublings = std::min(attempt > 0 ? attempt - 1 : 0, 20u);
    const int64_t ceiling = std::min(base.count() << doublings, cap.count());
    // At least a quarter: a try that comes at once helps nobody.
    const int64_t floor = ceiling / 4;
    return milliseconds(floor +
                        static_cast<int64_t>(random % static_cast<uint64_t>(ceiling - floor + 1)));
  }
};

// Of records, and of requests that carry them.
inline constexpr BackOff kEntryBackOff{milliseconds(50), milliseconds(5'000)};
inline constexpr BackOff kThrottleBackOff{milliseconds(100), milliseconds(5'000)};
inline constexpr BackOff kFaultBackOff{milliseconds(100), milliseconds(20'000)};
// Of calls that ask about a stream. What only time or a person mends is not worth a quick try.
inline constexpr BackOff kCallBackOff{milliseconds(50), milliseconds(20'000)};
inline constexpr BackOff kThrottledCallBackOff{milliseconds(1'000), milliseconds(20'000)};
inline constexpr BackOff kSlowCallBackOff{milliseconds(5'000), milliseconds(60'000)};

// A stream that rejects everything is probed this often (contract: 30 to 60 s).
inline constexpr milliseconds kHoldMin{30'000};
inline constexpr milliseconds kHoldMax{60'000};

}  // namespace penstock::kinesis
