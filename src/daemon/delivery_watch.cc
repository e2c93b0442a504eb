#include "daemon/delivery_watch.h"

#include <algorithm>

#include "kinesis_format/md5.h"

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

namespace {

// Hashing every key would take time; where the service chooses shards, a few soon show it.
constexpr size_t kPlacedPerAnswer = 4;

void tell_places(const PutResult& result, const kinesis_format::Request& request,
                 const WatchedPort::Placed& placed) {
  size_t told = 0;
  const size_t records = std::min(result.entries.size(), request.slots().size());
  for (size_t slot = 0; slot < records && told < kPlacedPerAnswer; ++slot) {
    const PutResult::Entry& entry = result.entries[slot];
    if (entry.result != delivery::EntryResult::accepted || entry.shard == PutResult::kNoShard) {
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
