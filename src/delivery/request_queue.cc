#include "delivery/request_queue.h"

#include <algorithm>

#include "base/check.h"
#include "delivery/bucket.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {

void RequestQueue::sent(const RequestAttempt& attempt) {
  ++in_flight_;
  ++numbers_in_flight_[attempt.number];
  if (!attempt.is_probe) return;
  CHECK(!probe_in_flight_);
  probe_in_flight_ = true;
}

void RequestQueue::answered(const RequestAttempt& attempt) {
  const auto number = numbers_in_flight_.find(attempt.number);
  CHECK(number != numbers_in_flight_.end());
  if (--number->second == 0) numbers_in_flight_.erase(number);
  --in_flight_;
  if (attempt.is_probe) probe_in_flight_ = false;
}

void RequestQueue::add(RequestAttempt attempt) {
  (attempt.is_probe ? probes_ : again_).push_front(std::move(attempt));
}

std::optional<RequestAttempt> RequestQueue::take_due(SteadyTime now) {
  std::optional<RequestAttempt> due;
  const auto found = std::find_if(again_.begin(), again_.end(),
                                  [now](const auto& attempt) { return attempt.due <= now; });
  if (found != again_.end()) {
    due = std::move(*found);
    again_.erase(found);
  } else if (!probe_in_flight_ && !probes_.empty() && probes_.front().due <= now) {
    due = std::move(probes_.front());
    probes_.pop_front();
  }
  return due;
}

std::vector<RequestAttempt> RequestQueue::take_probes_if(
    const std::function<bool(const RequestAttempt&)>& wanted) {
  std::vector<RequestAttempt> taken;
  std::deque<RequestAttempt> left;
  for (RequestAttempt& probe : probes_) {
    if (wanted(probe)) {
      taken.push_back(std::move(probe));
    } else {
      left.push_back(std::move(probe));
    }
  }
  probes_ = std::move(left);
  return taken;
}

SteadyTime RequestQueue::next_due() const {
  SteadyTime next = SteadyTime::max();
  for (const RequestAttempt& attempt : again_) next = std::min(next, attempt.due);
  if (!probe_in_flight_ && !probes_.empty()) next = std::min(next, probes_.front().due);
  return next;
}

void RequestQueue::make_due(SteadyTime when) {
  for (RequestAttempt& attempt : again_) attempt.due = std::min(attempt.due, when);
  for (RequestAttempt& probe : probes_) probe.due = std::min(probe.due, when);
}

uint64_t RequestQueue::oldest_open(const spool::BucketSet& buckets) const {
  // Of one record it is known.
  const auto is_elsewhere = [&](const kinesis_format::RecordKey& key) {
    return !key.explicit_hash_key &&
           !buckets.test(bucket_of(kinesis_format::hash_key_of(key.partition_key)));
  };
  uint64_t oldest = ~uint64_t{0};
  for (const QueuedRecord& suspect : suspects_) {
    if (!is_elsewhere(suspect.key())) return 0;
  }
  if (!numbers_in_flight_.empty()) oldest = numbers_in_flight_.begin()->first;
  for (const RequestAttempt& attempt : again_) oldest = std::min(oldest, attempt.number);
  for (const RequestAttempt& probe : probes_) {
    const bool is_one = probe.request.slots().size() == 1;
    if (is_one && is_elsewhere(probe.request.key(0))) continue;
    oldest = std::min(oldest, probe.number);
  }
  return oldest;
}

}  // namespace penstock::delivery
