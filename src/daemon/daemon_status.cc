// What the daemon tells the admin port. See daemon.h.
#include "daemon/daemon.h"
#include "daemon/translate.h"

namespace penstock::daemon {
namespace {

std::string condition_text(const config::RouteOptions& route) {
  std::string text;
  const auto add = [&](const std::string& condition) {
    if (!text.empty()) text += ", ";
    text += condition;
  };
  if (!route.source.empty()) add("source: " + route.source);
  if (!route.tag.empty()) add("tag: " + route.tag);
  if (route.log_type) add(std::string("log_type: ") + config::to_string(*route.log_type));
  for (const config::FieldCondition& condition : route.where) {
    std::string path;
    for (const std::string& key : condition.path) path += (path.empty() ? "" : ".") + key;
    add("where: " + path + ": " + condition.pattern);
  }
  return text;
}

}  // namespace

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
  status.spool.bytes_max = config_.spool.max_size;
  for (const auto& source : sources_) {
    if (auto certificate = source->certificate()) status.certificates.push_back(*certificate);
  }
  status.credentials = credentials_->status();
  errors_.note("credentials", credentials_->last_error());
  errors_.note("spool", spool_->last_error());
  status.last_errors = errors_.newest_first();
  status_->pin(std::move(status));
}

}  // namespace penstock::daemon
