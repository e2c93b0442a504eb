// RequestQueue: the requests that were sent and are not answered, and whole requests that are to be
// sent again. The probes of the search for a rejected record are sent one at a time, in their
// order.
//
// Invariants, checked here: a request is answered once; at most one probe is in flight.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "delivery/records.h"
#include "spool/overflow_origin.h"

namespace penstock::delivery {

class RequestQueue {
 public:
  explicit RequestQueue(uint32_t in_flight_max) { set_in_flight_max(in_flight_max); }

  // ---- in flight

  void sent(const RequestAttempt& attempt);
  void answered(const RequestAttempt& attempt);
  [[nodiscard]] uint32_t in_flight() const { return in_flight_; }
  // In flight, or to be sent again.
  [[nodiscard]] bool has_any() const { return has_any_to_send() || !suspects_.empty(); }
  // Under way, or going by itself when its time has come.
  [[nodiscard]] bool has_any_to_send() const {
    return in_flight_ > 0 || !again_.empty() || !probes_.empty();
  }
  [[nodiscard]] bool has_slot() const { return in_flight_ < allowed_; }
  void set_in_flight_max(uint32_t max) { allowed_ = max_ = max; }
  // Fewer at a time after a throttled request, more again with each that is answered.
  void slow_down() { allowed_ = allowed_ > 1 ? allowed_ / 2 : 1; }
  void speed_up() { allowed_ = allowed_ < max_ ? allowed_ + 1 : max_; }

  // ---- to be sent again

  // It is sent when it is due, before others of its kind.
  void add(RequestAttempt attempt);
  // A probe behind all others: so the larger parts of a rejected request are asked about first.
  void add_last(RequestAttempt probe) { probes_.push_back(std::move(probe)); }
  [[nodiscard]] std::optional<RequestAttempt> take_due(SteadyTime now);
  // When take_due() has the next request, if nothing but time is missing.
  [[nodiscard]] SteadyTime next_due() const;
  void make_due(SteadyTime when);

  // Takes the waiting probes for which `wanted` holds.
  [[nodiscard]] std::vector<RequestAttempt> take_probes_if(
      const std::function<bool(const RequestAttempt&)>& wanted);
  [[nodiscard]] bool has_open_probes() const { return !probes_.empty() || probe_in_flight_; }
  // Records that were rejected alone, until it is known whether it was the stream.
  void add_suspect(QueuedRecord record) { suspects_.push_back(std::move(record)); }
  // Nothing else is in flight or waits to be sent again.
  [[nodiscard]] bool has_only_suspects() const { return !suspects_.empty() && !has_any_to_send(); }
  [[nodiscard]] std::vector<QueuedRecord> take_suspects() { return std::exchange(suspects_, {}); }

  // The smallest number of a request that may bring back a record of these hash-key buckets; ~0:
  // there is none. A suspect's is 0.
  [[nodiscard]] uint64_t oldest_open(const spool::BucketSet& buckets) const;

 private:
  uint32_t max_ = 1;
  uint32_t allowed_ = 1;
  uint32_t in_flight_ = 0;
  std::map<uint64_t, uint32_t> numbers_in_flight_;  // halves of a request share its number
  bool probe_in_flight_ = false;
  std::deque<RequestAttempt> again_;
  std::deque<RequestAttempt> probes_;
  std::vector<QueuedRecord> suspects_;
};

}  // namespace penstock::delivery
