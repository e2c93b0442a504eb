// StreamDelivery: empties the logs of one stream, oldest first: what was stored before the stream's
// name, arn or region changed goes to the former target before anything goes to the present one.
// When the service says that the former target does not exist, what is stored for it waits, and the
// next log is begun beside it.
//
// Invariants, checked here:
//   a log is delivered by one LogDelivery at a time, which ends only when the log is done
//   logs are begun in their order; a later one only while all earlier ones are done or missing
//
// Thread: the daemon's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/log_delivery.h"

namespace penstock::daemon {

class StreamDelivery {
 public:
  StreamDelivery(std::string stream, delivery::DeliveryThread& thread, DeliveryParts parts);

  [[nodiscard]] const std::string& stream() const { return stream_; }

  // The logs there are, oldest first, and how each is to be delivered. current: the last of them is
  // the configured one and takes these settings; else all go by their own.
  void update(const std::vector<spool::StreamLog*>& logs, const config::StreamOptions* current,
              const config::AwsOptions& aws);
  // Begins and ends deliveries as the logs allow. True: nothing is left of any, and the stream is
  // not configured.
  bool advance();

  // Why nothing is let through to the present target, or to a former one; empty: all flows.
  [[nodiscard]] std::string paused_because();
  // Something is stored of which a target, as far as is known, takes more.
  [[nodiscard]] bool may_deliver(SteadyTime now) const;
  // Of the log that takes what comes in now, once its delivery has begun; else of the first.
  [[nodiscard]] metrics::DeliveryStatus status(SteadyTime now) const;
  [[nodiscard]] metrics::CredentialsStatus credentials_status() const;
  // The settings in force.
  [[nodiscard]] const config::StreamOptions& settings() const { return settings_; }

 private:
  [[nodiscard]] bool is_current(const spool::StreamLog& log) const;
  [[nodiscard]] LogDelivery* delivery_of(const spool::StreamLog& log);
  void end_done();
  LogDelivery& begin(spool::StreamLog& log);

  const std::string stream_;
  delivery::DeliveryThread& thread_;
  const DeliveryParts parts_;
  config::AwsOptions aws_;
  std::optional<config::StreamOptions> current_;
  config::StreamOptions settings_;
  std::vector<spool::StreamLog*> logs_;                   // oldest first
  std::vector<std::unique_ptr<LogDelivery>> deliveries_;  // those begun and not done
};

}  // namespace penstock::daemon
