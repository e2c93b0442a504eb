// PutPort: one PutRecords (or PutRecordBatch) call as delivery sees it. The real one signs, sends
// and reads the answer (http_put_port.h); tests bring a scripted one.
//
// Thread: the delivery thread's, callbacks too.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kinesis/put_records.h"
#include "kinesis_format/request_builder.h"

namespace penstock::delivery {

struct PutResult {
  // unknown_operation: the service does not understand the protocol of the request.
  kinesis::PutError error = kinesis::PutError::server_fault;
  std::vector<kinesis::EntryResult> entries;  // with none: one for each record, in order
  std::string code;                           // the service's, or what the network did; for people
  milliseconds retry_after{0};                // the service's own hint
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
