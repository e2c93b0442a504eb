// What the daemon tells the admin port. See daemon.h.
#include "daemon/daemon.h"
#include "daemon/translate.h"

namespace penstock::daemon {

metrics::StreamStatus Daemon::stream_status(StreamDelivery& delivery, SteadyTime now) const {
  const spool::StreamFigures figures = spool_->figures(delivery.stream());
  metrics::StreamStatus entry;
  entry.name = delivery.stream();
  entry.target = target_name(delivery.settings());
  entry.spool_bytes = figures.bytes;
  entry.spool_bytes_max = figures.bytes_max;
  entry.pushing_back = figures.pushing_back;
  entry.disk_failing = figures.disk_failing;
  entry.ordered = delivery.settings().order == config::Order::per_key;
  entry.kpl_aggregates = delivery.settings().aggregation == config::Aggregation::kpl;
  entry.flush_interval = std::chrono::ceil<seconds>(delivery.settings().flush.interval);
  if (figures.oldest_received_ns > 0) {
    entry.oldest_received = WallTime(
        std::chrono::duration_cast<WallTime::duration>(nanoseconds(figures.oldest_received_ns)));
  }
  entry.credentials = delivery.credentials_status();
  entry.paused_because = delivery.paused_because();
  entry.delivery = delivery.status(now);
  return entry;
}

metrics::SpoolStatus Daemon::spool_status() const {
  metrics::SpoolStatus status;
  status.directory = config_.spool.directory;
  status.bytes = spool_->bytes();
  status.bytes_max = config_.spool.max_size;
  status.dead_letter_directory = make_spool_options(config_, 0, 0).dead_letter_directory;
  if (status.dead_letter_directory.empty() && !status.directory.empty()) {
    status.dead_letter_directory = status.directory + "/dead-letter";
  }
  status.dead_letter_bytes = spool_->dead_letter_bytes();
  status.dead_letter_bytes_max = config_.dead_letters.max_size;
  status.dead_letters = spool_->dead_letter_count();
  if (volume_watch_) {
    status.volume_bytes = volume_watch_->bytes();
    status.volume_bytes_free = volume_watch_->bytes_free();
  }
  status.last_error = spool_->last_error();
  return status;
}

void Daemon::note_last_events() {
  const auto received = ledger_.snapshot().received;
  for (const auto& source : sources_) {
    LastEvent& last = last_events_[source->name()];
    const auto found = received.find(source->name());
    if (found == received.end() || found->second == last.events) continue;
    last = {found->second, Clock::system().wall()};
  }
}

void Daemon::pin_status(SteadyTime now) {
  if (now < next_status_) return;
  next_status_ = now + milliseconds(200);
  note_last_events();
  metrics::Status status;
  for (const auto& source : sources_) {
    status.sources.push_back(source->status());
    status.sources.back().last_event = last_events_[source->name()].when;
  }
  for (const config::RouteOptions& route : config_.routes) {
    status.routes.push_back({condition_text(route), route.stream});
  }
  for (const auto& [stream, delivery] : deliveries_) {
    status.streams.push_back(stream_status(*delivery, now));
    const metrics::StreamStatus& entry = status.streams.back();
    if (!entry.paused_because.empty()) {
      errors_.note("stream " + stream, "paused: " + entry.paused_because);
    }
    if (entry.delivery.failures > 0) errors_.note("stream " + stream, entry.delivery.error);
  }
  status.spool = spool_status();
  status.process = process_;
  status.process.memory_short = memory_short_since_ != 0;
  for (const auto& source : sources_) {
    if (auto certificate = source->certificate()) status.certificates.push_back(*certificate);
  }
  status.credentials = identities_->status();
  for (const metrics::CredentialsStatus& each : status.credentials) {
    errors_.note(each.identity.empty() ? "credentials" : "credentials of " + each.identity,
                 each.last_error);
  }
  errors_.note("spool", status.spool.last_error);
  status.last_errors = errors_.newest_first();
  status_->pin(std::move(status));
}

}  // namespace penstock::daemon
