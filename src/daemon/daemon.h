// Daemon: builds every stage from the configuration, owns them, and starts and stops them in the
// order data moves. The only place that sees all of it.
//
//   start   memory, spool (recovery), delivery, admin port, sources: the last to be there are those
//           that bring data
//   stop    the other way round (drain.h)
//
// Thread: the main thread, all of it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "admin/health.h"
#include "admin/server.h"
#include "base/result.h"
#include "config/file_watch.h"
#include "config/options.h"
#include "daemon/credentials.h"
#include "daemon/memory_plan.h"
#include "daemon/shard_watch.h"
#include "daemon/status.h"
#include "daemon/stream_delivery.h"
#include "daemon/volume_watch.h"
#include "ingest/intake.h"
#include "ingest/source.h"
#include "auth/token_review.h"
#include "net/io_thread.h"

namespace penstock::daemon {

class Daemon {
 public:
  // reload: reads the configuration again (the caller knows from where).
  using Load = std::function<Result<config::Config, Error>()>;

  static Result<std::unique_ptr<Daemon>, Error> start(config::Config config, Load load,
                                                      std::string commit);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // A few times a second: health, generations that are empty, files that changed.
  void tick();
  // Takes up a changed configuration; a bad one changes nothing and is reported.
  void reload();

  // The steps of a drain, see drain.h.
  void announce_drain();
  void stop_accepting();
  void half_close();
  void close_connections();
  void stop_sources();
  // Stops delivery and closes the spool. True: nothing is left that is not on disk.
  [[nodiscard]] bool close();

  [[nodiscard]] size_t connections() const;
  [[nodiscard]] uint64_t events_received() const;
  [[nodiscard]] uint64_t events_pending() const;
  // Some stream has events and accepts them, as far as its last answers tell.
  [[nodiscard]] bool may_deliver() const;
  [[nodiscard]] const config::Config& config() const { return config_; }

 private:
  Daemon(config::Config config, Load load, std::string commit);
  Result<void, Error> open_spool();
  Result<void, Error> open_streams();
  Result<void, Error> open_sources();
  Result<void, Error> open_admin();
  void watch_health();
  void update_deliveries();
  Result<void, Error> apply(config::Config config);
  void pin_status(SteadyTime now);
  [[nodiscard]] metrics::StreamStatus stream_status(StreamDelivery& delivery, SteadyTime now) const;
  [[nodiscard]] metrics::SpoolStatus spool_status() const;
  void note_last_events();

  config::Config config_;
  const Load load_;
  const uint64_t message_bytes_max_;  // at the start, for which memory was shared out
  const MemoryPlan memory_plan_;
  MemoryTrimmer trimmer_;

  // In the order of construction; destroyed the other way round.
  record::Ledger ledger_;
  metrics::Metrics metrics_;
  admin::Health health_;
  std::unique_ptr<memory::MemoryBudget> intake_memory_;
  std::unique_ptr<memory::MemoryBudget> delivery_memory_;
  std::shared_ptr<auth::TokenReview> token_review_;     // null until a source needs it
  std::vector<std::unique_ptr<ingest::Source>> sources_;  // outlive the sessions suspended below
  std::unique_ptr<net::IoThreads> io_threads_;
  std::unique_ptr<spool::Spool> spool_;
  std::unique_ptr<ingest::RouterSlot> router_;
  std::unique_ptr<Identities> identities_;
  std::unique_ptr<ShardWatch> shard_watch_;
  std::vector<std::unique_ptr<delivery::DeliveryThread>> delivery_threads_;
  std::map<std::string, std::unique_ptr<StreamDelivery>> deliveries_;  // by stream
  std::unique_ptr<VolumeWatch> volume_watch_;                          // null without a directory
  std::unique_ptr<StatusBoard> status_;
  ErrorMemory errors_;
  metrics::ProcessStatus process_;                // what does not change, and the last reload
  std::map<std::string, LastEvent> last_events_;  // by source
  SteadyTime next_status_{};
  std::unique_ptr<admin::Server> admin_;
  std::atomic<bool> files_changed_{false};
  std::unique_ptr<config::FileWatch> file_watch_;
  std::atomic<SteadyTime::rep> memory_short_since_{0};  // 0: nobody waits for memory
  bool sources_stopped_ = false;
  bool closed_ = false;
};

}  // namespace penstock::daemon
