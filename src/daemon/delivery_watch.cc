#include "daemon/delivery_watch.h"

#include <algorithm>

namespace penstock::daemon {

using delivery::PutResult;
using delivery::Verdict;
using metrics::DeliveryTrouble;

DeliveryTrouble trouble_of(const PutResult& result) {
  const auto code_has = [&result](std::string_view text) {
    return result.code.find(text) != std::string::npos;
  };
  switch (result.verdict) {
    case Verdict::fault:
      // What the network did is a sentence, what the service says one word.
      return code_has(" ") && !code_has("answer of") ? DeliveryTrouble::unreachable
                                                     : DeliveryTrouble::service_fault;
    case Verdict::hold:
      return code_has("ResourceNotFound") || code_has("ResourceInUse")
                 ? DeliveryTrouble::not_found
                 : DeliveryTrouble::access_denied;
    case Verdict::credentials:
      return DeliveryTrouble::credentials;
    case Verdict::throttled:
      return DeliveryTrouble::throttled;
    case Verdict::refused:
      return DeliveryTrouble::request_rejected;
    case Verdict::answered:
    case Verdict::too_large:
    case Verdict::other_protocol:
      break;
  }
  return DeliveryTrouble::none;
}

void DeliveryWatch::set_endpoint(std::string endpoint) {
  const std::lock_guard lock(mutex_);
  status_.endpoint = std::move(endpoint);
}

void DeliveryWatch::set_shards(size_t count) {
  const std::lock_guard lock(mutex_);
  status_.shards = static_cast<uint32_t>(count);
}

void DeliveryWatch::note(const PutResult& result, WallTime wall, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  bool any_accepted = false;
  for (const PutResult::Entry& entry : result.entries) {
    if (entry.result == delivery::EntryResult::accepted) {
      any_accepted = true;
    } else if (entry.result == delivery::EntryResult::throttled &&
               entry.shard != PutResult::kNoShard && throttled_.size() < kShardsMax) {
      throttled_[entry.shard] = now;
    }
  }
  if (any_accepted) {
    status_.last_success = wall;
    status_.trouble = DeliveryTrouble::none;
    status_.failing_since.reset();
    status_.failures = 0;
    status_.error.clear();
    return;
  }
  const DeliveryTrouble trouble = trouble_of(result);
  if (trouble == DeliveryTrouble::none) return;
  status_.trouble = trouble;
  if (!status_.failing_since) status_.failing_since = wall;
  ++status_.failures;
  status_.error = status_.last_error = result.code;
  status_.last_error_at = wall;
}

metrics::DeliveryStatus DeliveryWatch::status(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  metrics::DeliveryStatus status = status_;
  for (const auto& [shard, when] : throttled_) {
    if (now - when <= kThrottledFor) status.shards_throttled.push_back(shard);
  }
  return status;
}

void WatchedPort::put(kinesis_format::Request request, Callback callback) {
  port_.put(std::move(request), [watch = watch_, callback = std::move(callback)](
                                    PutResult result, kinesis_format::Request back) {
    watch->note(result, Clock::system().wall(), Clock::system().steady());
    callback(std::move(result), std::move(back));
  });
}

}  // namespace penstock::daemon
