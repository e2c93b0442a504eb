// StreamDelivery: empties the logs of one stream, oldest generation first: what was stored before
// the stream's name, arn or region changed goes to the old target before anything goes to the new.
//
// Thread: the daemon's; what it makes lives on the delivery thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/options.h"
#include "daemon/credentials.h"
#include "daemon/delivery_watch.h"
#include "daemon/shard_watch.h"
#include "delivery/delivery_thread.h"
#include "delivery/http_put_port.h"
#include "delivery/sender.h"

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

class StreamDelivery {
 public:
  StreamDelivery(std::string stream, delivery::DeliveryThread& thread, DeliveryParts parts);
  ~StreamDelivery();
  StreamDelivery(const StreamDelivery&) = delete;
  StreamDelivery& operator=(const StreamDelivery&) = delete;

  [[nodiscard]] const std::string& stream() const { return stream_; }

  // The logs there are, oldest first, and how each is to be delivered. current: the last of them is
  // the configured one and takes these settings; else all go by their own.
  void update(const std::vector<spool::StreamLog*>& logs, const config::StreamOptions* current,
              const config::AwsOptions& aws);
  // Goes on to the next generation when the present one is empty. True: nothing is left of any.
  bool advance();

  // Why nothing is let through; empty: it flows.
  [[nodiscard]] std::string held_because();
  [[nodiscard]] metrics::DeliveryStatus status(SteadyTime now) const { return watch_->status(now); }
  [[nodiscard]] metrics::CredentialsStatus credentials_status() const {
    return credentials_ ? credentials_->status() : metrics::CredentialsStatus();
  }
  // The settings in force.
  [[nodiscard]] const config::StreamOptions& settings() const { return settings_; }

 private:
  void begin(spool::StreamLog& log);
  void end_sender();
  void watch_shards();
  void take_news(const ShardNews& news);
  void look_at_credentials();

  const std::string stream_;
  delivery::DeliveryThread& thread_;
  const DeliveryParts parts_;
  config::AwsOptions aws_;
  std::optional<config::StreamOptions> current_;
  config::StreamOptions settings_;
  std::vector<spool::StreamLog*> logs_;
  const std::shared_ptr<DeliveryWatch> watch_ = std::make_shared<DeliveryWatch>();

  // Made, used and destroyed on the delivery thread.
  std::unique_ptr<delivery::HttpPutPort> port_;
  std::unique_ptr<WatchedPort> watched_port_;
  std::unique_ptr<delivery::Sender> sender_;
  std::optional<net::HttpLoop::TimerId> timer_;
  // Points to this while there is a sender: for news that were posted and come later.
  std::shared_ptr<StreamDelivery*> for_news_;
  size_t shards_known_ = 0;
  std::shared_ptr<Credentials> credentials_;  // of the settings in force
  std::shared_ptr<const kinesis::Credentials> credentials_seen_;

  spool::StreamLog* sending_ = nullptr;
  // Read on the delivery thread; 0: not watched.
  std::atomic<ShardWatch::Id> watched_{0};
};

}  // namespace penstock::daemon
