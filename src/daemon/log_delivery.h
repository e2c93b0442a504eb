// LogDelivery: one log of the spool, the stream its events go to, and what delivers them: signing,
// sending, what the service says of the shards.
//
// Thread: the daemon's; what it makes lives on the delivery thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "config/options.h"
#include "daemon/credentials.h"
#include "daemon/delivery_watch.h"
#include "daemon/placement_check.h"
#include "daemon/shard_watch.h"
#include "delivery/delivery_thread.h"
#include "delivery/http_put_port.h"
#include "delivery/stream_sender.h"

namespace penstock::daemon {

// What all streams share; outlives them.
struct DeliveryParts {
  spool::Spool& spool;
  record::Ledger& ledger;
  memory::MemoryBudget& memory;
  metrics::Metrics& metrics;
  Identities& identities;
  ShardWatch& shards;
};

class LogDelivery {
 public:
  LogDelivery(spool::StreamLog& log, delivery::DeliveryThread& thread, DeliveryParts parts);
  ~LogDelivery();
  LogDelivery(const LogDelivery&) = delete;
  LogDelivery& operator=(const LogDelivery&) = delete;

  // Begins, or goes on with new settings. An endpoint that cannot be made leaves it as it is.
  void configure(const config::StreamOptions& settings, const config::AwsOptions& aws);

  [[nodiscard]] const spool::StreamLog& log() const { return log_; }
  [[nodiscard]] const config::StreamOptions& settings() const { return settings_; }
  // Nothing is stored in the log, read from it, or in flight.
  [[nodiscard]] bool is_done();
  // Nothing of the log can be delivered now: the service says that there is no such stream, or the
  // settings make no endpoint.
  [[nodiscard]] bool is_missing();
  // Why nothing is let through; empty: it flows.
  [[nodiscard]] std::string paused_because();
  [[nodiscard]] metrics::DeliveryStatus status(SteadyTime now) const { return watch_->status(now); }
  [[nodiscard]] metrics::CredentialsStatus credentials_status() const {
    return credentials_ ? credentials_->status() : metrics::CredentialsStatus();
  }
  // A stream that is paused for its credentials need not wait when there are new ones.
  void check_credentials();

 private:
  void start(const kinesis::Endpoint& endpoint);
  [[nodiscard]] delivery::SenderOptions options_in_force() const;
  void watch_shards();
  void take_shard_info(const ShardNews& info);
  void take_place(const kinesis::HashKey& hash_key, uint32_t shard);
  void update_distribution();

  spool::StreamLog& log_;
  delivery::DeliveryThread& thread_;
  const DeliveryParts parts_;
  config::StreamOptions settings_;
  config::AwsOptions aws_;
  const std::shared_ptr<DeliveryWatch> watch_ = std::make_shared<DeliveryWatch>();

  // Made, used and destroyed on the delivery thread.
  std::unique_ptr<delivery::HttpPutPort> port_;
  std::unique_ptr<WatchedPort> watched_port_;
  std::unique_ptr<delivery::StreamSender> sender_;
  std::optional<net::HttpLoop::TimerId> timer_;
  size_t shards_known_ = 0;
  delivery::SenderOptions options_;  // as configured
  PlacementCheck placement_check_;
  kinesis::RecordDistribution distribution_ = kinesis::RecordDistribution::unknown;
  bool keys_are_ignored_ = false;  // by the service, as it says or as answers show
  // Null once this is gone: for what was posted and comes later.
  std::shared_ptr<LogDelivery*> self_;

  std::shared_ptr<Credentials> credentials_;  // of the settings in force
  std::shared_ptr<const kinesis::Credentials> credentials_seen_;
  // Read on the delivery thread; 0: not watched.
  std::atomic<ShardWatch::Id> watched_{0};
};

}  // namespace penstock::daemon
