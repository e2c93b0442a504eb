// What the daemon tells the admin port. See daemon.h.
#include "daemon/daemon.h"
#include "daemon/translate.h"

namespace penstock::daemon {

void Daemon::pin_status(SteadyTime now) {
  if (now < next_status_) return;
  next_status_ = now + milliseconds(200);
  metrics::Status status;
  for (const auto& source : sources_) status.sources.push_back(source->status());
  for (const config::RouteOptions& route : config_.routes) {
    status.routes.push_back({condition_text(route), route.stream});
  }
  for (const auto& [stream, delivery] : deliveries_) {
    const spool::StreamFigures figures = spool_->figures(stream);
    metrics::StreamStatus entry;
    entry.name = stream;
    entry.target = target_name(delivery->settings());
    entry.spool_bytes = figures.bytes;
    entry.spool_bytes_max = figures.bytes_max;
    entry.pushing_back = figures.pushing_back;
    if (figures.oldest_received_ns > 0) {
      entry.oldest_received = WallTime(
          std::chrono::duration_cast<WallTime::duration>(nanoseconds(figures.oldest_received_ns)));
    }
    status.streams.push_back(std::move(entry));
    const std::string held = delivery->held_because();
    if (!held.empty()) errors_.note("stream " + stream, "held: " + held);
  }
  status.spool.directory = config_.spool.directory;
  status.spool.bytes = spool_->bytes();
  status.spool.dead_letter_bytes = spool_->dead_letter_bytes();
  status.spool.bytes_max = config_.spool.max_size;
  for (const auto& source : sources_) {
    if (auto certificate = source->certificate()) status.certificates.push_back(*certificate);
  }
  status.credentials = identities_->status();
  for (const metrics::CredentialsStatus& each : status.credentials) {
    errors_.note(each.identity.empty() ? "credentials" : "credentials of " + each.identity,
                 each.last_error);
  }
  errors_.note("spool", spool_->last_error());
  status.last_errors = errors_.newest_first();
  status_->pin(std::move(status));
}

}  // namespace penstock::daemon
