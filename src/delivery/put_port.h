// PutPort: one PutRecords (or PutRecordBatch) call as the sender sees it. The real one signs, sends
// and reads the answer (http_put_port.h); tests bring a scripted one.
//
// Thread: the delivery thread's, callbacks too.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kinesis_format/request_builder.h"

namespace penstock::delivery {

// What a call came to as a whole (kinesis-data-streams API reference, PutRecords; the table stands
// in doc/delivery.md).
enum class Verdict : uint8_t {
  answered,        // 200: each entry tells for itself
  throttled,       // the whole request; again after a pause
  fault,           // 5xx, network, a lost answer: again after a pause
  credentials,     // expired, invalid, or our clock is off; the port has set about mending it
  refused,         // a bad record or parameter: look for it by halves
  too_large,       // the request: halve it
  other_protocol,  // the service does not speak CBOR: again as JSON
  hold,            // no such stream, no permission, no key: everything waits, slowly asked again
};
[[nodiscard]] const char* to_string(Verdict verdict);

enum class EntryResult : uint8_t { accepted, throttled, failed };

struct PutResult {
  static constexpr uint32_t kNoShard = ~0u;
  struct Entry {
    EntryResult result = EntryResult::accepted;
    uint32_t shard = kNoShard;  // number in the shard's id, where the answer names it
  };

  Verdict verdict = Verdict::fault;
  std::vector<Entry> entries;   // with answered: one for each record, in order
  std::string code;             // the service's error code, or what the network did; for people
  milliseconds retry_after{0};  // the service's own hint
  // No answer came, yet all of the request was written: its records may have been accepted, and
  // sending them again may double them.
  bool outcome_unknown = false;
  nanoseconds took{};
};

class PutPort {
 public:
  // Called exactly once, never inside put(), with the request given back.
  using Callback = std::function<void(PutResult, kinesis_format::Request)>;

  virtual ~PutPort() = default;
  virtual void put(kinesis_format::Request request, Callback callback) = 0;
};

}  // namespace penstock::delivery
