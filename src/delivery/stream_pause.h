// StreamPause: pauses a stream that takes nothing, and says so to the operator.
//
// Thread: the delivery thread's.
#pragma once

#include <random>
#include <string>

#include "delivery/alarm.h"
#include "delivery/put_port.h"
#include "delivery/refusal_search.h"
#include "delivery/sender_options.h"

namespace penstock::delivery {

class StreamPause {
 public:
  StreamPause(const SenderOptions& options, RefusalSearch& search, const Alarm& alarm,
              uint64_t seed)
      : options_(options), search_(search), alarm_(alarm), random_(seed) {}

  // Until RefusalSearch::paused_until(), when one request asks whether it still has to be.
  void begin(const PutResult& result);
  // Something was answered for each of its records.
  void end();
  // The service says that there is no such stream.
  [[nodiscard]] bool is_missing() const { return search_.is_paused() && is_missing_; }

 private:
  const SenderOptions& options_;
  RefusalSearch& search_;
  const Alarm& alarm_;
  std::mt19937_64 random_;
  bool is_missing_ = false;
};

}  // namespace penstock::delivery
