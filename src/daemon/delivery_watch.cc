#include "daemon/delivery_watch.h"

#include <algorithm>

#include "kinesis_format/md5.h"

namespace penstock::daemon {

using delivery::PutResult;
using kinesis::EntryOutcome;
using kinesis::PutError;
using metrics::DeliveryTrouble;

DeliveryTrouble trouble_of(const PutResult& result) {
  const auto code_has = [&result](std::string_view text) {
    return result.code.find(text) != std::string::npos;
  };
  switch (result.error) {
    case PutError::server_fault:
    case PutError::network:
    case PutError::unknown_outcome:
    case PutError::unknown_code:
      // What the network did is a sentence, what the service says one word.
      return code_has(" ") && !code_has("answer of") ? DeliveryTrouble::unreachable
                                                     : DeliveryTrouble::service_fault;
    case PutError::not_found:
      return DeliveryTrouble::not_found;
    case PutError::access_denied:
      return DeliveryTrouble::access_denied;
    case PutError::credentials:
    case PutError::clock_skew:
      return DeliveryTrouble::credentials;
    case PutError::throttled:
    case PutError::kms_throttled:
      return DeliveryTrouble::throttled;
    case PutError::invalid_argument:
    case PutError::serialization:
      return DeliveryTrouble::request_rejected;
    case PutError::none:
    case PutError::too_large:
    case PutError::unknown_operation:
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

void DeliveryWatch::set_keys_ignored(bool are_ignored, WallTime wall) {
  const std::lock_guard lock(mutex_);
  if (!are_ignored) {
    status_.keys_ignored_since.reset();
  } else if (!status_.keys_ignored_since) {
    status_.keys_ignored_since = wall;
  }
}

void DeliveryWatch::note(const PutResult& result, WallTime wall, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  bool any_accepted = false;
  for (const kinesis::EntryResult& entry : result.entries) {
    if (entry.outcome == EntryOutcome::accepted) {
      any_accepted = true;
    } else if (entry.outcome == EntryOutcome::throttled &&
               entry.shard != kinesis::kNoShard && throttled_.size() < kShardsMax) {
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

namespace {

// Hashing every key would take time; where the service chooses shards, a few soon show it.
constexpr size_t kPlacedPerAnswer = 4;

void tell_places(const PutResult& result, const kinesis_format::Request& request,
                 const WatchedPort::Placed& placed) {
  size_t told = 0;
  const size_t records = std::min(result.entries.size(), request.slots().size());
  for (size_t slot = 0; slot < records && told < kPlacedPerAnswer; ++slot) {
    const kinesis::EntryResult& entry = result.entries[slot];
    if (entry.outcome != EntryOutcome::accepted || entry.shard == kinesis::kNoShard) {
      continue;
    }
    const kinesis_format::RecordKey key = request.key(slot);
    placed(key.explicit_hash_key ? *key.explicit_hash_key
                                 : kinesis_format::hash_key_of(key.partition_key),
           entry.shard);
    ++told;
  }
}

}  // namespace

void WatchedPort::put(kinesis_format::Request request, Callback callback) {
  port_.put(std::move(request), [watch = watch_, placed = placed_, callback = std::move(callback)](
                                    PutResult result, kinesis_format::Request back) {
    watch->note(result, Clock::system().wall(), Clock::system().steady());
    tell_places(result, back, *placed);
    callback(std::move(result), std::move(back));
  });
}

}  // namespace penstock::daemon
