// ShardWatch: what the service says of each stream, asked now and then: its open shards, its
// largest record, and who chooses the shard of a record. For all streams, on one thread of its own,
// since the calls block. Without the permissions (kinesis:ListShards,
// kinesis:DescribeStreamSummary) delivery works without.
//
// A stream is asked about soon after it is watched (spread over a second: many replicas start
// together), again after 5 to 10 minutes, sooner when delivery misses a shard, and later and later
// while it fails.
//
// Thread: any; `told` runs on the watch's own, with its lock held: it posts and returns.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "base/clock.h"
#include "delivery/http_put_port.h"
#include "kinesis/control.h"
#include "kinesis/endpoint.h"
#include "kinesis/shard_map.h"

namespace penstock::daemon {

// What is asked about, and where.
struct ShardTarget {
  std::string stream;  // configuration name
  kinesis::StreamId id;
  kinesis::Endpoint control;
  std::string ca_bundle;
  std::shared_ptr<delivery::CredentialSource> credentials;
};

struct ShardNews {
  std::shared_ptr<const kinesis::ShardMap> shards;  // nullptr: not known
  size_t record_bytes_max = 0;                      // 0: not known
  kinesis::RecordDistribution distribution = kinesis::RecordDistribution::unknown;
  bool failed = false;  // something could not be asked: again sooner
  bool denied = false;  // and it will not help to ask soon
};

class ShardWatch {
 public:
  // Blocking; at most some twenty seconds.
  using Ask = std::function<ShardNews(const ShardTarget&)>;
  using Told = std::function<void(const ShardNews&)>;
  using Id = uint64_t;

  explicit ShardWatch(Ask ask);
  // Waits for the question under way.
  ~ShardWatch();
  ShardWatch(const ShardWatch&) = delete;
  ShardWatch& operator=(const ShardWatch&) = delete;

  [[nodiscard]] Id watch(ShardTarget target, Told told);
  // told is not running when this returns, and not called again.
  void forget(Id id);
  // The map is out of date.
  void ask_soon(Id id);

  // When to ask again. tries: failures in a row, 0 after news; random: uniform, 64 bits. Pure.
  [[nodiscard]] static milliseconds pause_after(const ShardNews& news, uint32_t tries,
                                                uint64_t random);

 private:
  struct Watched {
    ShardTarget target;
    Told told;
    SteadyTime due{};
    SteadyTime asked{};
    uint32_t tries = 0;
  };
  void run();

  const Ask ask_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Id, Watched> watched_;
  Id next_id_ = 1;
  std::mt19937_64 random_{std::random_device{}()};
  bool stopping_ = false;
  std::thread thread_;
};

// Asks with a ControlClient and the target's credentials: what the daemon uses.
[[nodiscard]] ShardNews ask_service(const ShardTarget& target);

}  // namespace penstock::daemon
