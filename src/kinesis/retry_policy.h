// RetryPolicy: what to do about a request that failed as a whole, or an entry that failed alone.
// There is no last try: what cannot be mended is held and asked again every 30 to 60 seconds.
//
// Pure. Thread: any.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "kinesis/put_records.h"

namespace penstock::kinesis {

enum class Remedy : uint8_t {
  resend,               // the same again, after the wait
  refresh_credentials,  // force one refresh, then again
  correct_clock,        // take PutAnswer::server_time, then again
  use_json,             // the service does not speak CBOR (here): again as JSON
  bisect,               // again in two halves
  refused_alone,        // one record, refused: the sender judges (wait: when the stream is held)
  hold,                 // operator's work: nothing of this stream until the wait is over
};

struct Retry {
  Remedy remedy = Remedy::resend;
  milliseconds wait{0};
  bool alert = false;  // somebody should know
};

struct FailedRequest {
  PutError error = PutError::none;
  uint32_t tries = 1;  // how many times in a row it failed this way
  size_t record_count = 1;
  bool is_cbor = false;
  int64_t retry_after_ms = -1;  // the service's hint; -1: none
};

// random: uniform, 64 bits.
[[nodiscard]] Retry retry_request(const FailedRequest& failed, uint64_t random);

// How long a failed entry of an answered request waits, over and above its shard's pace.
[[nodiscard]] milliseconds retry_entry(EntryOutcome outcome, uint32_t tries, uint64_t random);

}  // namespace penstock::kinesis
