// DeliveryWatch: what the answers to a stream's requests tell about it, for status, metrics and
// log. WatchedPort stands between a sender and its port and reports each answer.
//
// Thread: note() and set_…() are the delivery thread's, status() is for any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "delivery/put_port.h"
#include "kinesis/shard_map.h"
#include "metrics/status.h"

namespace penstock::daemon {

class DeliveryWatch {
 public:
  // A shard that throttled counts as slowed down for so long: a paced shard throttles rarely.
  static constexpr seconds kThrottledFor{30};

  void set_endpoint(std::string endpoint);
  void set_shards(size_t count);
  void set_keys_ignored(bool are_ignored, WallTime wall);
  void note(const delivery::PutResult& result, WallTime wall, SteadyTime now);

  [[nodiscard]] metrics::DeliveryStatus status(SteadyTime now) const;

 private:
  static constexpr size_t kShardsMax = 4096;

  mutable std::mutex mutex_;
  metrics::DeliveryStatus status_;
  std::map<uint32_t, SteadyTime> throttled_;  // when last
};

// What the failure of a request, and its code, come to.
[[nodiscard]] metrics::DeliveryTrouble trouble_of(const delivery::PutResult& result);

class WatchedPort final : public delivery::PutPort {
 public:
  // Where an accepted record went. Called for a few records of each answer.
  using Placed = std::function<void(const kinesis::HashKey& hash_key, uint32_t shard)>;

  // port must outlive it.
  WatchedPort(delivery::PutPort& port, std::shared_ptr<DeliveryWatch> watch, Placed placed)
      : port_(port),
        watch_(std::move(watch)),
        placed_(std::make_shared<const Placed>(std::move(placed))) {}
  void put(kinesis_format::Request request, Callback callback) override;

 private:
  delivery::PutPort& port_;
  const std::shared_ptr<DeliveryWatch> watch_;
  const std::shared_ptr<const Placed> placed_;  // answers may come when this is gone
};

}  // namespace penstock::daemon
